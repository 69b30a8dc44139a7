import { z } from 'zod'
import type { Application } from '../../model/application.ts'
import { executionId, isFinal, type Deployment, type Part } from '../../model/deployment.ts'
import { actionOf, actionStatusOf, deploymentProgressOf, deploymentStateOf, stateOf, triggerOf } from './state.ts'
import type { Outcome } from '../../status/status.ts'

const commit = z.object({
  created_at: z.string(),
  git_commit_id: z.string(),
  tag: z.string(),
  message: z.string(),
  author_name: z.string(),
})
const auditing = z.object({ created_at: z.string(), updated_at: z.string(), triggered_by: z.string(), origin: z.string() })
const details = z.union([
  z.object({ commit: commit.nullable(), build_pod_name: z.string() }),
  z.object({ image_name: z.string(), tag: z.string(), arguments: z.array(z.string()), entrypoint: z.string() }),
])

export const serviceHistory = z.object({
  identifier: z.object({ name: z.string(), service_id: z.string(), service_type: z.string(), execution_id: z.string() }),
  status: z.string(),
  auditing_data: auditing,
  details,
  status_details: z.object({ action: z.string(), status: z.string(), sub_action: z.string() }),
  icon_uri: z.string(),
  total_duration: z.string(),
})
export const environmentHistory = z.object({
  identifier: z.object({ execution_id: z.string(), environment_id: z.string() }),
  auditing_data: auditing,
  status: z.string(),
  trigger_action: z.string(),
  total_duration: z.string(),
  stages: z.array(z.object({ name: z.string(), status: z.string(), duration: z.string(), services: z.array(serviceHistory) })),
  action_status: z.string(),
})
export const serviceHistoryV1 = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  status: z.string().optional(),
  commit: commit.nullable().optional(),
  image_name: z.string().optional(),
  tag: z.string().optional(),
  arguments: z.array(z.string()).optional(),
  entrypoint: z.string().optional(),
})
export const environmentHistoryV1 = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  status: z.string(),
  origin: z.string(),
  triggered_by: z.string(),
  applications: z.array(serviceHistoryV1),
  containers: z.array(serviceHistoryV1),
  databases: z.array(z.looseObject({})),
  jobs: z.array(z.looseObject({})),
  helms: z.array(z.looseObject({})),
})

/** ISO 8601, whole seconds: `PT1M20S`. */
export function durationOf(from: Date | null, to: Date | null): string {
  const total = from ? Math.max(0, Math.round(((to ?? new Date()).getTime() - from.getTime()) / 1000)) : 0
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60), total % 60]
  return `PT${hours ? `${hours}H` : ''}${minutes ? `${minutes}M` : ''}${seconds || total === 0 ? `${seconds}S` : ''}`
}

const outcomeOf = (part: Part): Outcome => ({
  action: part.action,
  progress:
    part.state === 'failed'
      ? part.releaseId === null && (part.action === 'deploy' || part.action === 'redeploy')
        ? 'build-failed'
        : 'failed'
      : part.state === 'skipped'
        ? 'canceled'
        : part.state,
})

const auditingOf = (deployment: Deployment) => ({
  created_at: deployment.createdAt.toISOString(),
  updated_at: (deployment.finishedAt ?? deployment.startedAt ?? deployment.createdAt).toISOString(),
  triggered_by: deployment.actor,
  origin: deployment.origin,
})

const commitOf = (part: Part) =>
  part.commit && {
    created_at: part.commit.at,
    git_commit_id: part.commit.id,
    tag: '',
    message: part.commit.message,
    author_name: part.commit.author,
  }

export function presentServiceHistory(deployment: Deployment, part: Part, application: Application | undefined) {
  const source = application?.spec.source
  const outcome = outcomeOf(part)
  const execution = executionId(deployment.environmentId, deployment.number)
  return {
    identifier: {
      name: part.applicationName,
      service_id: part.applicationId,
      service_type: source?.kind === 'image' ? 'CONTAINER' : 'APPLICATION',
      execution_id: execution,
    },
    status: stateOf(outcome),
    auditing_data: auditingOf(deployment),
    details:
      source?.kind === 'image'
        ? {
            image_name: source.name,
            tag: part.wanted.tag ?? source.tag,
            arguments: application?.spec.arguments ?? [],
            entrypoint: application?.spec.entrypoint ?? '',
          }
        : { commit: commitOf(part), build_pod_name: `build-${execution}-0` },
    status_details: { action: actionOf(part.action), status: actionStatusOf(outcome), sub_action: 'NONE' },
    icon_uri: `app://qovery-console/${source?.kind === 'image' ? 'container' : 'application'}`,
    total_duration: durationOf(part.startedAt, part.finishedAt),
  }
}

export function presentEnvironmentHistory(deployment: Deployment, parts: Part[], applications: Map<string, Application>) {
  const positions = [...new Set(parts.map((part) => part.stagePosition))]
  const stages = positions.map((position) => {
    const mine = parts.filter((part) => part.stagePosition === position)
    const started = mine.flatMap((part) => part.startedAt ?? []).sort((a, b) => a.getTime() - b.getTime())[0] ?? null
    const ended = mine.every((part) => part.finishedAt)
      ? (mine.flatMap((part) => part.finishedAt ?? []).sort((a, b) => b.getTime() - a.getTime())[0] ?? null)
      : null
    return {
      name: mine[0]?.stageName ?? '',
      status: stageStatusOf(mine),
      duration: durationOf(started, ended),
      services: mine.map((part) => presentServiceHistory(deployment, part, applications.get(part.applicationId))),
    }
  })
  return {
    identifier: { execution_id: executionId(deployment.environmentId, deployment.number), environment_id: deployment.environmentId },
    auditing_data: auditingOf(deployment),
    status: deploymentStateOf(deployment, parts),
    trigger_action: triggerOf(deployment.action),
    total_duration: durationOf(deployment.startedAt, deployment.finishedAt),
    stages,
    action_status: deploymentProgressOf(deployment),
  }
}

export function stageStatusOf(parts: Part[]): string {
  const states = parts.map((part) => part.state)
  if (states.some((state) => state === 'building' || state === 'applying')) return 'ONGOING'
  if (states.includes('failed')) return 'ERROR'
  if (states.includes('queued')) return 'QUEUED'
  if (states.includes('canceled')) return 'CANCELED'
  return states.every((state) => state === 'skipped') ? 'SKIPPED' : 'DONE'
}

/** Pages of the first generation carry the deployment's id. */
export function presentServiceHistoryV1(deployment: Deployment, part: Part, application: Application | undefined) {
  const source = application?.spec.source
  return {
    id: deployment.id,
    created_at: deployment.createdAt.toISOString(),
    updated_at: (deployment.finishedAt ?? deployment.createdAt).toISOString(),
    name: part.applicationName,
    status: stateOf(outcomeOf(part)),
    ...(source?.kind === 'image'
      ? {
          image_name: source.name,
          tag: part.wanted.tag ?? source.tag,
          arguments: application?.spec.arguments ?? [],
          entrypoint: application?.spec.entrypoint ?? '',
        }
      : { commit: commitOf(part) }),
  }
}

export function presentEnvironmentHistoryV1(deployment: Deployment, parts: Part[], applications: Map<string, Application>) {
  const services = parts.map((part) => ({
    image: applications.get(part.applicationId)?.spec.source.kind === 'image',
    shown: presentServiceHistoryV1(deployment, part, applications.get(part.applicationId)),
  }))
  return {
    id: deployment.id,
    created_at: deployment.createdAt.toISOString(),
    updated_at: (deployment.finishedAt ?? deployment.createdAt).toISOString(),
    status: deploymentStateOf(deployment, parts),
    origin: deployment.origin,
    triggered_by: deployment.actor,
    applications: services.filter((one) => !one.image).map((one) => one.shown),
    containers: services.filter((one) => one.image).map((one) => one.shown),
    databases: [],
    jobs: [],
    helms: [],
  }
}

/** The first generation of an application's own history knows two results, and none while there is none. */
export function presentResultV1(deployment: Deployment, part: Part, application: Application | undefined) {
  const { status: _state, ...shown } = presentServiceHistoryV1(deployment, part, application)
  return { ...shown, ...(part.state === 'succeeded' ? { status: 'SUCCESS' } : isFinal(part.state) ? { status: 'FAILED' } : {}) }
}
