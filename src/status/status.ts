import type { Application } from '../model/application.ts'
import { instanceCount } from '../model/application.ts'
import type { Deployment, Explanation, Part } from '../model/deployment.ts'
import type { Instance, Observation, Scaler } from '../model/observation.ts'
import { explainExit, explainInstances } from './explain/instances.ts'
import { explainScaling } from './explain/scaling.ts'
import { explainWaiting } from './explain/waiting.ts'

/** How the last action on an application stands: from its part alone. */
export type Outcome = {
  action: Part['action'] | 'none'
  progress: 'none' | 'queued' | 'building' | 'applying' | 'canceling' | 'succeeded' | 'build-failed' | 'failed' | 'canceled'
}

export type Health = 'none' | 'starting' | 'running' | 'warning' | 'error' | 'stopping' | 'stopped'

export type Condition = { type: 'Deployed' | 'Available' | 'Stable' | 'Scaling'; status: boolean; reason: string; message: string }

export type ApplicationStatus = {
  outcome: Outcome
  health: Health
  freshness: 'never-deployed' | 'up-to-date' | 'out-of-date'
  conditions: Condition[]
  explanation: Explanation | null
}

/** What people are told, derived from evidence only. */
export function statusOf(of: {
  application: Application
  last: { part: Part; deployment: Deployment } | undefined
  observation: Observation | undefined
  /** When the serving release was made. */
  releasedAt: Date | null
  /** Milliseconds. */
  now: number
}): ApplicationStatus {
  const outcome = outcomeOf(of.last)
  const health = healthOf(of.application, of.observation)
  const trouble = health === 'error' || health === 'warning' ? explainInstances(of.observation) : null
  const failure = of.last?.part.explanation ?? null
  return {
    outcome,
    health,
    freshness: freshnessOf(of.application, of.releasedAt),
    conditions: conditionsOf({
      outcome,
      health,
      failure,
      trouble,
      unrest: unrestIn(of.observation, of.releasedAt, of.now),
      scaler: of.observation?.scaler ?? null,
    }),
    explanation: outcome.progress === 'failed' || outcome.progress === 'build-failed' ? failure : trouble,
  }
}

function outcomeOf(last: { part: Part; deployment: Deployment } | undefined): Outcome {
  if (!last) return { action: 'none', progress: 'none' }
  const { part, deployment } = last
  const action = part.action
  if (deployment.cancelRequested && deployment.state === 'running' && !['succeeded', 'failed', 'canceled', 'skipped'].includes(part.state))
    return { action, progress: 'canceling' }
  if (part.state === 'failed')
    return { action, progress: part.releaseId === null && (action === 'deploy' || action === 'redeploy') ? 'build-failed' : 'failed' }
  if (part.state === 'skipped') return { action, progress: 'canceled' }
  return { action, progress: part.state }
}

function healthOf(application: Application, observation: Observation | undefined): Health {
  const instances = observation?.instances ?? []
  if (application.presence !== 'running') {
    if (instances.length === 0) return application.presence === 'never' ? 'none' : 'stopped'
    return instances.every((instance) => instance.state === 'stopping') ? 'stopping' : 'starting'
  }
  const serving = instances.filter((instance) => instance.generation === application.servingGeneration)
  const ready = serving.filter((instance) => instance.state === 'ready').length
  const wanted = Math.max(1, serving.length, instanceCount(application.spec))
  if (ready >= Math.min(wanted, Math.max(1, serving.length)) && serving.every((instance) => instance.state === 'ready'))
    return ready > 0 ? 'running' : 'error'
  if (ready > 0) return 'warning'
  return serving.some((one) => one.state === 'starting' && one.lastExit === null && !isHeldUp(one)) ? 'starting' : 'error'
}

/** Something that has a name keeps it from starting: nobody should be told that it is about to. */
const isHeldUp = ({ waiting }: Instance): boolean => (waiting ? explainWaiting(waiting, '') !== undefined : false)

function freshnessOf(application: Application, releasedAt: Date | null): ApplicationStatus['freshness'] {
  if (!application.servingReleaseId || !releasedAt) return 'never-deployed'
  return application.changedAt > releasedAt ? 'out-of-date' : 'up-to-date'
}

/** What an engine took an instance away for, by the kind of its evidence, and for how many milliseconds that is worth telling. */
const takenAway = new Map([
  ['Evicted', Infinity],
  // Not its own fault: nobody needs to know for long.
  ['PreemptionByScheduler', 3_600_000],
  ['EvictionByEvictionAPI', 3_600_000],
  ['DeletionByTaintManager', 3_600_000],
  ['DeletionByPodGC', 3_600_000],
])

/** What made an instance start again since the release was made, also when everything runs by now. `now` in milliseconds. */
function unrestIn(observation: Observation | undefined, releasedAt: Date | null, now: number): Explanation | null {
  const restarted = (observation?.instances ?? []).find((instance) => instance.restarts > 0 && instance.lastExit !== null)
  if (restarted?.lastExit) return explainExit(restarted.name, restarted.lastExit, restarted.restarts)
  // It is replaced at once, by an instance without restarts.
  const taken = (observation?.evidence ?? []).findLast(
    ({ kind, at }) => Date.parse(at) >= Number(releasedAt) && now - Date.parse(at) < (takenAway.get(kind) ?? 0),
  )
  if (!taken) return null
  const waiting = { reason: taken.kind, message: taken.message.replace(`${taken.kind}: `, ''), since: taken.at }
  return explainWaiting(waiting, `The instance ${taken.instance ?? ''}`)?.explanation ?? null
}

type Judged = {
  outcome: Outcome
  health: Health
  failure: Explanation | null
  trouble: Explanation | null
  unrest: Explanation | null
  scaler: Scaler | null
}

function conditionsOf({ outcome, health, failure, trouble, unrest, scaler }: Judged): Condition[] {
  const deployed = outcome.progress === 'succeeded'
  return [
    {
      type: 'Deployed',
      status: deployed,
      reason: failure?.reason ?? (deployed ? 'Succeeded' : outcome.progress),
      message: failure?.message ?? '',
    },
    {
      type: 'Available',
      status: health === 'running' || health === 'warning',
      reason: trouble?.reason ?? health,
      message: trouble?.message ?? '',
    },
    { type: 'Stable', status: unrest === null, reason: unrest?.reason ?? 'NoRestarts', message: unrest?.message ?? '' },
    ...(scaler ? [{ type: 'Scaling' as const, ...explainScaling(scaler) }] : []),
  ]
}
