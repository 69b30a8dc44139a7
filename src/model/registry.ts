import { z } from 'zod'
import type { Secret } from './secret.ts'
import { secretRef } from './variable.ts'

/** What is kept of a container registry's credentials: the password by reference, sealed elsewhere. Empty: it is asked anonymously. */
export const registryConfig = z.union([z.strictObject({ username: z.string(), password: secretRef }), z.strictObject({})])
export type Credentials = { username: string; password: Secret }

/** Who pulls an image. `registry`: as the configuration files of Docker name it. */
export type PullAccess = Credentials & { registry: string }

/** Docker Hub's registry does not live at the host of its image names, and Docker's configuration files know it by a third one. */
const HUB = new Set(['docker.io', 'index.docker.io', 'registry.hub.docker.com'])
export const isHub = (url: string): boolean => HUB.has(new URL(url).hostname)
export const configNameOf = (url: string): string => (isHub(url) ? 'https://index.docker.io/v1/' : new URL(url).host)

/** Tells whether a registry's address is the host of a repository, `host[:port]/path`. */
export const isAt = (repository: string): ((url: string) => boolean) => {
  const wanted = configNameOf(`https://${repository.split('/')[0]}`)
  return (url) => configNameOf(url) === wanted
}

/** The entry of such a file. */
export const dockerConfigOf = ({ registry, username, password }: PullAccess): string =>
  JSON.stringify({ auths: { [registry]: { auth: Buffer.from(`${username}:${password.reveal()}`).toString('base64') } } })
