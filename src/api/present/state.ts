import type { Action, Deployment, Part } from '../../model/deployment.ts'
import type { Health, Outcome } from '../../status/status.ts'

type Verb = 'deploy' | 'restart' | 'stop' | 'delete'
const verbOf = (action: Action): Verb => (action === 'redeploy' ? 'deploy' : action === 'uninstall' ? 'delete' : action)

const words: Record<Verb, { queued: string; running: string; done: string; failed: string; action: string }> = {
  deploy: { queued: 'DEPLOYMENT_QUEUED', running: 'DEPLOYING', done: 'DEPLOYED', failed: 'DEPLOYMENT_ERROR', action: 'DEPLOY' },
  restart: { queued: 'RESTART_QUEUED', running: 'RESTARTING', done: 'RESTARTED', failed: 'RESTART_ERROR', action: 'RESTART' },
  stop: { queued: 'STOP_QUEUED', running: 'STOPPING', done: 'STOPPED', failed: 'STOP_ERROR', action: 'STOP' },
  delete: { queued: 'DELETE_QUEUED', running: 'DELETING', done: 'DELETED', failed: 'DELETE_ERROR', action: 'DELETE' },
}

/** The contract's state of a service, out of how its last action stands. */
export function stateOf(outcome: Outcome): string {
  if (outcome.action === 'none') return 'READY'
  const verb = words[verbOf(outcome.action)]
  switch (outcome.progress) {
    case 'none':
      return 'READY'
    case 'queued':
      return verb.queued
    case 'building':
      return 'BUILDING'
    case 'applying':
      return verb.running
    case 'canceling':
      return 'CANCELING'
    case 'canceled':
      return 'CANCELED'
    case 'succeeded':
      return verb.done
    case 'build-failed':
      return 'BUILD_ERROR'
    case 'failed':
      return verb.failed
  }
}

export const actionOf = (action: Action | 'none'): string => (action === 'none' ? 'UNKNOWN' : words[verbOf(action)].action)

export function actionStatusOf(outcome: Outcome): string {
  switch (outcome.progress) {
    case 'none':
      return 'NEVER'
    case 'queued':
      return 'QUEUED'
    case 'building':
    case 'applying':
      return 'ONGOING'
    case 'canceling':
      return 'CANCELING'
    case 'canceled':
      return 'CANCELED'
    case 'succeeded':
      return 'SUCCESS'
    case 'build-failed':
    case 'failed':
      return 'ERROR'
  }
}

/** The state of a whole deployment. */
export function deploymentStateOf(deployment: Deployment, parts: Part[]): string {
  const verb = words[verbOf(deployment.action)]
  if (deployment.state === 'queued') return verb.queued
  if (deployment.state === 'canceled') return 'CANCELED'
  if (deployment.state === 'succeeded') return verb.done
  if (deployment.state === 'failed')
    return parts.some((part) => part.state === 'failed' && part.releaseId === null && verb.action === 'DEPLOY')
      ? 'BUILD_ERROR'
      : verb.failed
  if (deployment.cancelRequested) return 'CANCELING'
  return parts.some((part) => part.state === 'building') ? 'BUILDING' : verb.running
}

export const deploymentProgressOf = (deployment: Deployment): string =>
  ({
    queued: 'QUEUED',
    running: deployment.cancelRequested ? 'CANCELING' : 'ONGOING',
    succeeded: 'SUCCESS',
    failed: 'ERROR',
    canceled: 'CANCELED',
  })[deployment.state]

export const triggerOf = (action: Action): string => (action === 'uninstall' ? 'UNINSTALL' : words[verbOf(action)].action)

/** The contract's running state, out of what was observed. */
export const runningStateOf = (health: Health): string =>
  ({
    none: 'STOPPED',
    starting: 'STARTING',
    running: 'RUNNING',
    warning: 'WARNING',
    error: 'ERROR',
    stopping: 'STOPPING',
    stopped: 'STOPPED',
  })[health]
