import { z } from 'zod'
import { listApplications } from '../../store/application.ts'
import type { Db } from '../../store/database.ts'
import { listDeployments } from '../../store/deployment.ts'
import { listParts } from '../../store/part.ts'
import { listStages } from '../../store/stage.ts'
import { stageStatusOf } from '../present/history.ts'
import { byKind, environmentStatusOf, statusesOf } from '../present/status.ts'
import { results, route, type Api } from '../route.ts'
import { environmentStatus, environmentStatuses, environmentStatusesWithStages, status } from '../schema/status.ts'

export async function statusesWithStages(db: Db, environmentId: string) {
  const applications = await listApplications(db, { environmentId })
  const [known, stages, [newest]] = await Promise.all([
    statusesOf(db, applications),
    listStages(db, environmentId),
    listDeployments(db, environmentId, { limit: 1 }),
  ])
  const parts = newest ? await listParts(db, [newest.id]) : []
  return {
    environment: await environmentStatusOf(db, environmentId, known),
    stages: stages.map((stage) => ({
      ...byKind(known.filter((one) => one.application.stageId === stage.id)),
      stage: {
        id: stage.id,
        name: stage.name,
        description: stage.description,
        status: stageStatusOf(parts.filter((part) => part.stageId === stage.id)),
        steps: { total_duration_sec: 0, details: [] },
      },
    })),
    pre_check_stage: { status: 'SUCCESS', total_duration_sec: 0 },
  }
}

export function statusRoutes(api: Api): void {
  const tag = 'Status'
  const { db } = api.deps
  const known = async (id: string) => statusesOf(db, await listApplications(db, { environmentId: id }))
  route(api, 'GET /environment/:environmentId/status', {
    summary: 'Get the status of an environment',
    tag,
    answer: environmentStatus,
    run: async ({ find, params }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'read')
      return environmentStatusOf(db, id, await known(id))
    },
  })
  route(api, 'GET /environment/:environmentId/statuses', {
    summary: 'Get the status of an environment and of each of its services',
    tag,
    answer: environmentStatuses,
    run: async ({ find, params }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'read')
      const all = await known(id)
      return { environment: await environmentStatusOf(db, id, all), ...byKind(all) }
    },
  })
  route(api, 'GET /environment/:environmentId/statusesWithStages', {
    summary: 'The same by stage',
    tag,
    answer: environmentStatusesWithStages,
    run: async ({ find, params }) => statusesWithStages(db, (await find.environment(params['environmentId'] ?? '', 'read')).id),
  })
  for (const [noun, key] of [
    ['application', 'applications'],
    ['container', 'containers'],
  ] as const)
    route(api, `GET /environment/:environmentId/${noun}/status`, {
      summary: `Get the status of every ${noun}`,
      tag,
      answer: results(status),
      run: async ({ find, params }) => ({
        results: byKind(await known((await find.environment(params['environmentId'] ?? '', 'read')).id))[key],
      }),
    })
  route(api, 'GET /project/:projectId/environment/status', {
    summary: 'Get the status of every environment of a project',
    tag,
    answer: results(environmentStatus),
    run: async ({ find, params }) => {
      const project = await find.project(params['projectId'] ?? '', 'read')
      const environments = await db
        .selectFrom('environment')
        .select('id')
        .where('project_id', '=', project.id)
        .where('deleted_at', 'is', null)
        .execute()
      return { results: await Promise.all(environments.map(async ({ id }) => environmentStatusOf(db, id, await known(id)))) }
    },
  })
  conditions(api)
}

/** Beside the contract: why it is as it is, in words. */
function conditions(api: Api): void {
  const explanation = z.object({ reason: z.string(), message: z.string(), evidence: z.array(z.string()), remedy: z.string() })
  const condition = z.object({ type: z.string(), status: z.boolean(), reason: z.string(), message: z.string() })
  route(api, 'GET /service/:serviceId/explain', {
    summary: 'Why a service is as it is: health, conditions, cause, evidence and remedy',
    tag: 'Status',
    answer: z.object({
      id: z.string(),
      state: z.string(),
      health: z.string(),
      freshness: z.string(),
      conditions: z.array(condition),
      explanation: explanation.nullable(),
    }),
    run: async ({ find, params }) => {
      const application = await find.application(params['serviceId'] ?? '', 'read')
      const [one] = await statusesOf(api.deps.db, [application])
      if (!one) return
      const { health, freshness, conditions: found, explanation: why } = one.status
      return { id: application.id, state: one.contract.state, health, freshness, conditions: found, explanation: why }
    },
  })
}
