import { z } from 'zod'
import { executionId, isFinal } from '../../model/deployment.ts'
import { listApplications } from '../../store/application.ts'
import type { Db } from '../../store/database.ts'
import { findDeployment, listDeployments, listParts, listUnfinished } from '../../store/deployment.ts'
import { listStages } from '../../store/stage.ts'
import {
  environmentHistory,
  environmentHistoryV1,
  presentEnvironmentHistory,
  presentEnvironmentHistoryV1,
  presentResultV1,
  presentServiceHistory,
  presentServiceHistoryV1,
  serviceHistory,
  serviceHistoryV1,
  stageStatusOf,
} from '../present/history.ts'
import { byKind, environmentStatusOf, statusesOf } from '../present/status.ts'
import { deploymentStateOf, deploymentProgressOf, triggerOf } from '../present/state.ts'
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
  history(api)
  queue(api)
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

const page = z.object({ startId: z.string().optional(), pageSize: z.coerce.number().int().min(1).max(100).default(20) })
const paged = <T extends z.ZodType>(item: T) => z.object({ page: z.number(), page_size: z.number(), results: z.array(item) })

function history(api: Api): void {
  const { db } = api.deps
  const tag = 'Deployment history'
  const load = async (environmentId: string, limit: number, applicationId?: string) => {
    const deployments = await listDeployments(db, environmentId, { limit, ...(applicationId ? { applicationId } : {}) })
    const [parts, applications] = await Promise.all([
      listParts(
        db,
        deployments.map((one) => one.id),
      ),
      listApplications(db, { environmentId }),
    ])
    return {
      rows: deployments.map((deployment) => ({ deployment, parts: parts.filter((part) => part.deploymentId === deployment.id) })),
      known: new Map(applications.map((one) => [one.id, one])),
    }
  }
  route(api, 'GET /environment/:environmentId/deploymentHistoryV2', {
    summary: 'The deployments of an environment, newest first',
    tag,
    query: page,
    answer: paged(environmentHistory),
    run: async ({ find, params, query }) => {
      const { rows, known } = await load((await find.environment(params['environmentId'] ?? '', 'read')).id, query.pageSize)
      return {
        page: 1,
        page_size: query.pageSize,
        results: rows.map(({ deployment, parts }) => presentEnvironmentHistory(deployment, parts, known)),
      }
    },
  })
  route(api, 'GET /environment/:environmentId/deploymentHistory', {
    summary: 'The same in the first generation',
    tag,
    query: page,
    answer: paged(environmentHistoryV1),
    run: async ({ find, params, query }) => {
      const { rows, known } = await load((await find.environment(params['environmentId'] ?? '', 'read')).id, query.pageSize)
      return {
        page: 1,
        page_size: query.pageSize,
        results: rows.map(({ deployment, parts }) => presentEnvironmentHistoryV1(deployment, parts, known)),
      }
    },
  })
  for (const [noun, kind] of [
    ['application', 'git'],
    ['container', 'image'],
  ] as const) {
    const shown = async (
      call: {
        find: { application(id: string, right: 'read', kind: 'git' | 'image'): Promise<{ id: string; environmentId: string }> }
        params: Record<string, string>
      },
      size: number,
    ) => {
      const application = await call.find.application(call.params[`${noun}Id`] ?? '', 'read', kind)
      const { rows, known } = await load(application.environmentId, size, application.id)
      return rows.flatMap(({ deployment, parts }) =>
        parts
          .filter((part) => part.applicationId === application.id)
          .map((part) => ({ deployment, part, application: known.get(part.applicationId) })),
      )
    }
    route(api, `GET /${noun}/:${noun}Id/deploymentHistoryV2`, {
      summary: `The deployments of a ${noun}, newest first`,
      tag,
      query: page,
      answer: paged(serviceHistory),
      run: async (call) => ({
        page: 1,
        page_size: call.query.pageSize,
        results: (await shown(call, call.query.pageSize)).map((row) => presentServiceHistory(row.deployment, row.part, row.application)),
      }),
    })
    route(api, `GET /${noun}/:${noun}Id/deploymentHistory`, {
      summary: 'The same in the first generation',
      tag,
      query: page,
      answer: paged(serviceHistoryV1),
      run: async (call) => ({
        page: 1,
        page_size: call.query.pageSize,
        results: (await shown(call, call.query.pageSize)).map((row) =>
          (kind === 'git' ? presentResultV1 : presentServiceHistoryV1)(row.deployment, row.part, row.application),
        ),
      }),
    })
  }
}

function queue(api: Api): void {
  const { db } = api.deps
  const entry = z.object({
    identifier: z.object({ deployment_request_id: z.string(), environment_id: z.string(), execution_id: z.string() }),
    auditing_data: z.object({ created_at: z.string(), updated_at: z.string(), triggered_by: z.string(), origin: z.string() }),
    status: z.string(),
    trigger_action: z.string(),
    total_duration: z.string(),
    action_status: z.string(),
    stages: z.array(z.looseObject({})),
  })
  route(api, 'GET /environment/:environmentId/deploymentQueue', {
    summary: 'What is queued and running in an environment',
    tag: 'Status',
    answer: results(entry),
    run: async ({ find, params }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'read')
      const found = await listUnfinished(db, id)
      const [parts, applications] = await Promise.all([
        listParts(
          db,
          found.map((one) => one.id),
        ),
        listApplications(db, { environmentId: id }),
      ])
      const known = new Map(applications.map((one) => [one.id, one]))
      return {
        results: found.map((one) => {
          const history = presentEnvironmentHistory(
            one,
            parts.filter((part) => part.deploymentId === one.id),
            known,
          )
          return { ...history, identifier: { ...history.identifier, deployment_request_id: one.id } }
        }),
      }
    },
  })
  route(api, 'GET /environment/deploymentStatus', {
    summary: 'How one deployment stands',
    tag: 'Status',
    query: z.object({ deploymentRequestId: z.string() }),
    answer: z.object({
      deployment_request_id: z.string(),
      environment_id: z.string(),
      execution_id: z.string(),
      status: z.string(),
      action_status: z.string(),
      trigger_action: z.string(),
      is_final: z.boolean(),
    }),
    run: async ({ find, query }) => {
      const id = query.deploymentRequestId
      const deployment = /^[0-9a-f-]{36}$/i.test(id) ? await findDeployment(db, id) : undefined
      await find.environment(deployment?.environmentId ?? id, 'read')
      if (!deployment) return
      return {
        deployment_request_id: id,
        environment_id: deployment.environmentId,
        execution_id: executionId(deployment.environmentId, deployment.number),
        status: deploymentStateOf(deployment, await listParts(db, [id])),
        action_status: deploymentProgressOf(deployment),
        trigger_action: triggerOf(deployment.action),
        is_final: isFinal(deployment.state),
      }
    },
  })
}
