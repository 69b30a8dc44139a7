import { z } from 'zod'
import type { Egress } from '../../source/egress.ts'
import { AppError, invalid } from '../../model/error.ts'
import { newId } from '../../model/id.ts'
import { isAt, registryConfig } from '../../model/registry.ts'
import { reach } from '../../model/cluster.ts'
import {
  countRegistryUse,
  createRegistry,
  deleteRegistry,
  editRegistry,
  listRegistries,
  type RegistryFields,
} from '../../store/registry.ts'
import { listClusters } from '../../store/cluster.ts'
import type { Tx } from '../../store/database.ts'
import { sealSecret } from '../../store/secret.ts'
import { echoed, results, route, type Api } from '../route.ts'

const kinds = [
  'ECR',
  'SCALEWAY_CR',
  'DOCKER_HUB',
  'GITHUB_CR',
  'GITHUB_ENTERPRISE_CR',
  'GITLAB_CR',
  'PUBLIC_ECR',
  'DOCR',
  'GENERIC_CR',
  'GCP_ARTIFACT_REGISTRY',
  'AZURE_CR',
] as const
const defaultUrls: Partial<Record<(typeof kinds)[number], string>> = {
  DOCKER_HUB: 'https://docker.io',
  GITHUB_CR: 'https://ghcr.io',
  GITLAB_CR: 'https://registry.gitlab.com',
  PUBLIC_ECR: 'https://public.ecr.aws',
}

const request = z.strictObject({
  name: z.string().trim().min(1).max(200),
  kind: z.enum(kinds),
  description: z.string().max(2000).nullish(),
  url: z.string().max(2000).nullish(),
  config: z.record(z.string(), z.unknown()).nullish(),
  ...echoed('id', 'created_at', 'updated_at', 'cluster', 'associated_services_count'),
})
const shape = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  kind: z.string(),
  description: z.string(),
  url: z.string(),
  associated_services_count: z.number(),
  config: z.looseObject({}),
})

type Row = Awaited<ReturnType<typeof listRegistries>>[number]
type Body = z.output<typeof request>

/** Kinds that take a user name and a password; those of clouds have keys of their own, from which passwords are made. */
const withPassword = new Set(['DOCKER_HUB', 'GITHUB_CR', 'GITHUB_ENTERPRISE_CR', 'GITLAB_CR', 'GENERIC_CR', 'AZURE_CR'])

function urlOf(body: Body, allowed: Egress): string {
  const url = body.url || defaultUrls[body.kind]
  if (!url) throw invalid('url', `expected the URL of the registry: the kind ${body.kind} has no default`)
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    throw invalid('url', `expected a URL that starts with https://, found ${JSON.stringify(url.slice(0, 100))}`)
  const parsed = new URL(url)
  if (parsed.protocol === 'http:' && !/^(127\.|localhost$|\[::1\]$)/.test(parsed.hostname) && !allowed.opens(parsed.hostname))
    throw invalid(
      'url',
      'expected a URL that starts with https:// (http:// only for a registry on this machine, or one that BERTH_EGRESS_ALLOW names)',
    )
  if (parsed.username || parsed.password) throw invalid('url', 'expected a URL without user name and password')
  return url.replace(/\/+$/, '')
}

/** User name and password as sent. Null for a password that is not sent again and stays: only the same user at the same address may leave it out. */
function credentialsIn(body: Body, url: string, before: Row | null): { username: string; password: string | null } | null {
  const sent = Object.fromEntries(Object.entries(body.config ?? {}).filter(([, value]) => value !== null && value !== ''))
  const known = before ? registryConfig.parse(before.config) : {}
  if (body.config === undefined && 'password' in known) return credentialsIn({ ...body, config: { username: known.username } }, url, before)
  const other = Object.keys(sent).find((key) => !withPassword.has(body.kind) || (key !== 'username' && key !== 'password'))
  if (other)
    throw new AppError(
      'unsupported',
      withPassword.has(body.kind)
        ? 'expected username and password, and nothing else'
        : `Credentials of the kind ${body.kind} are not supported yet: use a registry with user name and password, or one that gives its images out anonymously.`,
      `config.${other}`,
    )
  const { username, password } = sent
  if (username === undefined && password === undefined) return null
  if (typeof username !== 'string' || username.length > 500 || username.includes(':'))
    throw invalid('config.username', 'expected a user name without a colon, beside the password')
  if (password === undefined && 'password' in known && known.username === username) {
    if (new URL(url).host !== new URL(before?.url ?? url).host)
      throw invalid('config.password', 'expected the password again: the registry is at another address now')
    return { username, password: null }
  }
  if (typeof password !== 'string' || password.length > 20_000) throw invalid('config.password', 'expected the password of this user')
  return { username, password }
}

async function fieldsOf(api: Api, tx: Tx, body: Body, of: { organizationId: string; before: Row | null }): Promise<RegistryFields> {
  const { vault, egress } = api.deps
  const url = urlOf(body, egress)
  const credentials = credentialsIn(body, url, of.before)
  const known = registryConfig.parse(of.before?.config ?? {})
  const old = 'password' in known ? known.password : null
  const fields = { name: body.name, kind: body.kind, url, description: body.description ?? '' }
  if (credentials === null) return { ...fields, config: {} }
  const { username, password } = credentials
  if (password === null) return { ...fields, config: old ? { username, password: old } : {} }
  const ref = old ? { id: old.id, version: old.version + 1 } : { id: newId(), version: 1 }
  return { ...fields, config: { username, password: await sealSecret(tx, vault, of.organizationId, ref, password) } }
}

export function registryRoutes(api: Api): void {
  const tag = 'Container registries'
  const present = async (row: Row) => ({
    id: row.id,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    name: row.name,
    kind: row.kind,
    description: row.description,
    url: row.url,
    associated_services_count: await countRegistryUse(api.deps.db, row.id),
    // Never the password, nor where it lies.
    config: 'username' in row.config ? { username: row.config['username'] } : {},
  })
  route(api, 'GET /organization/:organizationId/containerRegistry', {
    summary: 'List container registries',
    tag,
    answer: results(shape),
    run: async ({ find, params }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'read')
      return { results: await Promise.all((await listRegistries(api.deps.db, id)).map(present)) }
    },
  })
  route(api, 'POST /organization/:organizationId/containerRegistry', {
    summary: 'Create a container registry',
    tag,
    body: request,
    status: 201,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'write')
      return present(
        await transaction(async (tx) => createRegistry(tx, actor, id, await fieldsOf(api, tx, body, { organizationId: id, before: null }))),
      )
    },
  })
  const one = '/organization/:organizationId/containerRegistry/:containerRegistryId'
  route(api, `GET ${one}`, {
    summary: 'Get a container registry',
    tag,
    answer: shape,
    run: async ({ find, params }) => present(await find.registry(params['containerRegistryId'] ?? '', 'read')),
  })
  route(api, `PUT ${one}`, {
    summary: 'Edit a container registry',
    tag,
    body: request,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const before = await find.registry(params['containerRegistryId'] ?? '', 'write')
      const of = { organizationId: before.organization_id, before }
      return present(await transaction(async (tx) => editRegistry(tx, actor, before.id, await fieldsOf(api, tx, body, of))))
    },
  })
  route(api, `DELETE ${one}`, {
    summary: 'Delete a container registry',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const row = await find.registry(params['containerRegistryId'] ?? '', 'write')
      await transaction(async (tx) => {
        if ((await countRegistryUse(tx, row.id)) > 0)
          throw new AppError('conflict', 'Applications still use this registry: change or delete them first.')
        const cluster = await clusterAt(tx, row)
        if (cluster !== undefined)
          throw new AppError(
            'conflict',
            `The cluster ${cluster} builds to this registry, and its nodes pull from it: give it another one first.`,
          )
        await deleteRegistry(tx, actor, row.id)
      })
    },
  })
  const available = z.object({ kind: z.string(), required_config: z.looseObject({}), is_mandatory: z.boolean() })
  route(api, 'GET /availableContainerRegistry', {
    summary: 'List the kinds of container registries',
    tag,
    answer: results(available),
    run: () => Promise.resolve({ results: kinds.map((kind) => ({ kind, required_config: {}, is_mandatory: false })) }),
  })
}

/** Name of a cluster that is asked who pushes by this registry. */
async function clusterAt(
  tx: Tx,
  registry: { organization_id: string; url: string; config: Record<string, unknown> },
): Promise<string | undefined> {
  if (!('password' in registry.config)) return undefined
  return (await listClusters(tx, registry.organization_id)).find((row) => {
    const how = reach.parse(row.reach)
    return how.kind === 'kubernetes' && how.registry !== null && isAt(how.registry)(registry.url)
  })?.name
}
