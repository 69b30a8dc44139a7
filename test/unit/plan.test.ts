import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/model/workload.ts'
import { planReturn, planRollout, stepName, strategyOf, type Strategy } from '../../src/plan/rollout.ts'
import { targetsOf, type Rollout, type Step } from '../../src/plan/step.ts'

const rollout = fc.record({
  revision: fc.constantFrom(1, 2),
  generation: fc.constantFrom(1, 2),
  instances: fc.integer({ min: 1, max: 12 }),
})
const next = (instances: number): Rollout => ({ revision: 9, generation: 9, instances })
const key = (target: Target): string => `${target.revision}/${target.generation}/${target.index}`

/** Plays a plan: what runs and what gets traffic after every step. */
function play(steps: Step[], serving: Rollout | null): { running: Set<string>; routed: Set<string>; leastReady: number } {
  const running = new Set((serving ? targetsOf(serving) : []).map(key))
  let routed = new Set(running)
  let leastReady = routed.size
  for (const step of steps) {
    if (step.kind === 'apply') for (const target of step.targets) running.add(key(target))
    if (step.kind === 'route') routed = new Set(step.targets.map(key))
    if (step.kind === 'retire') for (const one of running) if (!step.keep.some((target) => key(target) === one)) running.delete(one)
    for (const one of routed) expect(running.has(one)).toBe(true)
    leastReady = Math.min(leastReady, routed.size)
  }
  return { running, routed, leastReady }
}

describe('a rollout', () => {
  test.each<Strategy>([{ kind: 'rolling', surgePercent: 25 }, { kind: 'one-by-one' }, { kind: 'recreate' }])(
    'by $kind ends with exactly the wanted instances running and routed',
    (strategy) => {
      fc.assert(
        fc.property(fc.option(rollout, { nil: null }), fc.integer({ min: 1, max: 12 }), (serving, instances) => {
          const end = play(planRollout(next(instances), serving, strategy), serving)
          const all = targetsOf(next(instances)).map(key).sort()
          expect([...end.running].sort()).toEqual(all)
          expect([...end.routed].sort()).toEqual(all)
        }),
      )
    },
  )

  test('that rolls never has fewer routed instances than the smaller of before and after', () => {
    fc.assert(
      fc.property(rollout, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 100 }), (serving, instances, surgePercent) => {
        expect(play(planRollout(next(instances), serving, { kind: 'rolling', surgePercent }), serving).leastReady).toBeGreaterThanOrEqual(
          Math.min(serving.instances, instances),
        )
      }),
    )
  })

  test('with volumes keeps all but one instance routed, and never runs two of one index', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), (instances) => {
        const serving = { revision: 1, generation: 1, instances }
        const steps = planRollout(next(instances), serving, { kind: 'one-by-one' })
        expect(play(steps, serving).leastReady).toBe(instances - 1)
        const indexes = new Set(targetsOf(serving).map((target) => target.index))
        for (const step of steps) {
          if (step.kind === 'retire')
            for (const index of indexes) if (!step.keep.some((target) => target.index === index)) indexes.delete(index)
          if (step.kind === 'apply') for (const target of step.targets) expect(indexes.has(target.index)).toBe(false)
          if (step.kind === 'apply') for (const target of step.targets) indexes.add(target.index)
        }
      }),
    )
  })

  test('of what serves already is no step at all', () => {
    const serving = { revision: 3, generation: 4, instances: 2 }
    expect(planRollout(serving, serving, { kind: 'rolling', surgePercent: 25 })).toEqual([])
  })

  test('that failed returns to what served, wherever it stopped', () => {
    fc.assert(
      fc.property(rollout, fc.integer({ min: 1, max: 8 }), fc.nat(40), fc.boolean(), (serving, instances, cut, volumes) => {
        const strategy: Strategy = volumes ? { kind: 'one-by-one' } : { kind: 'rolling', surgePercent: 25 }
        const begun = planRollout(next(instances), serving, strategy).slice(0, cut)
        const end = play([...begun, { kind: 'route', targets: [] }, ...planReturn(serving, volumes)], serving)
        expect([...end.running].sort()).toEqual(targetsOf(serving).map(key).sort())
      }),
    )
  })

  test('has step names that are the same whenever it is planned again', () => {
    const names = (): string[] =>
      planRollout(next(3), { revision: 1, generation: 1, instances: 3 }, { kind: 'rolling', surgePercent: 25 }).map(stepName)
    expect(names()).toEqual(names())
    expect(new Set(names()).size).toBe(names().length)
  })

  test('with volumes is one by one, with Recreate set is Recreate', () => {
    const settings = { updateStrategy: 'rolling' as const, maxSurgePercent: 25 }
    expect(strategyOf({ volumes: [], settings }).kind).toBe('rolling')
    expect(strategyOf({ volumes: [{}], settings }).kind).toBe('one-by-one')
    expect(strategyOf({ volumes: [{}], settings: { ...settings, updateStrategy: 'recreate' } }).kind).toBe('recreate')
  })
})
