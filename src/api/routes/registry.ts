import { z } from 'zod'
import type { Egress } from '../../source/egress.ts'
import { AppError, invalid } from '../../model/error.ts'
import {
  countRegistryUse,
  createRegistry,
  deleteRegistry,
  editRegistry,
  listRegistries,
  type RegistryFields,
} from '../../store/registry.ts'
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

/** Kept here only: credentials come with a later version, and until then a registry that needs some is refused rather than half stored. */
function fieldsOf(body: z.output<typeof request>, allowed: Egress): RegistryFields {
  const secret = Object.entries(body.config ?? {}).find(([, value]) => value !== null && value !== '')
  if (secret)
    throw new AppError(
      'unsupported',
      'Registry credentials are not supported yet: use a public image, or a registry that gives it out anonymously.',
      `config.${secret[0]}`,
    )
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
  return { name: body.name, kind: body.kind, url: url.replace(/\/+$/, ''), description: body.description ?? '', config: {} }
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
    config: row.config,
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
      return present(await transaction((tx) => createRegistry(tx, actor, id, fieldsOf(body, api.deps.egress))))
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
      const { id } = await find.registry(params['containerRegistryId'] ?? '', 'write')
      return present(await transaction((tx) => editRegistry(tx, actor, id, fieldsOf(body, api.deps.egress))))
    },
  })
  route(api, `DELETE ${one}`, {
    summary: 'Delete a container registry',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const { id } = await find.registry(params['containerRegistryId'] ?? '', 'write')
      await transaction(async (tx) => {
        if ((await countRegistryUse(tx, id)) > 0)
          throw new AppError('conflict', 'Applications still use this registry: change or delete them first.')
        await deleteRegistry(tx, actor, id)
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
