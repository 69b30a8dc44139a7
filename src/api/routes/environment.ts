import { z } from 'zod'
import { requestDeployment } from '../../deploy/request.ts'
import { AppError } from '../../model/error.ts'
import { slug, isDnsLabel } from '../../model/name.ts'
import { listApplications } from '../../store/application.ts'
import { listClusters } from '../../store/cluster.ts'
import {
  createEnvironment,
  editEnvironment,
  listEnvironments,
  requestEnvironmentDeletion,
  type EnvironmentRow,
} from '../../store/environment.ts'
import { echoed, results, route, type Api } from '../route.ts'

const modes = ['DEVELOPMENT', 'PREVIEW', 'PRODUCTION', 'STAGING'] as const
const readOnly = echoed(
  'id',
  'created_at',
  'updated_at',
  'organization',
  'project',
  'cloud_provider',
  'cluster_id',
  'cluster_name',
  'last_updated_by',
  'expires_at',
)
const name = z
  .string()
  .trim()
  .min(1)
  .max(60)
  .refine((text) => isDnsLabel(slug(text)), 'expected a name of letters, digits and hyphens')
const createRequest = z.strictObject({ name, cluster: z.string().nullish(), mode: z.enum(modes).nullish(), ...readOnly })
const editRequest = z.strictObject({ name: name.nullish(), mode: z.enum(modes).nullish(), ...readOnly })

export const environmentShape = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  organization: z.object({ id: z.string() }),
  project: z.object({ id: z.string() }),
  cloud_provider: z.object({ provider: z.string(), cluster: z.string() }),
  mode: z.string(),
  cluster_id: z.string(),
  cluster_name: z.string(),
})

export const presentEnvironment = (row: EnvironmentRow) => ({
  id: row.id,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  name: row.name,
  organization: { id: row.organization_id },
  project: { id: row.project_id },
  cloud_provider: { provider: 'ON_PREMISE', cluster: row.cluster_name },
  mode: row.mode,
  cluster_id: row.cluster_id,
  cluster_name: row.cluster_name,
})

export function environmentRoutes(api: Api): void {
  const tag = 'Environments'
  route(api, 'GET /project/:projectId/environment', {
    summary: 'List environments',
    tag,
    answer: results(environmentShape),
    run: async ({ find, params }) => {
      const project = await find.project(params['projectId'] ?? '', 'read')
      return { results: (await listEnvironments(api.deps.db, { projectId: project.id })).map(presentEnvironment) }
    },
  })
  route(api, 'POST /project/:projectId/environment', {
    summary: 'Create an environment; without a cluster, on the default one',
    tag,
    body: createRequest,
    status: 201,
    answer: environmentShape,
    run: async ({ actor, find, params, body, transaction }) => {
      const project = await find.project(params['projectId'] ?? '', 'write')
      const clusters = await listClusters(api.deps.db, project.organization_id)
      const cluster = body.cluster
        ? clusters.find((one) => one.id === body.cluster)
        : (clusters.find((one) => one.is_default) ?? clusters[0])
      if (!cluster)
        throw new AppError(
          'invalid',
          body.cluster ? 'there is no such cluster in this organization' : 'this organization has no cluster yet: add one first',
          'cluster',
        )
      return presentEnvironment(
        await transaction((tx) =>
          createEnvironment(tx, actor, project, { name: body.name, mode: body.mode ?? 'DEVELOPMENT', clusterId: cluster.id }),
        ),
      )
    },
  })
  route(api, 'GET /environment/:environmentId', {
    summary: 'Get an environment',
    tag,
    answer: environmentShape,
    run: async ({ find, params }) => presentEnvironment(await find.environment(params['environmentId'] ?? '', 'read')),
  })
  route(api, 'PUT /environment/:environmentId', {
    summary: 'Edit an environment',
    tag,
    body: editRequest,
    answer: environmentShape,
    run: async ({ actor, find, params, body, transaction }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'write')
      const fields = { ...(body.name ? { name: body.name } : {}), ...(body.mode ? { mode: body.mode } : {}) }
      return presentEnvironment(await transaction((tx) => editEnvironment(tx, actor, id, fields)))
    },
  })
  route(api, 'DELETE /environment/:environmentId', {
    summary: 'Delete an environment with everything in it',
    tag,
    query: z.object({ skipReconcile: z.string().optional() }),
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const environment = await find.environment(params['environmentId'] ?? '', 'administer')
      const applications = await listApplications(api.deps.db, { environmentId: environment.id })
      await transaction(async (tx) => {
        await requestEnvironmentDeletion(tx, actor, environment.id)
        await requestDeployment(tx, actor, { environment, action: 'delete', wishes: applications.map((application) => ({ application })) })
      })
    },
  })
}
