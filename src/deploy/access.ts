import type { Application } from '../model/application.ts'
import { configNameOf, registryConfig, type Credentials, type PullAccess } from '../model/registry.ts'
import { Secret } from '../model/secret.ts'
import type { Db, Tx } from '../store/database.ts'
import { findRegistry } from '../store/registry.ts'
import { fingerprintOf, openSecret } from '../store/secret.ts'
import type { Dependencies } from './dependencies.ts'

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

/** Who pulls the image of a release, as its registry is known now; null where anybody may, or the registry is deleted. */
export async function pullAccessOf(
  deps: Dependencies,
  organizationId: string,
  { source }: Pick<Application['spec'], 'source'>,
): Promise<PullAccess | null> {
  const registry = source.kind === 'image' ? await findRegistry(deps.db, [organizationId], source.registryId) : undefined
  const credentials = registry && (await credentialsOf(deps, registry))
  return credentials ? { ...credentials, registry: configNameOf(registry.url) } : null
}

/** Tells one password from the next: a release that is pulled with another one is another release. */
export async function accessFingerprint(db: Db | Tx, application: Application): Promise<string | null> {
  const { source } = application.spec
  const registry = source.kind === 'image' ? await findRegistry(db, [application.organizationId], source.registryId) : undefined
  const config = registryConfig.parse(registry?.config ?? {})
  return 'password' in config ? `${config.username} ${await fingerprintOf(db, application.organizationId, config.password)}` : null
}
