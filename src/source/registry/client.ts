import { AppError } from '../../model/error.ts'
import { isHub, type Credentials } from '../../model/registry.ts'
import type { Egress } from '../egress.ts'
import { send, type Answer } from '../http.ts'

/** Milliseconds a registry may take, and bytes of an answer that are read. */
const LIMIT = 20_000
const ANSWER_LIMIT = 4 * 1024 * 1024

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** Where Docker Hub's registry lives. */
const HUB_API = 'https://registry-1.docker.io'

type RegistryImage = { repository: string; digest: string; insecure: boolean; credentials: Credentials | null }
export type Found = { repository: string; digest: string }

type Tagged = { registryUrl: string; name: string; tag: string; credentials: Credentials | null }

/** Resolves a tag to its digest, once. Its password goes to the registry itself, or to its token service, which must be one of its own host's domain. */
export async function resolveTag(egress: Egress, image: Tagged): Promise<Found> {
  const base = new URL(image.registryUrl)
  const hub = isHub(image.registryUrl)
  const name = hub && !image.name.includes('/') ? `library/${image.name}` : image.name
  const digest = await fetchDigest(egress, { ...image, api: hub ? HUB_API : base.origin, name })
  return { repository: `${hub ? 'docker.io' : base.host}/${name}`, digest }
}

/** Asks about an image by its digest, as the user that is known. */
async function askAbout(egress: Egress, method: 'HEAD' | 'DELETE', image: RegistryImage, headers: Record<string, string>): Promise<Text> {
  const slash = image.repository.indexOf('/')
  const host = `${image.insecure ? 'http' : 'https'}://${image.repository.slice(0, slash)}`
  const at = { api: isHub(host) ? HUB_API : host, credentials: image.credentials }
  return askAs(egress, at, method, `${at.api}/v2/${image.repository.slice(slash + 1)}/manifests/${image.digest}`, headers)
}

/** Deletes an image; one that is gone already is no error. Its layers go with the registry's own garbage collection. */
export async function removeImage(egress: Egress, image: RegistryImage): Promise<void> {
  const answer = await askAbout(egress, 'DELETE', image, {})
  if (answer.status === 405) throw new AppError('unsupported', 'The registry does not delete images: allow it in its configuration.')
  if (answer.status >= 400 && answer.status !== 404)
    throw new AppError('unavailable', `The registry answered ${answer.status} when asked to delete ${image.repository}@${image.digest}.`)
}

/** Whether a registry still gives out an image. Throws `unavailable` where it cannot tell. */
export async function hasImage(egress: Egress, image: RegistryImage): Promise<boolean> {
  const answer = await askAbout(egress, 'HEAD', image, { accept: MANIFESTS })
  if (answer.status === 200) return true
  if (answer.status === 404) return false
  throw new AppError('unavailable', `The registry answered ${answer.status} when asked for ${image.repository}@${image.digest}.`)
}

const REMEDY = ': give it a user name and password (berth registry edit <name> --username <user> --password-stdin)'

type At = { api: string; credentials: Credentials | null }

/** A registry says only when it is asked whether it wants to know who asks, and how. */
async function askAs(egress: Egress, at: At, method: 'HEAD' | 'DELETE', url: string, headers: Record<string, string>): Promise<Text> {
  const answer = await ask(egress, method, url, headers)
  if (answer.status !== 401) return answer
  const authorization = await authorizationFor(egress, at, answer.headers['www-authenticate'] ?? '')
  return ask(egress, method, url, { ...headers, authorization })
}

async function fetchDigest(egress: Egress, at: At & { name: string; tag: string }): Promise<string> {
  const url = `${at.api}/v2/${at.name}/manifests/${encodeURIComponent(at.tag)}`
  const answer = await askAs(egress, at, 'HEAD', url, { accept: MANIFESTS })
  if (answer.status === 404) throw new AppError('invalid', `The registry has no image ${at.name} with the tag ${at.tag}.`)
  if (answer.status === 401 || answer.status === 403)
    throw new AppError(
      'invalid',
      at.credentials
        ? `The registry does not give out ${at.name}:${at.tag} to ${at.credentials.username}: its password may be wrong, or it may not read this image.`
        : `The registry does not give out ${at.name}:${at.tag} without credentials${REMEDY}.`,
    )
  const digest = answer.headers['docker-content-digest']
  if (answer.status !== 200 || typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new AppError('unavailable', `The registry answered ${answer.status} without a digest when asked for ${at.name}:${at.tag}.`)
  return digest
}

const basicOf = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`

async function authorizationFor(egress: Egress, at: At, challenge: string): Promise<string> {
  if (/^Basic /i.test(challenge) && at.credentials) return basicOf(at.credentials)
  return `Bearer ${await tokenFor(egress, at, challenge)}`
}

/** The Bearer challenge: its realm is only followed to the registry's own domain, so that it cannot send us elsewhere. */
async function tokenFor(egress: Egress, at: At, challenge: string): Promise<string> {
  const { api, credentials } = at
  const field = (name: string): string | undefined => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1]
  const realm = field('realm')
  if (!/^Bearer /i.test(challenge) || !realm || !URL.canParse(realm))
    throw new AppError(
      'invalid',
      `The registry asks for credentials${at.credentials ? ' of another kind than user name and password' : REMEDY}.`,
    )
  const url = new URL(realm)
  const domain = (host: string): string => host.split('.').slice(-2).join('.')
  if (url.protocol !== new URL(api).protocol || domain(url.hostname) !== domain(new URL(api).hostname))
    throw new AppError('invalid', `The registry sends to another host for its token (${url.hostname}), which is not followed.`)
  for (const name of ['service', 'scope']) if (field(name)) url.searchParams.set(name, field(name) ?? '')
  const answer = await ask(egress, 'GET', url.href, credentials ? { authorization: basicOf(credentials) } : {})
  if (answer.status === 401 && credentials)
    throw new AppError('invalid', `The registry does not accept the password of ${credentials.username}.`)
  const body = JSON.parse(answer.body || '{}') as { token?: string; access_token?: string }
  const token = body.token ?? body.access_token
  if (answer.status !== 200 || !token) throw new AppError('invalid', `The registry's token service answered ${answer.status}.`)
  return token
}

type Text = Omit<Answer, 'body'> & { body: string }

async function ask(egress: Egress, method: 'GET' | 'HEAD' | 'DELETE', href: string, headers: Record<string, string>): Promise<Text> {
  const answer = await send(egress, method, href, { what: 'registry', limit: LIMIT, size: ANSWER_LIMIT, headers })
  return { ...answer, body: answer.body.toString() }
}
