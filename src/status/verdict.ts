import type { Explanation } from '../model/deployment.ts'
import { sameRollout, type Instance, type Observation } from '../model/observation.ts'
import { CRASH_LIMIT, explainExit, explainInstance } from './explain/instances.ts'
import { explainWaiting, isOver } from './explain/waiting.ts'

/** What is awaited: so many ready instances of one rollout. */
export type Awaited = {
  revision: number
  generation: number
  /** The instances by their index; an engine that replaces by itself may have more. */
  indexes: number[]
  /** The engine replaces by itself: it is done when nothing of another rollout of its group runs any more. */
  byItself: boolean
  /** Milliseconds that an instance must have been running to count as ready; 0 where a probe says. */
  steadyFor: number
}

export type Verdict = { kind: 'ready' } | { kind: 'waiting' } | { kind: 'failed'; explanation: Explanation }

/** How a rollout stands, from what was seen alone. `now` in milliseconds. */
export function verdictOn(observation: Observation | undefined, awaited: Awaited, now: number): Verdict {
  const all = observation?.instances ?? []
  const own = all.filter((one) => sameRollout(one, awaited) && one.state !== 'stopping')
  const wanted = awaited.indexes.map((index) => own.find((one) => one.index === index))
  const failure = failureIn(observation, own, now)
  if (failure) return { kind: 'failed', explanation: { ...failure, evidence: evidenceOf(observation, own, failure) } }
  const ready = (one: Instance | undefined): boolean =>
    one?.state === 'ready' && (one.startedAt === null ? awaited.steadyFor === 0 : now - Date.parse(one.startedAt) >= awaited.steadyFor)
  const replaced = all.filter((one) => !sameRollout(one, awaited) && one.group === own[0]?.group)
  const settled = !awaited.byItself || (own.every(ready) && replaced.every((one) => one.state === 'stopping'))
  return wanted.every(ready) && settled ? { kind: 'ready' } : { kind: 'waiting' }
}

/** What cannot heal: crash loops, killed for memory, commands that do not exist, images, quotas: waiting would only take longer. */
function failureIn(observation: Observation | undefined, own: Instance[], now: number): Explanation | undefined {
  for (const one of own) {
    const found = crashed(one) ?? stuck(one, now)
    if (found) return found
  }
  if (own.length > 0 && own.every((one) => one.state === 'ready')) return undefined
  for (const blocked of observation?.blocked ?? []) {
    const told = explainWaiting(blocked, 'The instances')
    if (told && isOver(told, blocked, now)) return told.explanation
  }
  return undefined
}

function crashed(instance: Instance): Explanation | undefined {
  const exit = instance.lastExit
  if (!exit || instance.state === 'ready') return undefined
  const clear = exit.outOfMemory || exit.code === 126 || exit.code === 127
  return clear || instance.restarts + 1 >= CRASH_LIMIT ? explainExit(instance.name, exit, instance.restarts) : undefined
}

function stuck(instance: Instance, now: number): Explanation | undefined {
  if (!instance.waiting || instance.state === 'ready') return undefined
  const told = explainWaiting(instance.waiting, `The instance ${instance.name}`)
  return told && isOver(told, instance.waiting, now) ? told.explanation : undefined
}

function evidenceOf(observation: Observation | undefined, own: Instance[], failure: Explanation): string[] {
  const names = new Set(own.map((one) => one.name))
  const lines = (observation?.evidence ?? [])
    .filter((item) => item.instance === null || names.has(item.instance))
    .slice(-5)
    .map((item) => `${item.at} ${item.message}`)
  return [...new Set([...failure.evidence, ...lines])]
}

/** Why it is still not ready when its time is up. */
export function explainLate(observation: Observation | undefined, awaited: Awaited, seconds: number): Explanation {
  const own = (observation?.instances ?? []).filter((one) => sameRollout(one, awaited) && one.state !== 'stopping')
  const behind = own.find((one) => one.state !== 'ready')
  const [blocked] = observation?.blocked ?? []
  const waiting = behind?.waiting
    ? explainWaiting(behind.waiting, `The instance ${behind.name}`)
    : blocked && !behind
      ? explainWaiting(blocked, 'The instances')
      : undefined
  const told = waiting?.explanation ?? (behind ? explainInstance(behind) : NOTHING)
  const evidence = evidenceOf(observation, own, told)
  if (!behind && !waiting)
    return own.length === 0
      ? { ...NOTHING, message: `No instance was there after ${seconds} s.`, evidence }
      : { ...NOTHING, reason: 'NotReplaced', message: `The old instances were not gone after ${seconds} s.`, evidence }
  return {
    ...told,
    reason: told.reason === 'Starting' ? 'NotReady' : told.reason,
    message: `Not ready within ${seconds} s. ${told.message}`,
    evidence,
  }
}

const NOTHING: Explanation = {
  reason: 'NotStarted',
  message: 'No instance was there.',
  evidence: [],
  remedy: 'Look at the cluster with `berth cluster check`, then deploy again.',
}
