import type { Application } from '../model/application.ts'
import type { Deployment, Part } from '../model/deployment.ts'
import type { Port } from '../model/port.ts'
import type { Release } from '../model/release.ts'
import type { Place, Workload } from '../model/workload.ts'
import { stepName } from '../plan/rollout.ts'
import type { Rollout, Step } from '../plan/step.ts'
import { recordInstance } from '../store/observation.ts'
import { findStep, finishStep } from '../store/step.ts'
import { awaitReady } from './await-ready.ts'
import type { ClusterAdapters, ClusterRow, Dependencies } from './dependencies.ts'
import type { DeploymentLog } from './log.ts'

/** One part being run by this process under one epoch. */
export type PartRun = {
  part: Part
  application: Application
  place: Place
  adapters: ClusterAdapters
  epoch: number
  signal: AbortSignal
  log: DeploymentLog
}

export type PartResult = 'succeeded' | 'failed' | 'canceled'
/** The deployment that a part is of. */
export type PartContext = {
  deployment: Deployment
  cluster: ClusterRow
  adapters: ClusterAdapters
  signal: AbortSignal
  canceled: () => boolean
  log: DeploymentLog
}
/** What served when the part began. */
export type Serving = { release: Release; rollout: Rollout } | null

/** Runs a named piece of work once: when it is finished already, its recorded output is returned. It must be safe to enter again. */
export async function once<T>(deps: Dependencies, run: PartRun, name: string, work: () => Promise<T>): Promise<T> {
  const key = { deploymentId: run.part.deploymentId, applicationId: run.part.applicationId, name, epoch: run.epoch }
  const done = await findStep(deps.db, key)
  if (done) return done.output as T
  run.signal.throwIfAborted()
  const startedAt = new Date()
  const output = await work()
  await finishStep(deps.db, key, startedAt, output)
  return output
}

/** Runs a plan. `workload`: what is started; null where nothing is. `label` tells the plans of one part apart. */
export async function runSteps(
  deps: Dependencies,
  run: PartRun,
  plan: { label: string; steps: Step[]; workload: Workload | null; ports: Port[] },
): Promise<void> {
  for (const [position, step] of plan.steps.entries())
    await once(deps, run, `${plan.label}-${stepName(step, position)}`, () => runStep(deps, run, plan, step))
}

async function runStep(deps: Dependencies, run: PartRun, plan: { workload: Workload | null; ports: Port[] }, step: Step): Promise<void> {
  const { engine, poke } = run.adapters
  const { place } = run
  const note = (line: string): void => run.log.write(run.part.applicationId, 'Deployment', line)
  const keep = (record: Parameters<typeof recordInstance>[2]): Promise<void> =>
    recordInstance(deps.db, place, { ...record, lines: run.log.redact(record.lines) })
  const context = { signal: run.signal, note, keep }
  switch (step.kind) {
    case 'prepare':
    case 'apply': {
      if (!plan.workload) return
      return engine.apply(
        step.kind === 'prepare'
          ? { kind: 'prepare', workload: plan.workload }
          : { kind: 'apply', workload: plan.workload, targets: step.targets },
        context,
      )
    }
    case 'await-ready':
      return plan.workload
        ? awaitReady(deps, plan.workload, step.targets, { signal: run.signal, note, poke, byItself: engine.rollsOut === 'by-itself' })
        : undefined
    case 'route':
      return engine.apply(
        { kind: 'route', place, targets: step.targets, ports: plan.ports, redirect: plan.workload?.settings.redirectToHttps ?? true },
        context,
      )
    case 'retire':
      return engine.apply({ kind: 'retire', place, keep: step.keep }, context)
    case 'remove':
      return engine.apply({ kind: 'remove', place }, context)
  }
}
