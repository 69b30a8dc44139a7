import { X509Certificate } from 'node:crypto'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { invalid } from './error.ts'

/** Longest accepted kubeconfig in characters: real ones have a few thousand. */
const LIMIT = 256 * 1024

/** How a Kubernetes API is reached: its address, who signs its certificate, and one credential. PEM texts. */
export type KubernetesAccess = {
  server: string
  authority: string | null
  token: string | null
  certificate: string | null
  key: string | null
}

const named = <T extends z.ZodType>(key: string, value: T) => z.array(z.looseObject({ name: z.string(), [key]: value }))
const shape = z.looseObject({
  'current-context': z.string().optional(),
  clusters: named('cluster', z.looseObject({ server: z.string() })).min(1),
  contexts: named('context', z.looseObject({ cluster: z.string(), user: z.string() })).default([]),
  users: named('user', z.looseObject({})).default([]),
})

const REMEDY =
  'Give Berth a service account of its own: docs/guide/clusters.md shows the four commands that make a kubeconfig with a service-account token.'

/** What cannot be kept safely or does not work away from the machine it was written on, and why. */
const refusedUser: Record<string, string> = {
  exec: 'an exec plug-in runs a program',
  'auth-provider': 'an auth-provider plug-in runs a program',
  tokenFile: 'tokenFile names a file of another machine',
  'client-certificate': 'client-certificate names a file of another machine',
  'client-key': 'client-key names a file of another machine',
  username: 'Kubernetes does not accept user name and password any more',
  password: 'Kubernetes does not accept user name and password any more',
  as: 'acting as somebody else hides who acts',
}
const refusedCluster: Record<string, string> = {
  'insecure-skip-tls-verify': 'without checking the certificate anybody on the way could read the token',
  'certificate-authority': 'certificate-authority names a file of another machine',
  'proxy-url': 'Berth connects to clusters directly',
}

/** The context that a kubeconfig chooses, as address and credential. Throws `invalid` with the field's path and the remedy. */
export function parseKubeconfig(text: string): KubernetesAccess {
  if (text.length > LIMIT) throw invalid('kubeconfig', `expected at most ${LIMIT} characters, found ${text.length}`)
  const { cluster, user } = chosen(read(text))
  refuse(cluster, refusedCluster, 'cluster')
  refuse(user, refusedUser, 'user')
  const access = {
    server: parseServer(String(cluster['server'])),
    authority: pem(cluster['certificate-authority-data'], 'cluster.certificate-authority-data', 'CERTIFICATE'),
    token: typeof user['token'] === 'string' && user['token'] !== '' ? user['token'] : null,
    certificate: pem(user['client-certificate-data'], 'user.client-certificate-data', 'CERTIFICATE'),
    key: pem(user['client-key-data'], 'user.client-key-data', 'PRIVATE KEY'),
  }
  if (access.token !== null && !/^[\x21-\x7e]+$/.test(access.token))
    throw invalid('kubeconfig.user.token', 'expected a token of visible ASCII characters')
  if (access.token === null && (access.certificate === null || access.key === null))
    throw invalid('kubeconfig.user', `expected a token, or a client certificate with its key, found neither. ${REMEDY}`)
  return access
}

function read(text: string): z.infer<typeof shape> {
  const document = parseDocument(text, { uniqueKeys: true })
  if (document.errors.length > 0) throw invalid('kubeconfig', `expected YAML: ${document.errors[0]?.message.split('\n')[0] ?? ''}`)
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 0 })
  } catch {
    throw invalid('kubeconfig', 'expected YAML without aliases')
  }
  const parsed = shape.safeParse(value)
  if (!parsed.success)
    throw invalid(
      ['kubeconfig', ...(parsed.error.issues[0]?.path ?? [])].join('.'),
      `expected a kubeconfig with clusters, contexts and users (kubectl config view --raw --minify --flatten prints one): ${parsed.error.issues[0]?.message ?? ''}`,
    )
  return parsed.data
}

type Fields = Record<string, unknown>

function chosen(config: z.infer<typeof shape>): { cluster: Fields; user: Fields } {
  const context =
    config.contexts.find((one) => one.name === config['current-context']) ?? (config.contexts.length === 1 ? config.contexts[0] : undefined)
  if (!context) throw invalid('kubeconfig.current-context', 'expected the name of one of its contexts, found none that fits')
  const { cluster, user } = context['context'] as { cluster: string; user: string }
  const found = config.clusters.find((one) => one.name === cluster)
  if (!found) throw invalid('kubeconfig.contexts.cluster', `expected one of its clusters, found ${JSON.stringify(cluster.slice(0, 80))}`)
  const account = config.users.find((one) => one.name === user)
  if (!account) throw invalid('kubeconfig.contexts.user', `expected one of its users, found ${JSON.stringify(user.slice(0, 80))}`)
  return { cluster: found['cluster'] as Fields, user: account['user'] as Fields }
}

function refuse(fields: Fields, refused: Record<string, string>, noun: string): void {
  for (const [key, why] of Object.entries(refused))
    if (fields[key] !== undefined && fields[key] !== false && fields[key] !== '')
      throw invalid(`kubeconfig.${noun}.${key}`, `expected a kubeconfig without ${key}: ${why}. ${REMEDY}`)
}

function parseServer(text: string): string {
  if (!URL.canParse(text)) throw invalid('kubeconfig.cluster.server', 'expected a URL, found text that is none')
  const url = new URL(text)
  if (url.protocol !== 'https:') throw invalid('kubeconfig.cluster.server', `expected an https:// address, found ${url.protocol}//`)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw invalid('kubeconfig.cluster.server', 'expected an address without user name, password, ? and #')
  return url.href.replace(/\/+$/, '')
}

function pem(value: unknown, path: string, kind: string): string | null {
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string') throw invalid(`kubeconfig.${path}`, 'expected base64 text')
  const text = Buffer.from(value, 'base64').toString()
  if (!new RegExp(`-----BEGIN ([A-Z]+ )?${kind}-----`).test(text))
    throw invalid(`kubeconfig.${path}`, `expected a base64 PEM ${kind.toLowerCase()}`)
  if (kind === 'CERTIFICATE')
    try {
      new X509Certificate(text)
    } catch {
      throw invalid(`kubeconfig.${path}`, 'expected a certificate, found something else in its PEM')
    }
  return text
}

/** The same access as a kubeconfig that kubectl reads: what an administrator gets back. */
export function kubeconfigOf(access: KubernetesAccess, name: string): string {
  const encoded = (text: string | null): string | undefined => (text === null ? undefined : Buffer.from(text).toString('base64'))
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: access.server, 'certificate-authority-data': encoded(access.authority) } }],
    users: [
      {
        name,
        user: {
          token: access.token ?? undefined,
          'client-certificate-data': encoded(access.certificate),
          'client-key-data': encoded(access.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  }
  return `${JSON.stringify(config, null, 2)}\n`
}
