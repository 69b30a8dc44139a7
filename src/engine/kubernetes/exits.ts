import type { Exit } from '../../model/observation.ts'
import { firstTimeOf, timeOf, type KubeEvent } from './cache.ts'
import { probeWords } from './probes.ts'

export type Terminated = { exitCode: number; reason?: string; message?: string; finishedAt?: string; startedAt?: string }

const SIGNALS: Record<number, string> = { 130: 'SIGINT', 134: 'SIGABRT', 137: 'SIGKILL', 139: 'SIGSEGV', 143: 'SIGTERM' }

/** What a program ends with that is asked to end. */
const ENDED = new Set([0, 137, 143])

/** A kill that neither memory nor a liveness probe explains came from outside. */
export function exitOf(last: Terminated | undefined, events: KubeEvent[]): Exit | null {
  if (!last?.finishedAt || isStartFailure(last)) return null
  const begun = Date.parse(last.startedAt ?? '') || 0
  const finished = Date.parse(last.finishedAt)
  // What the next one does not answer yet has not ended this one.
  const unlively = events.findLast(
    (event) => /^(Liveness|Startup) probe failed/.test(event.message) && timeOf(event) >= begun && firstTimeOf(event) <= finished,
  )
  const outOfMemory = last.reason === 'OOMKilled'
  // One that failed and crashed by itself has a code of its own.
  const liveness = unlively && ENDED.has(last.exitCode) ? probeWords(unlively) : null
  return {
    code: last.exitCode,
    outOfMemory,
    signal: SIGNALS[last.exitCode] ?? null,
    at: last.finishedAt,
    startedAt: last.startedAt ?? null,
    byHand: last.exitCode === 137 && !outOfMemory && !unlively,
    liveness: outOfMemory ? null : liveness,
  }
}

/** The program never ran: the runtime's words say why. */
export const isStartFailure = (last: Terminated): boolean => last.reason === 'StartError' || last.reason === 'ContainerCannotRun'
