import type { Application } from '../model/application.ts'
import type { Image } from '../model/image.ts'
import { configNameOf, isAt, registryConfig, type Credentials, type PullAccess } from '../model/registry.ts'
import { Secret } from '../model/secret.ts'
import type { Db, Tx } from '../store/database.ts'
import { findRegistry, findRegistryAt } from '../store/registry.ts'
import { fingerprintOf, openSecret } from '../store/secret.ts'
import type { Dependencies } from './dependencies.ts'

type Pulled = { spec: Pick<Application['spec'], 'source'>; image: Image }
type Registry = { organization_id: string; url: string; config: Record<string, unknown> }

/** Revealed: the only place where a registry's password is. Null where it is asked anonymously. */
export async function credentialsOf(deps: Pick<Dependencies, 'db' | 'vault'>, registry: Registry): Promise<Credentials | null> {
  const config = registryConfig.parse(registry.config)
  if (!('password' in config)) return null
  return {
    username: config.username,
    password: new Secret(await openSecret(deps.db, deps.vault, registry.organization_id, config.password)),
  }
}

/** Who may push to a cluster's registry (`host[:port][/path]`), and ask it: whom the organization knows at its host; null where it knows nobody. A password that was given for HTTPS is never sent without it. */
export async function pushAccessOf(
  deps: Pick<Dependencies, 'db' | 'vault'>,
  organizationId: string,
  { name, insecure }: { name: string; insecure: boolean },
): Promise<PullAccess | null> {
  const registry = await findRegistryAt(deps.db, organizationId, (url) => isAt(name)(url) && !(insecure && url.startsWith('https:')))
  const credentials = registry && (await credentialsOf(deps, registry))
  return credentials ? { ...credentials, registry: configNameOf(registry.url) } : null
}

/** Who pulls the image of a release, as its registry is known now; null where anybody may, or the registry is deleted. */
export async function pullAccessOf(deps: Dependencies, organizationId: string, release: Pulled): Promise<PullAccess | null> {
  const registry = await registryOf(deps.db, organizationId, release)
  const credentials = registry && (await credentialsOf(deps, registry))
  return credentials ? { ...credentials, registry: configNameOf(registry.url) } : null
}

/** Tells one password from the next: a release that is pulled with another one is another release. */
export async function accessFingerprint(db: Db | Tx, organizationId: string, release: Pulled): Promise<string | null> {
  const registry = await registryOf(db, organizationId, release)
  const config = registryConfig.parse(registry?.config ?? {})
  return 'password' in config ? `${config.username} ${await fingerprintOf(db, organizationId, config.password)}` : null
}

/** The one that an application names; what was built is in a cluster's registry, which the organization may know by its host. */
async function registryOf(db: Db | Tx, organizationId: string, { spec: { source }, image }: Pulled): Promise<Registry | undefined> {
  if (source.kind === 'image') return findRegistry(db, [organizationId], source.registryId)
  return image.kind === 'registry' ? findRegistryAt(db, organizationId, isAt(image.repository)) : undefined
}
