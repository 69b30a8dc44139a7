import type { Explanation, Part } from '../model/deployment.ts'
import type { Application } from '../model/application.ts'
import { AppError } from '../model/error.ts'
import { readinessOf } from '../model/probe.ts'
import type { Release } from '../model/release.ts'
import { planRemove, planRollout, planStop, strategyOf, type Strategy } from '../plan/rollout.ts'
import type { Step } from '../plan/step.ts'
import { finishApplicationDeletion, loadApplication, setServing } from '../store/application.ts'
import type { Tx } from '../store/database.ts'
import { fence } from '../store/deployment.ts'
import { updatePart } from '../store/part.ts'
import { findRelease } from '../store/release.ts'
import { findStep } from '../store/step.ts'
import type { Dependencies } from './dependencies.ts'
import { explanationOf, giveUp } from './give-up.ts'
import { imageIsThere, makeImage } from './image.ts'
import { makeRelease, placeOf, rolloutOf, variablesOf, workloadOf } from './release.ts'
import { once, runSteps, type PartContext, type PartResult, type PartRun, type Serving } from './steps.ts'

/** Brings one application to what its part asks for, or back to what served before. Ends final unless this process is fenced off or stopped. */
export async function runPart(deps: Dependencies, context: PartContext, part: Part): Promise<PartResult> {
  const application = await loadApplication(deps.db, part.applicationId)
  if (!application) return finish(deps, context, part, 'succeeded')
  const run: PartRun = {
    part,
    application,
    place: await placeOf(deps.db, application),
    get adapters() {
      return context.adapters
    },
    epoch: context.deployment.epoch,
    signal: context.signal,
    log: context.log,
  }
  const serving = await servingOf(deps, application)
  const failed = await findStep(deps.db, {
    deploymentId: part.deploymentId,
    applicationId: part.applicationId,
    name: 'failed',
    epoch: run.epoch,
  })
  if (failed) return giveUp(deps, context, run, { serving, explanation: failed.output as Explanation | null })
  try {
    if (part.action === 'deploy' || part.action === 'redeploy') await deploy(deps, context, run, serving)
    else if (part.action === 'restart') await restart(deps, context, run, serving)
    else await deps.turns.take(application.id, () => takeDown(deps, context, run))
    return 'succeeded'
  } catch (error) {
    const explanation = explanationOf(error, context, run)
    if (explanation === 'stop') throw error
    return giveUp(deps, context, run, { serving, explanation })
  }
}

async function servingOf(deps: Dependencies, application: Application): Promise<Serving> {
  if (application.presence !== 'running' || !application.servingReleaseId) return null
  const release = await findRelease(deps.db, application.servingReleaseId)
  return release ? { release, rollout: rolloutOf(release, application.servingGeneration) } : null
}

async function deploy(deps: Dependencies, context: PartContext, run: PartRun, serving: Serving): Promise<void> {
  const release = await releaseFor(deps, context, run)
  if (serving?.release.id === release.id) {
    run.log.write(run.part.applicationId, 'Deployment', `Nothing changed: release ${release.revision} is running already`)
    return settle(deps, run, (tx) =>
      setServing(tx, run.application.id, { releaseId: release.id, generation: run.application.servingGeneration, presence: 'running' }),
    )
  }
  await deps.turns.take(run.application.id, () => rollOut(deps, context, run, { release, serving }))
}

async function restart(deps: Dependencies, context: PartContext, run: PartRun, serving: Serving): Promise<void> {
  if (!serving) throw new AppError('conflict', 'The application does not run, so there is nothing to restart: deploy it.')
  await deps.turns.take(run.application.id, () => rollOut(deps, context, run, { release: serving.release, serving }))
}

async function releaseFor(deps: Dependencies, context: PartContext, run: PartRun): Promise<Release> {
  const { part, application } = run
  if (part.wanted.release) return earlierRelease(deps, run, part.wanted.release)
  await updatePart(deps.db, part, { state: 'building' })
  const id = await once(deps, run, 'release', async () => {
    const variables = await variablesOf(deps, application)
    const { image, commit } = await makeImage(deps, {
      application,
      cluster: context.cluster,
      adapters: context.adapters,
      wanted: part.wanted,
      variables,
      deploymentId: part.deploymentId,
      signal: run.signal,
      onLine: (line) => run.log.write(part.applicationId, 'Build', line),
      hide: (values) => run.log.hide(values),
    })
    return deps.db.transaction().execute(async (tx) => {
      await fence(tx, part.deploymentId, run.epoch)
      const release = await makeRelease(tx, { application, image, commit, variables })
      await updatePart(tx, part, { releaseId: release.id, commit })
      return release.id
    })
  })
  part.releaseId = id
  const release = await findRelease(deps.db, id)
  if (!release) throw new AppError('internal', `The release ${id} is missing.`)
  return release
}

/** Back to a release as it was: image, configuration and variables together. Its image must still be there. */
async function earlierRelease(deps: Dependencies, run: PartRun, id: string): Promise<Release> {
  const release = await findRelease(deps.db, id)
  if (release?.applicationId !== run.application.id) throw new AppError('invalid', 'The release to go back to does not exist any more.')
  run.log.write(run.part.applicationId, 'Deployment', `Going back to release ${release.revision}`)
  if ((await imageIsThere(run.adapters, release.image)) === false)
    throw new AppError(
      'invalid',
      `The image of release ${release.revision} is not there any more: deploy its commit instead, which builds it again.`,
    )
  await updatePart(deps.db, run.part, { releaseId: release.id, commit: release.commit })
  run.part.releaseId = release.id
  return release
}

async function rollOut(deps: Dependencies, context: PartContext, run: PartRun, of: { release: Release; serving: Serving }): Promise<void> {
  const { release, serving } = of
  const generation = context.deployment.number
  await updatePart(deps.db, run.part, { state: 'applying', releaseId: release.id })
  run.part.releaseId = release.id
  const workload = await workloadOf(deps, run.application, { release, generation, hide: (values) => run.log.hide(values) })
  const way = strategyOf(release.spec)
  // A restart goes one by one, whatever surge is set for new releases.
  const own = run.part.action === 'restart' && way.kind === 'rolling' ? { ...way, surgePercent: 0 } : way
  const strategy: Strategy = run.adapters.engine.rollsOut === 'by-itself' ? { kind: 'by-itself' } : own
  announce(run, release, way.kind)
  const steps = planRollout(rolloutOf(release, generation), serving?.rollout ?? null, strategy)
  await runSteps(deps, run, { label: 'rollout', steps, workload, ports: release.spec.ports })
  run.log.write(run.part.applicationId, 'Deployed', `Release ${release.revision} is running`)
  await settle(deps, run, (tx) => setServing(tx, run.application.id, { releaseId: release.id, generation, presence: 'running' }))
}

function announce(run: PartRun, release: Release, strategy: Strategy['kind']): void {
  const say = (line: string): void => run.log.write(run.part.applicationId, 'Deployment', line)
  say(`Rolling out release ${release.revision}`)
  if (strategy === 'one-by-one')
    say(
      `Instances with volumes are replaced one by one, stop first${release.spec.scaling.kind === 'fixed' && release.spec.scaling.instances < 2 ? ': with one instance there is a gap until the new one is ready' : ''}`,
    )
  if (strategy === 'recreate') say('The update strategy is Recreate: there is a gap until the new instances are ready')
  const readiness = readinessOf(release.spec.readiness, release.spec.ports)
  if (readiness.derived)
    say(
      readiness.probe
        ? 'No readiness probe is set: a TCP connection to the first port counts as ready'
        : 'No readiness probe and no port are set: running counts as ready',
    )
}

async function takeDown(deps: Dependencies, context: PartContext, run: PartRun): Promise<void> {
  const { part, application } = run
  await updatePart(deps.db, part, { state: 'applying' })
  const steps: Step[] = part.action === 'stop' ? planStop() : planRemove()
  await runSteps(deps, run, { label: part.action, steps, workload: null, ports: application.spec.ports })
  const stopped = { stop: 'stopped', uninstall: 'removed', delete: 'removed' }[part.action as 'stop' | 'uninstall' | 'delete']
  run.log.write(part.applicationId, 'Deployment', `The application is ${stopped === 'stopped' ? 'stopped' : 'removed from the cluster'}`)
  await settle(deps, run, async (tx) => {
    if (part.action === 'delete') await finishApplicationDeletion(tx, application.id)
    else
      await setServing(tx, application.id, {
        releaseId: application.servingReleaseId,
        generation: application.servingGeneration,
        presence: application.presence === 'never' ? 'never' : (stopped as 'stopped' | 'removed'),
      })
  })
  context.adapters.poke()
}

/** The end of a part and what it leaves behind, in one fenced transaction. */
async function settle(deps: Dependencies, run: PartRun, leave: (tx: Tx) => Promise<void>): Promise<void> {
  await run.log.flush()
  await deps.db.transaction().execute(async (tx) => {
    await fence(tx, run.part.deploymentId, run.epoch)
    await leave(tx)
    await updatePart(tx, run.part, { state: 'succeeded', explanation: null })
  })
}

async function finish(deps: Dependencies, context: PartContext, part: Part, state: PartResult): Promise<PartResult> {
  await deps.db.transaction().execute(async (tx) => {
    await fence(tx, part.deploymentId, context.deployment.epoch)
    await updatePart(tx, part, { state })
  })
  return state
}
