import type { Application } from '../model/application.ts'
import type { Action, Deployment, Wanted } from '../model/deployment.ts'
import { AppError } from '../model/error.ts'
import type { Tx } from '../store/database.ts'
import { enqueueDeployment, listUnfinished, requestCancel } from '../store/deployment.ts'
import type { Actor } from '../store/event.ts'

export type EnvironmentRef = { id: string; name: string; organization_id: string; cluster_id: string; delete_requested_at?: Date | null }
export type Wish = { application: Application; wanted?: Partial<Wanted> }

/** Queues an action on some applications of an environment. Throws `conflict` for what cannot be done to any of them, with the reason. */
export async function requestDeployment(
  tx: Tx,
  actor: Actor,
  request: { environment: EnvironmentRef; action: Action; wishes: Wish[]; idempotencyKey?: string | null },
): Promise<Deployment> {
  const { environment, action, wishes } = request
  if (environment.delete_requested_at && action !== 'delete') throw new AppError('conflict', 'The environment is being deleted.')
  if (wishes.length === 0 && action !== 'delete') throw new AppError('conflict', `There is no service in the environment to ${action}.`)
  for (const { application } of wishes) checkAction(action, application)
  const parts = wishes.map(({ application, wanted }) => ({
    application,
    action,
    wanted: { commit: wanted?.commit ?? null, tag: wanted?.tag ?? null, ...(wanted?.release ? { release: wanted.release } : {}) },
  }))
  return enqueueDeployment(tx, actor, { environment, action, parts, idempotencyKey: request.idempotencyKey ?? null })
}

function checkAction(action: Action, application: Application): void {
  if (action === 'restart' && application.presence !== 'running')
    throw new AppError('conflict', `${application.name} does not run, so it cannot be restarted: deploy it.`)
}

/** Cancels what is running and queued in an environment. */
export async function cancelDeployments(tx: Tx, actor: Actor, environmentId: string): Promise<void> {
  const unfinished = await listUnfinished(tx, environmentId)
  if (unfinished.length === 0)
    throw new AppError('conflict', 'Nothing is being deployed in this environment, so there is nothing to cancel.')
  for (const deployment of unfinished) await requestCancel(tx, actor, deployment)
}
