import type { Application } from '../../model/application.ts'
import { executionId, isFinal, type Deployment, type Part } from '../../model/deployment.ts'
import { statusOf, type ApplicationStatus } from '../../status/status.ts'
import { lastParts, listDeployments, listUnfinished } from '../../store/deployment.ts'
import { listParts } from '../../store/part.ts'
import type { Db, Tx } from '../../store/database.ts'
import { listObservations } from '../../store/observation.ts'
import { listReleases } from '../../store/release.ts'
import { listSteps } from '../../store/step.ts'
import type { EnvironmentStatus, Status } from '../schema/status.ts'
import { serviceTypeOf } from './service.ts'
import { actionOf, actionStatusOf, deploymentStateOf, stateOf } from './state.ts'

export type Known = { application: Application; status: ApplicationStatus; contract: Status }

const seconds = (from: Date | null, to: Date | null): number =>
  from ? Math.max(0, Math.round(((to ?? new Date()).getTime() - from.getTime()) / 1000)) : 0

/** The status of many applications in a fixed number of queries. */
export async function statusesOf(db: Db | Tx, applications: Application[]): Promise<Known[]> {
  const ids = applications.map((one) => one.id)
  const [last, observations, releases] = await Promise.all([
    lastParts(db, ids),
    listObservations(db as Db, ids),
    listReleases(
      db,
      applications.flatMap((one) => one.servingReleaseId ?? []),
    ),
  ])
  const deployments = [...new Set([...last.values()].map((one) => one.deployment.id))]
  const environments = [...new Set(applications.map((one) => one.environmentId))]
  const [steps, unfinished, newest] = await Promise.all([
    listSteps(db as Db, deployments),
    Promise.all(environments.map((id) => listUnfinished(db, id))),
    Promise.all(environments.map((id) => listDeployments(db, id, { limit: 1 }))),
  ])
  const releasedAt = new Map(releases.map((release) => [release.id, release.createdAt]))
  const newestIds = new Set(newest.flat().map((one) => one.id))
  return applications.map((application) => {
    const mine = last.get(application.id)
    const status = statusOf({
      now: Date.now(),
      application,
      last: mine,
      observation: observations.get(application.id),
      releasedAt: releasedOf(application, releasedAt, mine),
    })
    const contract = present(application, status, {
      mine,
      isNewest: mine !== undefined && newestIds.has(mine.deployment.id),
      queued: unfinished.flat().filter((one) => one.environmentId === application.environmentId).length,
      steps: steps.filter((step) => step.application_id === application.id && step.deployment_id === mine?.deployment.id),
    })
    return { application, status, contract }
  })
}

/** A deployment that found nothing changed confirms its release: from then on it is up to date. */
function releasedOf(application: Application, releasedAt: Map<string, Date>, mine: { part: Part } | undefined): Date | null {
  const made = application.servingReleaseId ? (releasedAt.get(application.servingReleaseId) ?? null) : null
  const confirmed =
    mine?.part.state === 'succeeded' && mine.part.action !== 'restart' && mine.part.releaseId === application.servingReleaseId
      ? mine.part.startedAt
      : null
  return made && confirmed && confirmed > made ? confirmed : made
}

type Context = {
  mine: { part: Part; deployment: Deployment } | undefined
  isNewest: boolean
  queued: number
  steps: { name: string; started_at: Date; finished_at: Date }[]
}

function present(application: Application, status: ApplicationStatus, { mine, isNewest, queued, steps }: Context): Status {
  const part = mine?.part
  const computing = seconds(part?.startedAt ?? null, part?.finishedAt ?? null)
  return {
    id: application.id,
    state: stateOf(status.outcome),
    service_deployment_status: status.freshness.toUpperCase().replaceAll('-', '_'),
    ...(part && part.startedAt ? { last_deployment_date: (part.finishedAt ?? part.startedAt).toISOString() } : {}),
    is_part_last_deployment: isNewest,
    steps: {
      total_duration_sec: part?.finishedAt ? seconds(mine?.deployment.createdAt ?? null, part.finishedAt) : null,
      total_computing_duration_sec: computing,
      details: detailsOf(part, steps),
    },
    ...(mine ? { execution_id: executionId(application.environmentId, mine.deployment.number) } : {}),
    status_details: { action: actionOf(status.outcome.action), status: actionStatusOf(status.outcome), sub_action: 'NONE' },
    deployment_request_id: mine && !isFinal(mine.deployment.state) ? mine.deployment.id : null,
    deployment_requests_count: queued,
  }
}

function detailsOf(part: Part | undefined, steps: Context['steps']): Status['steps']['details'] {
  if (!part) return []
  const built = steps.find((step) => step.name === 'release')
  const rollout = steps.filter((step) => step.name.startsWith('rollout-'))
  const failed = part.state === 'failed'
  const first = rollout[0]
  return [
    ...(built || (failed && !part.releaseId)
      ? [
          {
            step_name: 'BUILD',
            status: built ? 'SUCCESS' : 'ERROR',
            duration_sec: built ? seconds(built.started_at, built.finished_at) : seconds(part.startedAt, part.finishedAt),
          },
        ]
      : []),
    ...(first
      ? [
          {
            step_name: 'DEPLOYMENT',
            status: failed ? 'ERROR' : part.state === 'canceled' ? 'CANCEL' : 'SUCCESS',
            duration_sec: seconds(first.started_at, part.finishedAt ?? rollout.at(-1)?.finished_at ?? null),
          },
        ]
      : []),
  ]
}

/** Environment state: what happens now if something does, else what its services are. */
export async function environmentStatusOf(db: Db | Tx, environmentId: string, known: Known[]): Promise<EnvironmentStatus> {
  const [newest] = await listDeployments(db, environmentId, { limit: 1 })
  const parts = newest ? await listParts(db, [newest.id]) : []
  const last = newest ? deploymentStateOf(newest, parts) : 'READY'
  const state = newest && !isFinal(newest.state) ? last : restingState(known)
  const freshness = known.map((one) => one.contract.service_deployment_status)
  return {
    id: environmentId,
    state,
    last_deployment_state: last,
    last_deployment_date: newest ? (newest.finishedAt ?? newest.startedAt ?? newest.createdAt).toISOString() : null,
    last_deployment_id: newest ? executionId(environmentId, newest.number) : null,
    total_deployment_duration_in_seconds: newest?.finishedAt ? seconds(newest.createdAt, newest.finishedAt) : null,
    origin: newest?.origin ?? null,
    triggered_by: newest?.actor ?? null,
    deployment_status: freshness.includes('OUT_OF_DATE')
      ? 'OUT_OF_DATE'
      : freshness.includes('UP_TO_DATE')
        ? 'UP_TO_DATE'
        : 'NEVER_DEPLOYED',
    deployment_request_id: newest && !isFinal(newest.state) ? newest.id : null,
    metrics: null,
  }
}

function restingState(known: Known[]): string {
  const states = known.map((one) => one.contract.state)
  return (
    states.find((state) => state.endsWith('_ERROR')) ??
    ['DEPLOYED', 'RESTARTED', 'CANCELED', 'STOPPED', 'DELETED'].find((state) => states.includes(state)) ??
    'READY'
  )
}

export const byKind = (known: Known[]) => ({
  applications: known.filter((one) => serviceTypeOf(one.application) === 'APPLICATION').map((one) => one.contract),
  containers: known.filter((one) => serviceTypeOf(one.application) === 'CONTAINER').map((one) => one.contract),
  jobs: [],
  databases: [],
  helms: [],
  terraforms: [],
  agentic_workflows: [],
})
