import type { Explanation } from '../model/deployment.ts'
import type { Instance, Observation } from '../model/observation.ts'
import { describeProbe, readyDeadline } from '../model/probe.ts'
import { targetName, type Target, type Workload } from '../model/workload.ts'
import { CRASH_LIMIT, explainExit, explainInstance } from '../status/explain/instances.ts'
import { listObservations } from '../store/observation.ts'
import type { Dependencies } from './dependencies.ts'

/** A rollout that does not become ready: data, not an accident. */
export class RolloutFailure extends Error {
  readonly explanation: Explanation

  constructor(explanation: Explanation) {
    super(explanation.message)
    this.explanation = explanation
  }
}

/** Milliseconds between looks where no wake-up comes. */
const LOOK = 1000

/** Waits until every target is ready as observed. Fails fast on what cannot heal, otherwise at the deadline that the probe gives, which is said beforehand. */
export async function awaitReady(
  deps: Dependencies,
  workload: Workload,
  targets: Target[],
  run: { signal: AbortSignal; note: (line: string) => void; poke: () => void },
): Promise<void> {
  const seconds = readyDeadline(workload.readiness)
  const deadline = Date.now() + seconds * 1000
  const { applicationId } = workload.place
  run.note(
    `Waiting until ${targets.length === 1 ? 'the instance is' : `${targets.length} instances are`} ready (${workload.readiness ? describeProbe(workload.readiness) : 'running'}), for ${seconds} s at most`,
  )
  run.poke()
  for (;;) {
    run.signal.throwIfAborted()
    const observation = (await listObservations(deps.db, [applicationId])).get(applicationId)
    const instances = targets.map((target) => find(observation, targetName(workload.place, target)))
    if (instances.every((instance) => instance?.state === 'ready' && (workload.readiness !== null || isSteady(instance)))) return
    const failure = instances.map((instance) => instance && hopeless(instance)).find((found) => found)
    if (failure) throw new RolloutFailure({ ...failure, evidence: evidenceOf(observation, targets, workload) })
    if (Date.now() > deadline) throw new RolloutFailure(late(instances, { seconds, evidence: evidenceOf(observation, targets, workload) }))
    await deps.wakeups.wait('observation', { id: applicationId, ms: LOOK, signal: run.signal })
  }
}

/** Milliseconds that an instance without any probe must have been running to count as ready: most that crash do so at once. */
const STEADY = 3000
const isSteady = (instance: Instance): boolean => instance.startedAt !== null && Date.now() - Date.parse(instance.startedAt) >= STEADY

const find = (observation: Observation | undefined, name: string): Instance | undefined =>
  observation?.instances.find((instance) => instance.name === name)

const evidenceOf = (observation: Observation | undefined, targets: Target[], workload: Workload): string[] => {
  const names = new Set(targets.map((target) => targetName(workload.place, target)))
  return (observation?.evidence ?? [])
    .filter((item) => item.instance !== null && names.has(item.instance))
    .slice(-5)
    .map((item) => `${item.at} ${item.message}`)
}

/** Crash loops, killed for memory, commands that do not exist: waiting would only take longer. */
function hopeless(instance: Instance): Explanation | undefined {
  const exit = instance.lastExit
  if (!exit || instance.state === 'ready') return undefined
  const clear = exit.outOfMemory || exit.code === 126 || exit.code === 127
  return clear || instance.restarts + 1 >= CRASH_LIMIT ? explainExit(instance.name, exit, instance.restarts) : undefined
}

function late(instances: (Instance | undefined)[], of: { seconds: number; evidence: string[] }): Explanation {
  const behind = instances.find((instance) => instance?.state !== 'ready')
  if (!behind)
    return {
      reason: 'NotStarted',
      message: `No instance was there after ${of.seconds} s.`,
      evidence: of.evidence,
      remedy: 'Look at the cluster with `berth doctor`, then deploy again.',
    }
  const explained = explainInstance(behind)
  return {
    ...explained,
    reason: explained.reason === 'Starting' ? 'NotReady' : explained.reason,
    message: `Not ready within ${of.seconds} s. ${explained.message}`,
    evidence: of.evidence,
  }
}
