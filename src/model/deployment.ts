import type { Commit } from './git.ts'

export const actions = ['deploy', 'redeploy', 'restart', 'stop', 'uninstall', 'delete'] as const
export type Action = (typeof actions)[number]

export const origins = ['API', 'CLI', 'CONSOLE', 'GIT', 'QOVERY_INTERNAL', 'TERRAFORM_PROVIDER'] as const
export type Origin = (typeof origins)[number]

export type DeploymentState = 'queued' | 'running' | 'succeeded' | 'failed' | 'canceled'
export type PartState = 'queued' | 'building' | 'applying' | 'succeeded' | 'failed' | 'canceled' | 'skipped'

export const isFinal = (state: DeploymentState | PartState): boolean => !['queued', 'running', 'building', 'applying'].includes(state)

/** One attempt, environment-wide; `executionId` is `<environment id>-<number>`. */
export type Deployment = {
  id: string
  organizationId: string
  environmentId: string
  clusterId: string
  number: number
  action: Action
  actor: string
  accountId: string
  origin: Origin
  state: DeploymentState
  cancelRequested: boolean
  epoch: number
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
}

/** What is asked for one application of a deployment. `commit`/`tag` null = head of the branch / the configured tag; `release`: the id of one that was made before. */
export type Wanted = { commit: string | null; tag: string | null; release?: string | null }

export type Part = {
  deploymentId: string
  organizationId: string
  applicationId: string
  applicationName: string
  stageName: string
  stageId: string
  stagePosition: number
  action: Action
  wanted: Wanted
  state: PartState
  releaseId: string | null
  commit: Commit | null
  explanation: Explanation | null
  startedAt: Date | null
  finishedAt: Date | null
}

/** A failure as data: cause, what was seen, and what to do about it. */
export type Explanation = { reason: string; message: string; evidence: string[]; remedy: string }

export const executionId = (environmentId: string, number: number): string => `${environmentId}-${number}`
