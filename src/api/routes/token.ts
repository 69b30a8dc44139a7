import { z } from 'zod'
import { AppError, notFound } from '../../model/error.ts'
import { createToken, deleteToken, listTokens, type Role } from '../../store/account.ts'
import { recordEvent } from '../../store/event.ts'
import { results, route, type Api } from '../route.ts'

/** Ids of the roles, fixed so that clients may keep them. */
export const roleIds: Record<Role, string> = {
  owner: '00000000-0000-4000-8000-000000000001',
  admin: '00000000-0000-4000-8000-000000000002',
  developer: '00000000-0000-4000-8000-000000000003',
  viewer: '00000000-0000-4000-8000-000000000004',
}

const token = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  description: z.string(),
  role_name: z.string(),
  role_id: z.string(),
})

export function tokenRoutes(api: Api): void {
  const tag = 'API tokens'
  const request = z.strictObject({
    name: z.string().trim().min(1).max(200),
    description: z.string().max(2000).nullish(),
    scope: z.literal('ADMIN').nullish(),
    role_id: z.string().nullish(),
  })
  type Row = Awaited<ReturnType<typeof listTokens>>[number]
  const shown = (row: Row) => ({
    id: row.id,
    created_at: row.created_at.toISOString(),
    updated_at: row.created_at.toISOString(),
    name: row.name,
    description: row.description,
    role_name: row.role,
    role_id: roleIds[row.role as Role],
  })
  route(api, 'GET /organization/:organizationId/apiToken', {
    summary: 'List API tokens',
    tag,
    query: z.object({ name: z.string().optional(), creatorName: z.string().optional() }),
    answer: results(token),
    run: async ({ find, params, query }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      return { results: (await listTokens(api.deps.db, id)).map(shown).filter((one) => !query.name || one.name.includes(query.name)) }
    },
  })
  route(api, 'POST /organization/:organizationId/apiToken', {
    summary: 'Create an API token; its text is shown this once',
    tag,
    body: request,
    status: 201,
    answer: token.extend({ token: z.string() }),
    run: async ({ actor, caller, find, params, body, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      const role = body.role_id ? (Object.entries(roleIds).find(([, roleId]) => roleId === body.role_id)?.[0] as Role | undefined) : 'admin'
      if (!role) throw new AppError('invalid', 'expected the id of one of the available roles', 'role_id')
      return transaction(async (tx) => {
        const made = await createToken(tx, {
          accountId: caller.accountId,
          organizationId: id,
          name: body.name,
          description: body.description ?? '',
          role,
        })
        await recordEvent(tx, actor, 'CREATE', { kind: 'API_TOKEN', id: made.row.id, name: made.row.name, organizationId: id })
        return { ...shown(made.row), token: made.text }
      })
    },
  })
  route(api, 'DELETE /organization/:organizationId/apiToken/:apiTokenId', {
    summary: 'Delete an API token',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'administer')
      const tokenId = params['apiTokenId'] ?? ''
      await transaction(async (tx) => {
        if (!/^[0-9a-f-]{36}$/i.test(tokenId) || !(await deleteToken(tx, id, tokenId))) throw notFound('API token', tokenId)
        await recordEvent(tx, actor, 'DELETE', { kind: 'API_TOKEN', id: tokenId, name: '', organizationId: id })
      })
    },
  })
}
