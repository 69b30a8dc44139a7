import type { Application, SourceKind } from '../model/application.ts'
import { AppError } from '../model/error.ts'
import { ensureOwnRepository } from '../source/git/own.ts'
import { findCluster } from '../store/cluster.ts'
import type { Tx } from '../store/database.ts'
import type { EnvironmentRow } from '../store/environment.ts'
import { ensureRepository } from '../store/repository.ts'
import type { Api, Call } from './route.ts'
import type { ServiceRequest } from './schema/service.ts'

/** What cannot be known from the request alone: the registry, and what the cluster's engine can do. */
export async function checkAgainst(
  api: Api,
  of: { find: Call<unknown, unknown>['find']; environment: EnvironmentRow; fields: { spec: Application['spec'] }; kind: SourceKind },
): Promise<void> {
  const { spec } = of.fields
  if (spec.source.kind === 'image')
    await of.find
      .registry(spec.source.registryId, 'read')
      .catch(() => Promise.reject(new AppError('invalid', 'there is no such container registry in this organization', 'registry_id')))
  if (spec.source.kind === 'git' && spec.source.tokenId !== null)
    throw new AppError(
      'unsupported',
      'Git tokens are not supported yet: use a repository that can be read without one',
      'git_repository.git_token_id',
    )
  const reserved = spec.ports.findIndex(
    (port) =>
      of.environment.cluster_domain === null &&
      port.public &&
      port.protocol === 'tcp' &&
      api.settings.edgePorts.includes(port.external ?? port.internal),
  )
  if (reserved >= 0)
    throw new AppError(
      'conflict',
      `expected another external port: the edge itself listens on ${api.settings.edgePorts.join(' and ')}`,
      `ports[${reserved}].external_port`,
    )
  if (spec.scaling.kind === 'resource' && spec.volumes.length > 0)
    throw new AppError(
      'unsupported',
      'expected the same as min_running_instances: each instance has volumes of its own, so their number is fixed',
      'max_running_instances',
    )
  if (spec.scaling.kind === 'fixed' && spec.gpu === 0) return
  const cluster = await findCluster(api.deps.db, [of.environment.organization_id], of.environment.cluster_id)
  if (!cluster) return
  const can = await api.deps.adaptersOf(cluster).engine.capabilities()
  if (spec.scaling.kind === 'resource' && can.resourceScaling !== true)
    throw new AppError('unsupported', can.resourceScaling, 'max_running_instances')
  if (spec.gpu > 0 && can.gpu !== true) throw new AppError('unsupported', can.gpu, 'gpu')
}

/** A URL of Berth's own Git remote is recognised, and its repository made: `<apiUrl>/git/<environmentId>/<name>.git`. */
export async function ownRepositoryFor(api: Api, tx: Tx, environment: EnvironmentRow, body: ServiceRequest): Promise<string | null> {
  const url = body.git_repository?.url
  const prefix = `${api.settings.apiUrl}/git/`
  if (!url?.startsWith(prefix)) return null
  const [environmentId, file = ''] = url.slice(prefix.length).split('/')
  if (environmentId !== environment.id || !/^[a-z0-9][a-z0-9-]{0,62}\.git$/.test(file))
    throw new AppError(
      'invalid',
      `expected ${prefix}${environment.id}/<name>.git with a name of lower-case letters, digits and hyphens`,
      'git_repository.url',
    )
  const row = await ensureRepository(tx, environment, file.slice(0, -4), api.deps.node)
  await ensureOwnRepository(api.deps.folders.git, row.id)
  return row.id
}
