/**
 * What an engine saw of one application, and when. `evidence` is the engine's own and opaque: only `status/explain` reads it.
 * A fact, never a judgement: what people are told is derived by `statusOf`.
 */
export type Observation = {
  at: string
  instances: Instance[]
  evidence: Evidence[]
  /** What keeps instances from coming into being at all (a quota, say). */
  blocked?: Waiting[]
  /** Of what changes the number of instances, where something does. */
  scaler?: Scaler | null
  /** Things that somebody else removed or changed since they were applied. */
  drift?: string[]
}

/** What somebody waits for, in the engine's own words: a reason in one word, and its message. */
export type Waiting = { reason: string; message: string; since: string }

/** `blind`: it does not know what the instances use, so their number stays. `most`: it would have more than it may. `message`: in the engine's words. */
export type Scaler = { state: 'scales' | 'blind' | 'most'; limit: number; message: string }

export type InstanceState = 'starting' | 'ready' | 'unready' | 'stopping' | 'exited'

export type Instance = {
  /** Engine name of the instance; the contract shows it as pod name. */
  name: string
  revision: number
  /** Number of the deployment that started it: a restart starts new instances of the same revision. */
  generation: number
  index: number
  state: InstanceState
  startedAt: string | null
  restarts: number
  image: string
  address: string | null
  lastExit: Exit | null
  /** Last probe result, in words, when it is not a success. */
  probe: string | null
  /** Instances of one group replace each other; those of another stay until they are retired. */
  group?: string
  /** What keeps it from running. */
  waiting?: Waiting | null
}

export type Exit = {
  code: number
  outOfMemory: boolean
  signal: string | null
  at: string
  startedAt: string | null
  /** Somebody else than Berth or its engine ended it. */
  byHand: boolean
  /** What its liveness probe found, where that ended it. */
  liveness: string | null
}

export type Evidence = { at: string; kind: string; instance: string | null; message: string }

export const sameRollout = (a: { revision: number; generation: number }, b: { revision: number; generation: number }): boolean =>
  a.revision === b.revision && a.generation === b.generation
