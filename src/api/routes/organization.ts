import { z } from 'zod'
import { AppError } from '../../model/error.ts'
import { editAccount, getAccount } from '../../store/account.ts'
import { listApplications } from '../../store/application.ts'
import { listEnvironments } from '../../store/environment.ts'
import { countProjects, createOrganization, deleteOrganization, editOrganization, listOrganizations } from '../../store/organization.ts'
import { listProjects } from '../../store/project.ts'
import { serviceTypeOf } from '../present/service.ts'
import { echoed, results, route, type Api } from '../route.ts'
import { roleIds } from './token.ts'

const account = z.object({
  id: z.string(),
  created_at: z.string(),
  nickname: z.string(),
  first_name: z.string(),
  last_name: z.string(),
  profile_picture_url: z.string(),
  communication_email: z.string(),
})
const text = z.string().max(2000).nullish()
const plans = [
  'FREE',
  'TEAM',
  'TEAM_YEARLY',
  'ENTERPRISE',
  'ENTERPRISE_YEARLY',
  'PROFESSIONAL',
  'BUSINESS',
  'USER_2025',
  'TEAM_2025',
  'BUSINESS_2025',
  'ENTERPRISE_2025',
] as const
const organizationRequest = z.strictObject({
  name: z.string().trim().min(1).max(200),
  description: z.string().max(10_000).nullish(),
  plan: z.enum(plans),
  website_url: text,
  repository: text,
  logo_url: text,
  icon_url: text,
  admin_emails: z.array(z.string().max(320)).max(50).nullish(),
  ...echoed('id', 'created_at', 'updated_at', 'owner', 'organization_plan', 'billing_deployment_restriction'),
})
const organization = z.looseObject({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  description: z.string(),
  plan: z.string(),
  owner: z.string(),
})

type Row = Awaited<ReturnType<typeof listOrganizations>>[number]
const present = (row: Row) => ({
  id: row.id,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  name: row.name,
  description: row.description,
  owner: row.owner_id,
  plan: 'FREE',
  ...row.contract_extras,
})

const fieldsOf = (body: z.output<typeof organizationRequest>) => {
  const { plan, website_url, repository, logo_url, icon_url, admin_emails } = body
  const extras = Object.fromEntries(
    Object.entries({ plan, website_url, repository, logo_url, icon_url, admin_emails }).filter(
      ([, value]) => value !== undefined && value !== null,
    ),
  )
  return { name: body.name, description: body.description ?? '', extras }
}

export function organizationRoutes(api: Api): void {
  accountRoutes(api)
  const tag = 'Organizations'
  route(api, 'GET /organization', {
    summary: 'List your organizations',
    tag,
    answer: results(organization),
    run: async ({ caller }) => ({ results: (await listOrganizations(api.deps.db, [...caller.organizations.keys()])).map(present) }),
  })
  route(api, 'POST /organization', {
    summary: 'Create an organization',
    tag,
    body: organizationRequest,
    status: 201,
    answer: organization,
    run: ({ actor, body, transaction }) => transaction(async (tx) => present(await createOrganization(tx, actor, fieldsOf(body)))),
  })
  route(api, 'GET /organization/:organizationId', {
    summary: 'Get an organization',
    tag,
    answer: organization,
    run: async ({ find, params }) => present(await find.organization(params['organizationId'] ?? '', 'read')),
  })
  route(api, 'PUT /organization/:organizationId', {
    summary: 'Edit an organization',
    tag,
    body: organizationRequest,
    answer: organization,
    run: async ({ actor, find, params, body, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      return transaction(async (tx) => present(await editOrganization(tx, actor, id, fieldsOf(body))))
    },
  })
  route(api, 'DELETE /organization/:organizationId', {
    summary: 'Delete an organization',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      await transaction(async (tx) => {
        if ((await countProjects(tx, id)) > 0) throw new AppError('conflict', 'The organization still has projects: delete them first.')
        await deleteOrganization(tx, actor, id)
      })
    },
  })
  lists(api)
}

function accountRoutes(api: Api): void {
  const shown = (row: Awaited<ReturnType<typeof getAccount>>) => ({
    id: row.id,
    created_at: row.created_at.toISOString(),
    nickname: row.nickname,
    first_name: row.first_name,
    last_name: row.last_name,
    profile_picture_url: '',
    communication_email: row.email,
  })
  const edit = z.strictObject({
    communication_email: z.string().max(320).nullish(),
    ...echoed('id', 'created_at', 'nickname', 'first_name', 'last_name', 'profile_picture_url'),
  })
  route(api, 'GET /account', {
    summary: 'Get your account',
    tag: 'Account',
    answer: account,
    run: async ({ caller }) => shown(await getAccount(api.deps.db, caller.accountId)),
  })
  route(api, 'PUT /account', {
    summary: 'Edit your account',
    tag: 'Account',
    body: edit,
    answer: account,
    run: async ({ caller, body }) =>
      shown(await editAccount(api.deps.db, caller.accountId, body.communication_email ? { email: body.communication_email } : {})),
  })
}

function lists(api: Api): void {
  const role = z.object({ id: z.string(), name: z.string() })
  route(api, 'GET /organization/:organizationId/availableRole', {
    summary: 'List the roles a token or member may have',
    tag: 'Organizations',
    answer: results(role),
    run: async ({ find, params }) => {
      await find.organization(params['organizationId'] ?? '', 'read')
      return { results: Object.entries(roleIds).map(([name, id]) => ({ id, name })) }
    },
  })
  const light = z.object({
    id: z.string(),
    name: z.string(),
    organization: z.object({ id: z.string() }),
    project: z.object({ id: z.string() }),
    mode: z.string(),
  })
  route(api, 'GET /organization/:organizationId/environments', {
    summary: 'List the environments of an organization',
    tag: 'Organizations',
    answer: results(light.loose()),
    run: async ({ find, params }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'read')
      return {
        results: (await listEnvironments(api.deps.db, { organizationId: id })).map((row) => ({
          id: row.id,
          name: row.name,
          organization: { id },
          project: { id: row.project_id },
          mode: row.mode,
        })),
      }
    },
  })
  const service = z.object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    icon_uri: z.string(),
    service_type: z.string(),
    project_id: z.string(),
    project_name: z.string(),
    environment_id: z.string(),
    environment_name: z.string(),
    cluster_id: z.string(),
  })
  route(api, 'GET /organization/:organizationId/services', {
    summary: 'List the services of an organization',
    tag: 'Organizations',
    query: z.object({ project_id: z.string().optional(), environment_id: z.string().optional(), cluster_id: z.string().optional() }),
    answer: results(service),
    run: async ({ find, params, query }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'read')
      const [applications, environments, projects] = await Promise.all([
        listApplications(api.deps.db, { organizationId: id }),
        listEnvironments(api.deps.db, { organizationId: id }),
        listProjects(api.deps.db, id),
      ])
      const all = applications.flatMap((one) => {
        const environment = environments.find((row) => row.id === one.environmentId)
        const project = projects.find((row) => row.id === environment?.project_id)
        if (!environment || !project) return []
        const type = serviceTypeOf(one)
        return [
          {
            id: one.id,
            name: one.name,
            description: one.description,
            icon_uri: `app://qovery-console/${type.toLowerCase()}`,
            service_type: type,
            project_id: project.id,
            project_name: project.name,
            environment_id: environment.id,
            environment_name: environment.name,
            cluster_id: environment.cluster_id,
          },
        ]
      })
      return {
        results: all.filter(
          (one) =>
            (!query.project_id || one.project_id === query.project_id) &&
            (!query.environment_id || one.environment_id === query.environment_id) &&
            (!query.cluster_id || one.cluster_id === query.cluster_id),
        ),
      }
    },
  })
}
