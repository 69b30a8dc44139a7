import { z } from 'zod'
import { AppError } from '../../model/error.ts'
import { createCluster, deleteCluster, listClusters } from '../../store/cluster.ts'
import { listEnvironments } from '../../store/environment.ts'
import { echoed, results, route, type Api } from '../route.ts'
import { presentEnvironment, environmentShape } from './environment.ts'

const providers = ['AWS', 'SCW', 'GCP', 'DO', 'AZURE', 'OVH', 'CIVO', 'HETZNER', 'ORACLE', 'IBM', 'ON_PREMISE'] as const
const request = z.strictObject({
  name: z.string().trim().min(1).max(63),
  description: z.string().max(2000).nullish(),
  region: z.string().max(100),
  cloud_provider: z.enum(providers),
  kubernetes: z.enum(['MANAGED', 'SELF_MANAGED', 'PARTIALLY_MANAGED']).nullish(),
  production: z.boolean().nullish(),
  is_demo: z.boolean().nullish(),
  /** Beside the contract: which engine drives the cluster. */
  engine: z.enum(['docker', 'memory']).nullish(),
  ...echoed(
    'id',
    'created_at',
    'updated_at',
    'organization',
    'status',
    'has_access',
    'version',
    'is_default',
    'deployment_status',
    'keda',
    'features',
  ),
})
const shape = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  organization: z.object({ id: z.string() }),
  name: z.string(),
  description: z.string(),
  region: z.string(),
  cloud_provider: z.string(),
  kubernetes: z.string(),
  status: z.string(),
  has_access: z.boolean(),
  version: z.string(),
  is_default: z.boolean(),
  is_demo: z.boolean(),
  production: z.boolean(),
  deployment_status: z.string(),
  keda: z.object({ enabled: z.boolean() }),
  features: z.array(z.looseObject({})),
  engine: z.string(),
})
const clusterStatus = z.object({
  cluster_id: z.string(),
  status: z.string(),
  is_deployed: z.boolean(),
  next_k8s_available_version: z.null(),
  last_execution_id: z.null(),
  cluster_lock: z.null(),
  last_deployment_date: z.string().nullable(),
  reason: z.string(),
})

type Row = Awaited<ReturnType<typeof listClusters>>[number]

/** A cluster that no process holds is not ready, whatever it was. */
const isHeld = (row: Row): boolean => row.holder !== null && row.holder_until !== null && row.holder_until > new Date()
const present = (row: Row) => ({
  id: row.id,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  organization: { id: row.organization_id },
  name: row.name,
  description: row.description,
  region: 'on-premise',
  cloud_provider: 'ON_PREMISE',
  kubernetes: 'SELF_MANAGED',
  status: isHeld(row) ? 'DEPLOYED' : 'READY',
  has_access: true,
  version: '',
  is_default: row.is_default,
  is_demo: false,
  production: false,
  deployment_status: 'UP_TO_DATE',
  keda: { enabled: false },
  features: [],
  engine: row.engine,
})
const presentStatus = (row: Row) => ({
  cluster_id: row.id,
  status: isHeld(row) ? 'DEPLOYED' : 'READY',
  is_deployed: isHeld(row),
  next_k8s_available_version: null,
  last_execution_id: null,
  cluster_lock: null,
  last_deployment_date: row.created_at.toISOString(),
  reason: 'UNSPECIFIED',
})

export function clusterRoutes(api: Api): void {
  const tag = 'Clusters'
  const base = '/organization/:organizationId/cluster'
  const listed = async (find: { organization(id: string, right: 'read'): Promise<{ id: string }> }, id: string) =>
    listClusters(api.deps.db, (await find.organization(id, 'read')).id)
  route(api, `GET ${base}`, {
    summary: 'List clusters',
    tag,
    answer: results(shape),
    run: async ({ find, params }) => ({ results: (await listed(find, params['organizationId'] ?? '')).map(present) }),
  })
  route(api, `POST ${base}`, {
    summary: 'Add a cluster',
    tag,
    body: request,
    status: 201,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      const engine = body.engine ?? 'docker'
      if (body.cloud_provider !== 'ON_PREMISE')
        throw new AppError(
          'unsupported',
          `expected ON_PREMISE: Berth drives clusters that exist, it creates none at ${body.cloud_provider}`,
          'cloud_provider',
        )
      const existing = await listClusters(api.deps.db, id)
      if (engine === 'docker' && existing.some((one) => one.engine === 'docker'))
        throw new AppError('conflict', 'The Docker Engine of this machine is a cluster of this organization already.', 'engine')
      const reach = engine === 'docker' ? { kind: 'docker' as const, node: api.deps.node } : { kind: 'memory' as const }
      const row = await transaction((tx) =>
        createCluster(tx, actor, id, {
          name: body.name,
          description: body.description ?? '',
          engine,
          reach,
          isDefault: existing.length === 0,
          extras: {},
        }),
      )
      return present(row)
    },
  })
  route(api, `GET ${base}/status`, {
    summary: 'List the status of clusters',
    tag,
    answer: results(clusterStatus),
    run: async ({ find, params }) => ({ results: (await listed(find, params['organizationId'] ?? '')).map(presentStatus) }),
  })
  route(api, `GET ${base}/:clusterId/status`, {
    summary: 'Get the status of a cluster',
    tag,
    answer: clusterStatus,
    run: async ({ find, params }) => presentStatus(await find.cluster(params['clusterId'] ?? '', 'read')),
  })
  route(api, `GET ${base}/:clusterId/isReady`, {
    summary: 'Whether a cluster can be deployed to',
    tag,
    answer: z.object({ is_ready: z.boolean() }),
    run: async ({ find, params }) => ({ is_ready: isHeld(await find.cluster(params['clusterId'] ?? '', 'read')) }),
  })
  const check = z.object({ what: z.string(), found: z.string(), ok: z.boolean(), remedy: z.string() })
  route(api, `GET ${base}/:clusterId/check`, {
    summary: 'What a cluster has and lacks, with remedies',
    tag,
    answer: results(check),
    run: async ({ find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'read')
      const { provisioning, builder } = api.deps.adaptersOf(row)
      return { results: [...(await provisioning.check()), ...((await builder?.check()) ?? [])] }
    },
  })
  route(api, `DELETE ${base}/:clusterId`, {
    summary: 'Remove a cluster',
    tag,
    query: z.object({ deleteMode: z.string().optional(), skipReconcile: z.string().optional() }),
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      if ((await listEnvironments(api.deps.db, { clusterId: row.id })).length > 0)
        throw new AppError('conflict', 'The cluster still has environments: delete them first.')
      await transaction((tx) => deleteCluster(tx, actor, row.id))
    },
  })
  route(api, 'GET /cluster/:clusterId/environments', {
    summary: 'List the environments of a cluster',
    tag,
    answer: results(environmentShape),
    run: async ({ find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'read')
      return { results: (await listEnvironments(api.deps.db, { clusterId: row.id })).map(presentEnvironment) }
    },
  })
}
