import { z } from 'zod'
import { deployCluster } from '../../deploy/cluster.ts'
import { reach, type Reach } from '../../model/cluster.ts'
import { AppError, invalid } from '../../model/error.ts'
import { newId } from '../../model/id.ts'
import { kubeconfigOf, parseKubeconfig } from '../../model/kubeconfig.ts'
import { createCluster, deleteCluster, editCluster, listClusters, type ClusterRecord } from '../../store/cluster.ts'
import type { Tx } from '../../store/database.ts'
import { listEnvironments } from '../../store/environment.ts'
import { recordEvent } from '../../store/event.ts'
import { openSecret, sealSecret } from '../../store/secret.ts'
import { parseKubernetesOptions, refuseKubernetesOptions } from '../parse-cluster.ts'
import { isHeld, presentCluster, presentClusterStatus } from '../present/cluster.ts'
import { emptyBody, results, route, type Api } from '../route.ts'
import { clusterRequest, clusterResponse, clusterStatus, type ClusterRequest } from '../schema/cluster.ts'
import { presentEnvironment, environmentShape } from './environment.ts'

const tag = 'Clusters'
const base = '/organization/:organizationId/cluster'
const YAML = 'application/x-yaml'

export function clusterRoutes(api: Api): void {
  crud(api)
  look(api)
  access(api)
}

function crud(api: Api): void {
  route(api, `GET ${base}`, {
    summary: 'List clusters',
    tag,
    answer: results(clusterResponse),
    run: async ({ find, params }) => ({
      results: (await listClusters(api.deps.db, (await find.organization(params['organizationId'] ?? '', 'read')).id)).map(presentCluster),
    }),
  })
  route(api, `POST ${base}`, {
    summary: 'Add a cluster',
    tag,
    body: clusterRequest,
    status: 201,
    answer: clusterResponse,
    run: async ({ actor, find, params, body, transaction }) => {
      const organization = await find.organization(params['organizationId'] ?? '', 'administer')
      const engine = body.engine ?? (body.kubeconfig ? 'kubernetes' : 'docker')
      refuseOthers(body)
      const existing = await listClusters(api.deps.db, organization.id)
      if (engine === 'docker' && existing.some((one) => one.engine === 'docker'))
        throw new AppError('conflict', 'The Docker Engine of this machine is a cluster of this organization already.', 'engine')
      if (engine !== 'kubernetes') refuseKubernetesOptions(body, engine)
      const options = engine === 'kubernetes' ? parseKubernetesOptions(body, null) : null
      const kubeconfig = engine === 'kubernetes' ? await checkedKubeconfig(api, body.kubeconfig ?? '') : ''
      const row = await transaction(async (tx) => {
        const how: Reach = options
          ? { kind: 'kubernetes', ...(await sealKubeconfig(api, tx, organization.id, kubeconfig)), ...options }
          : engine === 'docker'
            ? { kind: 'docker', node: api.deps.node }
            : { kind: 'memory' }
        return createCluster(tx, actor, organization.id, {
          name: body.name,
          description: body.description ?? '',
          engine,
          reach: how,
          isDefault: existing.length === 0,
          extras: {},
        })
      })
      return presentCluster(row)
    },
  })
  route(api, `PUT ${base}/:clusterId`, {
    summary: 'Edit a cluster: what is not named is kept',
    tag,
    body: clusterRequest,
    answer: clusterResponse,
    run: async ({ actor, find, params, body, transaction }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      refuseOthers(body)
      if (body.engine && body.engine !== row.engine)
        throw new AppError('conflict', `expected ${row.engine}: the engine of a cluster cannot be changed`, 'engine')
      const how = reach.parse(row.reach)
      if (how.kind !== 'kubernetes') refuseKubernetesOptions(body, how.kind)
      const options = how.kind === 'kubernetes' ? parseKubernetesOptions(body, how) : null
      if (options && how.kind === 'kubernetes' && options.domain !== how.domain) await refuseUsedDomain(api, row)
      const fields = {
        name: body.name,
        description: body.description ?? row.description,
        ...(options && how.kind === 'kubernetes' ? { reach: { ...how, ...options } } : {}),
      }
      return presentCluster(await transaction((tx) => editCluster(tx, actor, row.id, fields)))
    },
  })
  route(api, `DELETE ${base}/:clusterId`, {
    summary: 'Remove a cluster, and what Berth brought onto it for itself',
    tag,
    query: z.object({ deleteMode: z.string().optional(), skipReconcile: z.string().optional() }),
    answer: null,
    run: async ({ actor, find, params, query, transaction }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      if ((await listEnvironments(api.deps.db, { clusterId: row.id })).length > 0)
        throw new AppError('conflict', 'The cluster still has environments: delete them first.')
      if (query.deleteMode !== 'DELETE_QOVERY_CONFIG')
        await api.deps
          .adaptersOf(row)
          .provisioning.uninstall()
          .catch((error: unknown) => {
            throw new AppError(
              'unavailable',
              `What Berth has on the cluster cannot be removed (${error instanceof Error ? error.message : ''}): to forget the cluster all the same, add deleteMode=DELETE_QOVERY_CONFIG.`,
            )
          })
      await transaction((tx) => deleteCluster(tx, actor, row.id))
    },
  })
}

function refuseOthers(body: ClusterRequest): void {
  if (body.cloud_provider !== 'ON_PREMISE')
    throw new AppError(
      'unsupported',
      `expected ON_PREMISE: Berth drives clusters that exist, it creates none at ${body.cloud_provider}`,
      'cloud_provider',
    )
}

async function refuseUsedDomain(api: Api, row: ClusterRecord): Promise<void> {
  if ((await listEnvironments(api.deps.db, { clusterId: row.id })).length > 0)
    throw new AppError('conflict', 'expected the same: applications of this cluster have their addresses below it', 'domain')
}

function look(api: Api): void {
  route(api, `GET ${base}/status`, {
    summary: 'List the status of clusters',
    tag,
    answer: results(clusterStatus),
    run: async ({ find, params }) => ({
      results: (await listClusters(api.deps.db, (await find.organization(params['organizationId'] ?? '', 'read')).id)).map(
        presentClusterStatus,
      ),
    }),
  })
  route(api, `GET ${base}/:clusterId/status`, {
    summary: 'Get the status of a cluster',
    tag,
    answer: clusterStatus,
    run: async ({ find, params }) => presentClusterStatus(await find.cluster(params['clusterId'] ?? '', 'read')),
  })
  route(api, `GET ${base}/:clusterId/isReady`, {
    summary: 'Whether a cluster can be deployed to',
    tag,
    answer: z.object({ is_ready: z.boolean() }),
    run: async ({ find, params }) => ({ is_ready: isHeld(await find.cluster(params['clusterId'] ?? '', 'read')) }),
  })
  route(api, `POST ${base}/:clusterId/deploy`, {
    summary: 'Bring what Berth needs onto a cluster; its status tells how it goes',
    tag,
    query: z.object({ dry_run: z.string().optional() }),
    body: emptyBody,
    status: 201,
    answer: clusterStatus,
    run: async ({ actor, find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      await recordEvent(api.deps.db, actor, 'TRIGGER_DEPLOY', {
        kind: 'CLUSTER',
        id: row.id,
        name: row.name,
        organizationId: row.organization_id,
      })
      await deployCluster(api.deps, row)
      return presentClusterStatus(await find.cluster(row.id, 'administer'))
    },
  })
  route(api, `GET ${base}/:clusterId/deployLog`, {
    summary: 'What the last deployment of a cluster said, and why it failed where it did',
    tag,
    answer: z.object({ lines: z.array(z.string()), error: z.string().nullable() }),
    run: async ({ find, params }) => {
      const { contract_extras: extras } = await find.cluster(params['clusterId'] ?? '', 'read')
      return { lines: (extras['deploy_log'] ?? []) as string[], error: (extras['deploy_error'] ?? null) as string | null }
    },
  })
  const check = z.object({ what: z.string(), found: z.string(), ok: z.boolean(), remedy: z.string() })
  route(api, `GET ${base}/:clusterId/check`, {
    summary: 'What a cluster has and lacks, with remedies',
    tag,
    answer: results(check),
    run: async ({ find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'read')
      const { provisioning, builder } = api.deps.adaptersOf(row)
      return { results: [...(await provisioning.check()), ...((await builder?.check()) ?? [])] }
    },
  })
  route(api, 'GET /cluster/:clusterId/environments', {
    summary: 'List the environments of a cluster',
    tag,
    answer: results(environmentShape),
    run: async ({ find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'read')
      return { results: (await listEnvironments(api.deps.db, { clusterId: row.id })).map(presentEnvironment) }
    },
  })
}

/** Who may drive a cluster: given back to administrators only, and every time is on record. */
function access(api: Api): void {
  route(api, `GET ${base}/:clusterId/kubeconfig`, {
    summary: 'Get the kubeconfig of a cluster',
    tag,
    query: z.object({ with_token_from_cli: z.string().optional(), read_only: z.string().optional() }),
    answer: z.string(),
    text: YAML,
    run: async ({ actor, find, params }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      const how = kubernetesIn(row)
      await recordEvent(
        api.deps.db,
        actor,
        'EXPORT',
        { kind: 'CLUSTER', id: row.id, name: row.name, organizationId: row.organization_id },
        { kubeconfig: true },
      )
      return openSecret(api.deps.db, api.deps.vault, row.organization_id, how.credentials)
    },
  })
  route(api, `PUT ${base}/:clusterId/kubeconfig`, {
    summary: 'Give a cluster another kubeconfig',
    tag,
    body: z.string(),
    answer: null,
    run: async ({ actor, find, params, body, transaction }) => {
      const row = await find.cluster(params['clusterId'] ?? '', 'administer')
      const how = kubernetesIn(row)
      const text = await checkedKubeconfig(api, body)
      await transaction(async (tx) => {
        const next = { ...how, ...(await sealKubeconfig(api, tx, row.organization_id, text, how.credentials)) }
        await editCluster(tx, actor, row.id, { reach: next })
      })
    },
  })
}

function kubernetesIn(row: ClusterRecord) {
  const how = reach.parse(row.reach)
  if (how.kind !== 'kubernetes') throw new AppError('conflict', `The cluster ${row.name} is driven by ${row.engine}: it has no kubeconfig.`)
  return how
}

/** The part of a kubeconfig that is kept, its address under the egress rule. */
async function checkedKubeconfig(api: Api, text: string): Promise<string> {
  if (text.trim() === '') throw invalid('kubeconfig', 'expected a kubeconfig, found nothing')
  const found = parseKubeconfig(text)
  await api.deps.egress.addressOf(new URL(found.server).hostname, 'kubeconfig.cluster.server')
  return kubeconfigOf(found, 'berth')
}

async function sealKubeconfig(api: Api, tx: Tx, organizationId: string, text: string, before?: { id: string; version: number }) {
  const ref = before ? { id: before.id, version: before.version + 1 } : { id: newId(), version: 1 }
  return { server: parseKubeconfig(text).server, credentials: await sealSecret(tx, api.deps.vault, organizationId, ref, text) }
}
