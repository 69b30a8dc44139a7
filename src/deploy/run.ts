import { isFinal, type Deployment, type Part } from '../model/deployment.ts'
import { messageOf } from '../model/error.ts'
import { findDeployment, finishDeployment, fence, renewDeployment } from '../store/deployment.ts'
import { listParts, updatePart } from '../store/part.ts'
import { finishEnvironmentDeletion, getEnvironment } from '../store/environment.ts'
import type { ClusterRow, Dependencies } from './dependencies.ts'
import { DeploymentLog } from './log.ts'
import { runPart } from './part.ts'
import type { PartContext, PartResult } from './steps.ts'

/** Seconds a deployment's lease lives without renewal, and milliseconds between renewals. */
export const LEASE = 15
const RENEW = 2000

/** Runs a claimed deployment to its end: stages in order, parts of a stage at the same time. `watched`: the cluster as it is watched now. Returns early only when fenced off or stopped. */
export async function runDeployment(
  deps: Dependencies,
  watched: () => ClusterRow,
  deployment: Deployment,
  stop: AbortSignal,
): Promise<void> {
  const abort = new AbortController()
  let canceled = deployment.cancelRequested
  if (canceled) abort.abort()
  const onStop = (): void => abort.abort()
  stop.addEventListener('abort', onStop)
  const renewing = renew(deps, deployment, abort.signal, (wish) => {
    if (wish === 'cancel') canceled = true
    abort.abort()
  })
  const log = new DeploymentLog(deps.db, deployment.id)
  try {
    const context: PartContext = {
      deployment,
      cluster: watched(),
      // A cluster may be edited meanwhile: each step asks for what drives it now.
      get adapters() {
        return deps.adaptersOf(watched())
      },
      signal: abort.signal,
      canceled: () => canceled,
      log,
    }
    const results = await runStages(deps, context)
    await log.flush()
    await conclude(deps, context, results)
  } catch (error) {
    deps.log.warn({ deployment: deployment.id, error: messageOf(error) }, 'left a deployment for whoever claims it next')
  } finally {
    await log.flush()
    stop.removeEventListener('abort', onStop)
    clearInterval(renewing)
  }
}

function renew(deps: Dependencies, deployment: Deployment, signal: AbortSignal, onWish: (wish: 'cancel' | 'lost') => void): NodeJS.Timeout {
  const look = async (): Promise<void> => {
    const { held, cancelRequested } = await renewDeployment(deps.db, deployment.id, deployment.epoch, LEASE)
    if (!held && !signal.aborted) onWish('lost')
    else if (cancelRequested && !signal.aborted) onWish('cancel')
  }
  const off = deps.wakeups.on('deployment', (id) => id === deployment.id && void look().catch(() => undefined))
  signal.addEventListener('abort', off, { once: true })
  return setInterval(() => void look().catch(() => undefined), RENEW)
}

async function runStages(deps: Dependencies, context: PartContext): Promise<PartResult[]> {
  const parts = await listParts(deps.db, [context.deployment.id])
  const results: PartResult[] = []
  for (const position of [...new Set(parts.map((part) => part.stagePosition))].sort((a, b) => a - b)) {
    const stage = parts.filter((part) => part.stagePosition === position)
    results.push(...(await runStage(deps, context, stage, results)))
  }
  return results
}

async function runStage(deps: Dependencies, context: PartContext, parts: Part[], before: PartResult[]): Promise<PartResult[]> {
  const broken = before.some((result) => result !== 'succeeded')
  const settled = await Promise.allSettled(
    parts.map(async (part): Promise<PartResult> => {
      if (isFinal(part.state)) return part.state === 'skipped' ? 'canceled' : (part.state as PartResult)
      if (broken) {
        await updatePart(deps.db, part, {
          state: 'skipped',
          explanation: {
            reason: 'StageFailed',
            message: 'An earlier stage did not succeed.',
            evidence: [],
            remedy: 'Mend what failed there, then deploy again.',
          },
        })
        return 'canceled'
      }
      return runPart(deps, context, part)
    }),
  )
  const lost = settled.find((result) => result.status === 'rejected')
  if (lost?.status === 'rejected') throw lost.reason
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))
}

async function conclude(deps: Dependencies, context: PartContext, results: PartResult[]): Promise<void> {
  const { deployment, adapters } = context
  const state = results.includes('failed') ? 'failed' : results.includes('canceled') ? 'canceled' : 'succeeded'
  const environment = await getEnvironment(deps.db, deployment.environmentId)
  const current = await findDeployment(deps.db, deployment.id)
  if (environment.delete_requested_at && deployment.action === 'delete' && state === 'succeeded')
    await adapters.engine.removeEnvironment(environment.id)
  await deps.db.transaction().execute(async (tx) => {
    await fence(tx, deployment.id, deployment.epoch)
    await finishDeployment(
      tx,
      deployment.id,
      current?.cancelRequested && state !== 'failed' && results.includes('canceled') ? 'canceled' : state,
    )
    if (deployment.action === 'delete') await finishEnvironmentDeletion(tx, environment.id)
  })
}
