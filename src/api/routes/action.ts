import { z } from 'zod'
import { previewDeployment, type Preview } from '../../deploy/preview.ts'
import { cancelDeployments, requestDeployment, type Wish } from '../../deploy/request.ts'
import type { Application, SourceKind } from '../../model/application.ts'
import type { Action, Wanted } from '../../model/deployment.ts'
import { AppError } from '../../model/error.ts'
import { parseCommitId } from '../../model/git.ts'
import { listApplications } from '../../store/application.ts'
import { findCluster } from '../../store/cluster.ts'
import { findDeployment, lastParts, requestCancel } from '../../store/deployment.ts'
import { parseTag } from '../parse-service.ts'
import { environmentStatusOf, statusesOf } from '../present/status.ts'
import { emptyBody, OtherAnswer, route, type Api, type Call } from '../route.ts'
import { environmentStatus, status } from '../schema/status.ts'

const deployBody = {
  git: z.strictObject({ git_commit_id: z.string().nullish() }).nullish(),
  image: z.strictObject({ image_tag: z.string().nullish() }).nullish(),
}
const idempotencyKey = (call: Call<unknown, unknown>): string | null => {
  const key = call.request.headers['idempotency-key']
  return typeof key === 'string' && key.length > 0 && key.length <= 200 ? key : null
}

const preview = z.object({
  from: z.number().nullable(),
  changes: z.array(z.string()),
  objects: z.array(z.object({ object: z.string(), action: z.string(), lines: z.array(z.string()) })).nullable(),
  notes: z.array(z.string()),
})

async function previewOf(
  api: Api,
  { find }: Pick<Call<unknown, unknown>, 'find'>,
  of: { application: Application; wanted: Wanted },
): Promise<Preview> {
  const environment = await find.environment(of.application.environmentId, 'read')
  const cluster = await findCluster(api.deps.db, [of.application.organizationId], environment.cluster_id)
  if (!cluster) throw new AppError('not_found', 'The cluster of this service does not exist any more.')
  return previewDeployment(api.deps, cluster, of)
}

export function actionRoutes(api: Api): void {
  for (const kind of ['git', 'image'] as const) serviceActions(api, kind)
  environmentActions(api)
  selectedActions(api)
}

/** The state is a queued one before the answer leaves. */
async function act(call: Call<unknown, unknown>, of: { environmentId: string; action: Action; wishes: Wish[] }): Promise<void> {
  const environment = await call.find.environment(of.environmentId, 'deploy')
  await call.transaction((tx) =>
    requestDeployment(tx, call.actor, { environment, action: of.action, wishes: of.wishes, idempotencyKey: idempotencyKey(call) }),
  )
}

function serviceActions(api: Api, kind: SourceKind): void {
  const noun = kind === 'git' ? 'application' : 'container'
  const id = `${noun}Id`
  const tag = kind === 'git' ? 'Applications' : 'Containers'
  const statusOfOne = async (application: Application) => (await statusesOf(api.deps.db, [application]))[0]?.contract
  const simple: [string, Action, string][] = [
    ['redeploy', 'redeploy', 'Deploy again what is deployed'],
    ['restart-service', 'restart', 'Replace the instances one by one, with the same release'],
    ['stop', 'stop', 'Stop; volumes and configuration stay'],
    ['uninstall', 'uninstall', 'Remove from the cluster; the configuration stays'],
  ]
  route(api, `GET /${noun}/:${id}/status`, {
    summary: 'Get the status',
    tag,
    answer: status,
    run: async ({ find, params }) => statusOfOne(await find.application(params[id] ?? '', 'read', kind)),
  })
  route(api, `POST /${noun}/:${id}/deploy`, {
    summary: kind === 'git' ? 'Deploy a commit, by default the head of the branch' : 'Deploy a tag, by default the configured one',
    tag,
    query: z.object({ dryRun: z.string().optional() }),
    other: { status: 200, answer: preview },
    body: deployBody[kind] as z.ZodType<{ git_commit_id?: string | null; image_tag?: string | null } | null | undefined>,
    status: 202,
    answer: status,
    run: async (call) => {
      const application = await call.find.application(call.params[id] ?? '', 'deploy', kind)
      const wanted = versionIn(call.body ?? {})
      if (call.query.dryRun !== undefined && call.query.dryRun !== 'false')
        return new OtherAnswer(await previewOf(api, call, { application, wanted }))
      await act(call, { environmentId: application.environmentId, action: 'deploy', wishes: [{ application, wanted }] })
      return statusOfOne(application)
    },
  })
  for (const [path, action, summary] of simple)
    route(api, `POST /${noun}/:${id}/${path}`, {
      summary,
      tag,
      body: emptyBody,
      status: 202,
      answer: status,
      run: async (call) => {
        const application = await call.find.application(call.params[id] ?? '', 'deploy', kind)
        await act(call, {
          environmentId: application.environmentId,
          action,
          wishes: [{ application, wanted: action === 'redeploy' ? await versionNow(api, application) : {} }],
        })
        return statusOfOne(application)
      },
    })
}

function versionIn(body: { git_commit_id?: string | null; image_tag?: string | null }) {
  return {
    commit: body.git_commit_id ? parseCommitId(body.git_commit_id, 'git_commit_id') : null,
    tag: body.image_tag ? parseTag(body.image_tag, 'image_tag') : null,
  }
}

/** Redeploying keeps the version: the commit of the last deployment, where there was one. */
async function versionNow(api: Api, application: Application) {
  const last = (await lastParts(api.deps.db, [application.id])).get(application.id)
  return { commit: application.spec.source.kind === 'git' ? (last?.part.commit?.id ?? null) : null, tag: null }
}

function environmentActions(api: Api): void {
  const tag = 'Environments'
  const shown = async (id: string) =>
    environmentStatusOf(api.deps.db, id, await statusesOf(api.deps.db, await listApplications(api.deps.db, { environmentId: id })))
  const whole: [string, Action, (one: Application) => boolean][] = [
    ['deploy', 'deploy', () => true],
    ['redeploy', 'redeploy', () => true],
    ['stop', 'stop', (one) => one.presence === 'running'],
    ['uninstall', 'uninstall', (one) => one.presence !== 'never'],
  ]
  for (const [path, action, concerns] of whole)
    route(api, `POST /environment/:environmentId/${path}`, {
      summary: `${path[0]?.toUpperCase()}${path.slice(1)} every service that is not skipped`,
      tag,
      body: emptyBody,
      status: 202,
      answer: environmentStatus,
      run: async (call) => {
        const { id } = await call.find.environment(call.params['environmentId'] ?? '', 'deploy')
        const wishes = (await listApplications(api.deps.db, { environmentId: id }))
          .filter((one) => !one.skipped && concerns(one))
          .map((application) => ({ application }))
        await act(call, { environmentId: id, action, wishes })
        return shown(id)
      },
    })
  route(api, 'POST /environment/:environmentId/cancelDeployment', {
    summary: 'Cancel what is being deployed',
    tag,
    body: z.strictObject({ force_cancel: z.boolean().nullish() }).nullish(),
    status: 202,
    answer: environmentStatus,
    run: async ({ actor, find, params, transaction }) => {
      const { id } = await find.environment(params['environmentId'] ?? '', 'deploy')
      await transaction((tx) => cancelDeployments(tx, actor, id))
      return shown(id)
    },
  })
  route(api, 'POST /deploymentQueue/:deploymentRequestId/cancelDeployment', {
    summary: 'Cancel one queued or running deployment',
    tag,
    body: emptyBody,
    status: 202,
    answer: z.object({}),
    run: async ({ actor, find, params, transaction }) => {
      const id = params['deploymentRequestId'] ?? ''
      const deployment = /^[0-9a-f-]{36}$/i.test(id) ? await findDeployment(api.deps.db, id) : undefined
      await find.environment(deployment?.environmentId ?? id, 'deploy')
      if (deployment) await transaction((tx) => requestCancel(tx, actor, deployment))
      return {}
    },
  })
}

const ids = z.array(z.uuid()).max(1000).nullish()
const selection = z.strictObject({
  application_ids: ids,
  container_ids: ids,
  database_ids: ids,
  job_ids: ids,
  helm_ids: ids,
  terraform_ids: ids,
})

function selectedActions(api: Api): void {
  const tag = 'Environments'
  const chosen = async (environmentId: string, wanted: { id: string; path: string; version?: Wish['wanted'] }[]): Promise<Wish[]> => {
    const applications = await listApplications(api.deps.db, { environmentId })
    return wanted.map(({ id, path, version }) => {
      const application = applications.find((one) => one.id === id)
      if (!application) throw new AppError('invalid', `there is no such service in this environment (${id})`, path)
      return { application, ...(version ? { wanted: version } : {}) }
    })
  }
  const named = (body: z.output<typeof selection>) => [
    ...(body.application_ids ?? []).map((id, index) => ({ id, path: `application_ids[${index}]` })),
    ...(body.container_ids ?? []).map((id, index) => ({ id, path: `container_ids[${index}]` })),
  ]
  const deployAll = z.strictObject({
    applications: z
      .array(z.strictObject({ application_id: z.uuid(), git_commit_id: z.string().nullish() }))
      .max(1000)
      .nullish(),
    containers: z
      .array(z.strictObject({ id: z.uuid(), image_tag: z.string().nullish() }))
      .max(1000)
      .nullish(),
    databases: z.array(z.unknown()).max(0).nullish(),
    jobs: z.array(z.unknown()).max(0).nullish(),
    helms: z.array(z.unknown()).max(0).nullish(),
    terraforms: z.array(z.unknown()).max(0).nullish(),
  })
  const shown = async (id: string) =>
    environmentStatusOf(api.deps.db, id, await statusesOf(api.deps.db, await listApplications(api.deps.db, { environmentId: id })))
  route(api, 'POST /environment/:environmentId/service/deploy', {
    summary: 'Deploy some services, each in its version',
    tag,
    body: deployAll,
    status: 202,
    answer: environmentStatus,
    run: async (call) => {
      const { id } = await call.find.environment(call.params['environmentId'] ?? '', 'deploy')
      const wanted = [
        ...(call.body.applications ?? []).map((one, index) => ({
          id: one.application_id,
          path: `applications[${index}].application_id`,
          version: versionIn(one),
        })),
        ...(call.body.containers ?? []).map((one, index) => ({ id: one.id, path: `containers[${index}].id`, version: versionIn(one) })),
      ]
      await act(call, { environmentId: id, action: 'deploy', wishes: await chosen(id, wanted) })
      return shown(id)
    },
  })
  for (const action of ['stop', 'delete', 'uninstall'] as const)
    route(api, `POST /environment/:environmentId/service/${action}`, {
      summary: `${action[0]?.toUpperCase()}${action.slice(1)} some services`,
      tag,
      query: z.object({ skipReconcile: z.string().optional() }),
      body: selection,
      status: 200,
      answer: null,
      run: async (call) => {
        const { id } = await call.find.environment(call.params['environmentId'] ?? '', 'deploy')
        await act(call, { environmentId: id, action, wishes: await chosen(id, named(call.body)) })
      },
    })
  route(api, 'POST /environment/:environmentId/service/restart-service', {
    summary: 'Restart some services',
    tag,
    body: selection,
    status: 202,
    answer: environmentStatus,
    run: async (call) => {
      const { id } = await call.find.environment(call.params['environmentId'] ?? '', 'deploy')
      await act(call, { environmentId: id, action: 'restart', wishes: await chosen(id, named(call.body)) })
      return shown(id)
    },
  })
}
