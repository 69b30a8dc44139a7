import type { Target } from '../model/workload.ts'

/** The coarse steps every engine understands. Each can be entered again: an engine recomputes from the live state what is left to do. */
export type Step =
  | { kind: 'prepare' }
  | { kind: 'apply'; targets: Target[] }
  | { kind: 'await-ready'; targets: Target[] }
  | { kind: 'route'; targets: Target[] }
  | { kind: 'retire'; keep: Target[] }
  | { kind: 'remove' }

/** One rollout: a release, started by one deployment, in so many instances. */
export type Rollout = { revision: number; generation: number; instances: number }

export const targetsOf = (rollout: Rollout, from = 0): Target[] =>
  Array.from({ length: Math.max(0, rollout.instances - from) }, (_, n) => ({
    revision: rollout.revision,
    generation: rollout.generation,
    index: from + n,
  }))
