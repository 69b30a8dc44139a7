import type { Explanation } from '../model/deployment.ts'
import { AppError, messageOf } from '../model/error.ts'
import { planReturn } from '../plan/rollout.ts'
import { fence } from '../store/deployment.ts'
import { updatePart } from '../store/part.ts'
import { mayHaveSaid, withLastWords } from '../status/explain/last-words.ts'
import { findStep } from '../store/step.ts'
import { RolloutFailure } from './await-ready.ts'
import type { Dependencies } from './dependencies.ts'
import { workloadOf } from './release.ts'
import { once, runSteps, type PartContext, type PartResult, type PartRun, type Serving } from './steps.ts'

/** Lines of all instances that are looked through for the last ones of one, and milliseconds that this may take. */
const LOOKED_AT = 200
const LOG_LIMIT = 3000

type GivenUp = { serving: Serving; explanation: Explanation | null }

/** Back to what served before, then failed or canceled. That this part gave up is recorded first, so that kill -9 in between changes nothing. */
export async function giveUp(deps: Dependencies, context: PartContext, run: PartRun, of: GivenUp): Promise<PartResult> {
  return deps.turns.take(run.application.id, () => giveUpInTurn(deps, context, run, of))
}

async function giveUpInTurn(deps: Dependencies, context: PartContext, run: PartRun, of: GivenUp): Promise<PartResult> {
  const state = of.explanation === null ? 'canceled' : 'failed'
  const calm: PartRun = { ...run, signal: new AbortController().signal }
  // Before anything goes: its instances take their logs with them.
  const explanation = await once(deps, calm, 'failed', async () => of.explanation && lastWords(calm, of.explanation))
  run.log.write(
    run.part.applicationId,
    state === 'failed' ? 'DeploymentError' : 'Canceled',
    explanation?.message ?? 'Canceled',
    explanation,
  )
  const touched = await findStep(deps.db, {
    deploymentId: run.part.deploymentId,
    applicationId: run.part.applicationId,
    name: 'rollout-00-prepare',
    epoch: run.epoch,
  })
  if (touched)
    await goBack(deps, calm, of.serving).catch((error: unknown) =>
      isFenced(error)
        ? Promise.reject(error as Error)
        : run.log.write(run.part.applicationId, 'DeploymentError', `Going back was not complete: ${messageOf(error)}`),
    )
  await calm.log.flush()
  await deps.db.transaction().execute(async (tx) => {
    await fence(tx, run.part.deploymentId, run.epoch)
    await updatePart(tx, run.part, { state, explanation })
  })
  context.adapters.poke()
  return state
}

/** What the instance that failed wrote last belongs to the evidence. */
async function lastWords(run: PartRun, explanation: Explanation): Promise<Explanation> {
  if (!mayHaveSaid(explanation)) return explanation
  const lines: string[] = []
  const words = explanation.message.split(/[\s:,]+/)
  try {
    const how = { follow: false, tail: LOOKED_AT, signal: AbortSignal.timeout(LOG_LIMIT) }
    for await (const line of run.adapters.inspection.logs(run.place, how))
      if (words.includes(line.instance)) lines.push(run.log.redact(line.message))
  } catch {
    // Then there is nothing more to say.
  }
  return withLastWords(explanation, lines)
}

async function goBack(deps: Dependencies, run: PartRun, serving: Serving): Promise<void> {
  const workload = serving
    ? await workloadOf(deps, run.application, {
        release: serving.release,
        generation: serving.rollout.generation,
        hide: (values) => run.log.hide(values),
      })
    : null
  run.log.write(
    run.part.applicationId,
    'Deployment',
    serving ? `Release ${serving.release.revision} keeps serving` : 'The new instances are removed',
  )
  const holdsVolumes = run.application.spec.volumes.length > 0 && run.adapters.engine.rollsOut === 'step-by-step'
  const steps = planReturn(serving?.rollout ?? null, holdsVolumes)
  await runSteps(deps, run, { label: 'return', steps, workload, ports: serving?.release.spec.ports ?? [] })
}

const isFenced = (error: unknown): boolean =>
  error instanceof AppError && error.message === 'Another process has taken this deployment over.'

/** `stop`: this process must leave the part alone (fenced off, or shutting down). Null: canceled. Else why it failed. */
export function explanationOf(error: unknown, context: PartContext, run: PartRun): Explanation | null | 'stop' {
  if (isFenced(error)) return 'stop'
  if (context.signal.aborted) return context.canceled() ? null : 'stop'
  if (error instanceof RolloutFailure) return error.explanation
  const building = run.part.releaseId === null
  if (error instanceof AppError)
    return {
      reason: building ? 'BuildFailed' : 'RolloutFailed',
      message: error.message,
      evidence: [],
      remedy:
        error.code === 'unavailable'
          ? 'Try again; if it stays, look at the cluster with `berth doctor`.'
          : 'Change what the message names, then deploy again.',
    }
  return {
    reason: 'Internal',
    message: `Berth made a mistake: ${messageOf(error)}`,
    evidence: [],
    remedy: 'Deploy again; if it stays, report it with the log of the server.',
  }
}
