import { z } from 'zod'
import { executionId, isFinal } from '../../model/deployment.ts'
import { listApplications } from '../../store/application.ts'
import { findDeployment, listDeployments, listUnfinished } from '../../store/deployment.ts'
import { listParts } from '../../store/part.ts'
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
} from '../present/history.ts'
import { deploymentProgressOf, deploymentStateOf, triggerOf } from '../present/state.ts'
import { results, route, type Api } from '../route.ts'

/** What was deployed, what is queued, and how one deployment stands. */
export function historyRoutes(api: Api): void {
  history(api)
  queue(api)
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
