import type { Explanation } from '../model/deployment.ts'
import { describeProbe, readyDeadline } from '../model/probe.ts'
import type { Target, Workload } from '../model/workload.ts'
import { replacementDeadline } from '../plan/deadline.ts'
import { explainLate, verdictOn, type Awaited } from '../status/verdict.ts'
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
/** Milliseconds that an instance without any probe must have been running to count as ready: most that crash do so at once. */
const STEADY = 3000

/** Waits until every target is ready as observed. Fails fast on what cannot heal, otherwise at the deadline that the probe gives, which is said beforehand. */
export async function awaitReady(
  deps: Dependencies,
  workload: Workload,
  targets: Target[],
  run: { signal: AbortSignal; note: (line: string) => void; poke: () => void; byItself: boolean },
): Promise<void> {
  const [first] = targets
  if (!first) return
  const seconds = run.byItself ? replacementDeadline(workload, targets.length) : readyDeadline(workload.readiness)
  const deadline = Date.now() + seconds * 1000
  const { applicationId } = workload.place
  const awaited: Awaited = {
    ...first,
    indexes: targets.map((target) => target.index),
    byItself: run.byItself,
    steadyFor: workload.readiness === null ? STEADY : 0,
  }
  run.note(
    `Waiting until ${targets.length === 1 ? 'the instance is' : `${targets.length} instances are`} ready (${workload.readiness ? describeProbe(workload.readiness) : 'running'}), for ${seconds} s at most`,
  )
  run.poke()
  for (;;) {
    run.signal.throwIfAborted()
    const observation = (await listObservations(deps.db, [applicationId])).get(applicationId)
    const verdict = verdictOn(observation, awaited, Date.now())
    if (verdict.kind === 'ready') return
    if (verdict.kind === 'failed') throw new RolloutFailure(verdict.explanation)
    if (Date.now() > deadline) throw new RolloutFailure(explainLate(observation, awaited, seconds))
    await deps.wakeups.wait('observation', { id: applicationId, ms: LOOK, signal: run.signal })
  }
}
