import type { Exit, Instance } from '../../model/observation.ts'
import type { Fate } from './fates.ts'
import { targetIn } from './label.ts'
import type { Verdict } from './prober.ts'

/** The part of `GET /containers/{id}/json` that is read. */
export type Inspected = {
  Id: string
  Name: string
  Image: string
  RestartCount: number
  State: {
    Status: string
    Running: boolean
    Restarting: boolean
    ExitCode: number
    OOMKilled: boolean
    StartedAt: string
    FinishedAt: string
    Error: string
  }
  Config: { Labels: Record<string, string>; Image: string }
  NetworkSettings: { Networks: Record<string, { IPAddress: string; IPAMConfig: { IPv4Address?: string } | null }> }
}

/** Docker's zero time: never started, or never finished. */
const NEVER = '0001-01-01T00:00:00Z'

export const nameOf = (found: Inspected): string => found.Name.replace(/^\//, '')
export const addressIn = (found: Inspected): string | null =>
  Object.values(found.NetworkSettings.Networks)[0]?.IPAMConfig?.IPv4Address ?? null

export type Seen = Fate & { verdict: Verdict | undefined }

/** What Docker says of a container, as a neutral instance. */
export function observeInstance(found: Inspected, seen: Seen): Instance {
  const target = targetIn(found.Config.Labels)
  return {
    name: nameOf(found),
    ...target,
    state: stateOf(found, seen),
    startedAt: found.State.StartedAt === NEVER ? null : found.State.StartedAt,
    restarts: found.RestartCount + seen.restarts,
    image: found.Image,
    address: addressIn(found),
    lastExit: exitOf(found, seen),
    probe: seen.verdict?.message ?? null,
  }
}

function stateOf(found: Inspected, seen: { verdict: Verdict | undefined; stopping: boolean }): Instance['state'] {
  if (seen.stopping) return 'stopping'
  if (found.State.Restarting) return 'exited'
  if (!found.State.Running) return found.State.Status === 'created' ? 'starting' : 'exited'
  if (seen.verdict?.ready) return 'ready'
  return seen.verdict?.wasReady || found.RestartCount > 0 || found.State.FinishedAt !== NEVER ? 'unready' : 'starting'
}

const SIGNALS: Record<number, string> = { 130: 'SIGINT', 134: 'SIGABRT', 137: 'SIGKILL', 139: 'SIGSEGV', 143: 'SIGTERM' }

function exitOf(found: Inspected, { killed, liveness, exit }: Seen): Exit | null {
  const { State } = found
  if (State.Running && !State.Restarting) return exit
  if (State.FinishedAt === NEVER) return null
  return {
    code: State.ExitCode,
    outOfMemory: State.OOMKilled,
    signal: SIGNALS[State.ExitCode] ?? null,
    at: State.FinishedAt,
    startedAt: State.StartedAt === NEVER ? null : State.StartedAt,
    byHand: killed && liveness === null,
    liveness,
  }
}
