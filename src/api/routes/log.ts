import { z } from 'zod'
import { createHash } from 'node:crypto'
import { AppError } from '../../model/error.ts'
import type { Deployment } from '../../model/deployment.ts'
import { placeOf } from '../../deploy/release.ts'
import { findCluster } from '../../store/cluster.ts'
import type { Db } from '../../store/database.ts'
import { isId } from '../../model/id.ts'
import { findDeployment, findDeploymentByNumber, listDeployments } from '../../store/deployment.ts'
import { listParts } from '../../store/part.ts'
import { LOG_LIMIT, readLog } from '../../store/log.ts'
import { environmentLog, presentLog } from '../present/log.ts'
import { results, route, type Api } from '../route.ts'

/** Lines of runtime log that one answer holds: the contract's number. */
const RUNTIME_LINES = 1000

/** The deployment that a `version` names, by its execution id or its own; the newest without one. */
export async function deploymentOf(db: Db, environmentId: string, version: string | undefined): Promise<Deployment | undefined> {
  if (!version) return (await listDeployments(db, environmentId, { limit: 1 }))[0]
  if (isId(version)) {
    const found = await findDeployment(db, version)
    return found?.environmentId === environmentId ? found : undefined
  }
  const number = Number(version.startsWith(`${environmentId}-`) ? version.slice(environmentId.length + 1) : Number.NaN)
  if (!Number.isSafeInteger(number) || number < 1 || number > 2_000_000_000)
    throw new AppError(
      'invalid',
      `expected an execution id (${environmentId}-<number>), found ${JSON.stringify(version.slice(0, 80))}`,
      'version',
    )
  return findDeploymentByNumber(db, environmentId, number)
}

export function logRoutes(api: Api): void {
  const { db } = api.deps
  route(api, 'GET /environment/:environmentId/logs', {
    summary: 'The log of a deployment, by default the newest',
    tag: 'Logs',
    query: z.object({ version: z.string().optional() }),
    answer: z.array(environmentLog),
    run: async ({ find, params, query }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'read')
      const deployment = await deploymentOf(db, id, query.version)
      if (!deployment) return []
      const parts = new Map((await listParts(db, [deployment.id])).map((part) => [part.applicationId, part]))
      return (await readLog(db, deployment.id, null, LOG_LIMIT)).map((line) => presentLog(line, deployment, parts))
    },
  })
  const old = z.object({
    id: z.string(),
    created_at: z.string(),
    message: z.string(),
    execution_id: z.string(),
    scope: z.looseObject({}),
    state: z.string(),
  })
  route(api, 'GET /environment/:environmentId/log', {
    summary: 'The log of the newest deployment, in the first generation',
    tag: 'Logs',
    answer: results(old),
    run: async ({ find, params }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'read')
      const deployment = await deploymentOf(db, id, undefined)
      if (!deployment) return { results: [] }
      return {
        results: (await readLog(db, deployment.id, null, LOG_LIMIT)).map((line) => ({
          id: idOf(`${deployment.id}${line.exact}`),
          created_at: line.exact,
          message: line.message,
          execution_id: `${id}-${deployment.number}`,
          scope: {},
          state: 'DEPLOYED',
        })),
      }
    },
  })
  const shape = z.object({ id: z.string(), created_at: z.string(), message: z.string(), pod_name: z.string(), version: z.string() })
  for (const [noun, kind] of [
    ['application', 'git'],
    ['container', 'image'],
  ] as const)
    route(api, `GET /${noun}/:${noun}Id/log`, {
      summary: `The last ${RUNTIME_LINES} lines of what runs`,
      tag: 'Logs',
      answer: results(shape),
      run: async ({ find, params }) => {
        const application = await find.application(params[`${noun}Id`] ?? '', 'read', kind)
        const environment = await find.environment(application.environmentId, 'read')
        const cluster = await findCluster(db, [application.organizationId], environment.cluster_id)
        if (!cluster) return { results: [] }
        const lines = []
        const { inspection } = api.deps.adaptersOf(cluster)
        for await (const line of inspection.logs(await placeOf(db, application), {
          follow: false,
          tail: RUNTIME_LINES,
          signal: AbortSignal.timeout(20_000),
        }))
          lines.push({
            id: idOf(`${line.instance}${line.at.toISOString()}${lines.length}`),
            created_at: line.at.toISOString(),
            message: line.message,
            pod_name: line.instance,
            version: String(line.revision),
          })
        return { results: lines }
      },
    })
}

/** A UUID made of what a line is, so that asking twice gives the same. */
function idOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
