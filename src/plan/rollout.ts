import { targetsOf, type Rollout, type Step } from './step.ts'

export type Strategy =
  | { kind: 'rolling'; surgePercent: number }
  | { kind: 'one-by-one' }
  | { kind: 'recreate' }
  /** The engine replaces instances itself, in the way the release asks for. */
  | { kind: 'by-itself' }

/** Volumes have one writer, so their instances are replaced one by one, stop first; otherwise what was set. */
export function strategyOf(spec: {
  volumes: unknown[]
  settings: { updateStrategy: 'rolling' | 'recreate'; maxSurgePercent: number }
}): Strategy {
  if (spec.settings.updateStrategy === 'recreate') return { kind: 'recreate' }
  if (spec.volumes.length > 0) return { kind: 'one-by-one' }
  return { kind: 'rolling', surgePercent: spec.settings.maxSurgePercent }
}

/** The steps from what serves to what is wanted; the serving instances stay until their successors are ready, unless the strategy says otherwise. */
export function planRollout(wanted: Rollout, serving: Rollout | null, strategy: Strategy): Step[] {
  if (serving && serving.revision === wanted.revision && serving.generation === wanted.generation) return []
  if (strategy.kind === 'by-itself') return planByItself(wanted)
  if (strategy.kind === 'recreate') return planRecreate(wanted)
  if (strategy.kind === 'one-by-one') return planOneByOne(wanted, serving)
  return planRolling(wanted, serving, strategy.surgePercent)
}

function planRolling(wanted: Rollout, serving: Rollout | null, surgePercent: number): Step[] {
  const steps: Step[] = [{ kind: 'prepare' }]
  const batch = Math.max(1, Math.ceil((wanted.instances * surgePercent) / 100))
  for (let done = 0; done < wanted.instances; done += batch) {
    const started = Math.min(done + batch, wanted.instances)
    const fresh = targetsOf({ ...wanted, instances: started }, done)
    const last = started === wanted.instances
    const keep = [...targetsOf({ ...wanted, instances: started }), ...(serving && !last ? targetsOf(serving, started) : [])]
    steps.push(
      { kind: 'apply', targets: fresh },
      { kind: 'await-ready', targets: fresh },
      { kind: 'route', targets: keep },
      { kind: 'retire', keep },
    )
  }
  return steps
}

function planOneByOne(wanted: Rollout, serving: Rollout | null): Step[] {
  const steps: Step[] = [{ kind: 'prepare' }]
  for (let index = 0; index < wanted.instances; index++) {
    const before = [...targetsOf({ ...wanted, instances: index }), ...(serving ? targetsOf(serving, index + 1) : [])]
    const fresh = [{ revision: wanted.revision, generation: wanted.generation, index }]
    if (serving && index < serving.instances) steps.push({ kind: 'route', targets: before }, { kind: 'retire', keep: before })
    steps.push(
      { kind: 'apply', targets: fresh },
      { kind: 'await-ready', targets: fresh },
      { kind: 'route', targets: [...before, ...fresh] },
    )
  }
  const all = targetsOf(wanted)
  return [...steps, { kind: 'route', targets: all }, { kind: 'retire', keep: all }]
}

function planRecreate(wanted: Rollout): Step[] {
  const all = targetsOf(wanted)
  return [
    { kind: 'prepare' },
    { kind: 'route', targets: [] },
    { kind: 'retire', keep: [] },
    { kind: 'apply', targets: all },
    { kind: 'await-ready', targets: all },
    { kind: 'route', targets: all },
  ]
}

/** What served before stays until the engine has replaced it, and goes with `retire` where it is something else. */
function planByItself(wanted: Rollout): Step[] {
  const all = targetsOf(wanted)
  return [
    { kind: 'prepare' },
    { kind: 'apply', targets: all },
    { kind: 'await-ready', targets: all },
    { kind: 'route', targets: all },
    { kind: 'retire', keep: all },
  ]
}

/** Back to what served before a deployment failed or was canceled. `holdsVolumes`: the new instances must let go of the volumes first. */
export function planReturn(serving: Rollout | null, holdsVolumes: boolean): Step[] {
  if (!serving)
    return [
      { kind: 'route', targets: [] },
      { kind: 'retire', keep: [] },
    ]
  const all = targetsOf(serving)
  const back: Step[] = [
    { kind: 'apply', targets: all },
    { kind: 'await-ready', targets: all },
    { kind: 'route', targets: all },
  ]
  return holdsVolumes ? [{ kind: 'retire', keep: all }, ...back] : [...back, { kind: 'retire', keep: all }]
}

export const planStop = (): Step[] => [
  { kind: 'route', targets: [] },
  { kind: 'retire', keep: [] },
]
export const planRemove = (): Step[] => [...planStop(), { kind: 'remove' }]

/** A name that is the same whenever the same plan is made again: the key under which a finished step is recorded. */
export const stepName = (step: Step, position: number): string => `${String(position).padStart(2, '0')}-${step.kind}`
