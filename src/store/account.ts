import { createHash, randomBytes } from 'node:crypto'
import { newId } from '../model/id.ts'
import { now, sql, type Db, type Tx } from './database.ts'

export const roles = ['owner', 'admin', 'developer', 'viewer'] as const
export type Role = (typeof roles)[number]

/** Somebody who may do something: the organizations a token opens, with the role in each. */
export type Caller = { accountId: string; tokenId: string; name: string; origin: string; organizations: Map<string, Role> }

/** `_` keeps the first dot-segment from being base64, so that clients send it under the scheme `Token`. */
export const newTokenText = (): string => `berth_${randomBytes(24).toString('base64url')}`
const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** What a token must look like that somebody else made: the alphabet of ours, and at least their 32 characters behind the prefix. */
export const tokenPattern = /^berth_[A-Za-z0-9_-]{32,200}$/

/** The first account, and that this token is its: a token that is known already, or was deleted, stays as it is. Several servers may call it at once. */
export async function ensureFirstToken(db: Db, text: string, description: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext('first account'))`.execute(tx)
    const found = await tx.selectFrom('account').select('id').orderBy('created_at').executeTakeFirst()
    const account = found ?? (await createAccount(tx, 'admin'))
    const values = { id: newId(), account_id: account.id, organization_id: null, name: 'first token', description, role: 'owner' as const }
    await tx
      .insertInto('token')
      .values({ ...values, hash: hashOf(text) })
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .execute()
  })
}

async function createAccount(tx: Tx, nickname: string) {
  return tx
    .insertInto('account')
    .values({ id: newId(), nickname, first_name: '', last_name: '', email: '' })
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function getAccount(db: Db, id: string) {
  return db.selectFrom('account').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

export async function editAccount(
  db: Db,
  id: string,
  change: Partial<{ first_name: string; last_name: string; email: string; nickname: string }>,
) {
  if (Object.keys(change).length > 0) await db.updateTable('account').set(change).where('id', '=', id).execute()
  return getAccount(db, id)
}

/** Kept hashed; the text is returned this once. `organizationId` null = every organization of the account. */
export async function createToken(
  tx: Db | Tx,
  token: { accountId: string; organizationId: string | null; name: string; description: string; role: Role },
) {
  const text = newTokenText()
  const row = await tx
    .insertInto('token')
    .values({
      id: newId(),
      account_id: token.accountId,
      organization_id: token.organizationId,
      name: token.name,
      description: token.description,
      role: token.role,
      hash: hashOf(text),
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return { row, text }
}

export async function listTokens(db: Db, organizationId: string) {
  return db
    .selectFrom('token')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at')
    .execute()
}

export async function deleteToken(tx: Tx, organizationId: string, id: string): Promise<boolean> {
  const result = await tx
    .updateTable('token')
    .set({ deleted_at: now })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** The caller behind a token's text, or undefined: unknown, expired and deleted tokens look the same. One query. */
export async function findCaller(db: Db, text: string): Promise<Omit<Caller, 'origin'> | undefined> {
  const rows = await db
    .selectFrom('token')
    .innerJoin('account', 'account.id', 'token.account_id')
    .leftJoin('membership', 'membership.account_id', 'account.id')
    .select([
      'token.id',
      'token.account_id',
      'token.organization_id',
      'token.role',
      'account.nickname',
      'membership.organization_id as member_of',
      'membership.role as member_role',
    ])
    .where('token.hash', '=', hashOf(text))
    .where('token.deleted_at', 'is', null)
    .where((where) => where.or([where('token.expires_at', 'is', null), where('token.expires_at', '>', now)]))
    .execute()
  const first = rows[0]
  if (!first) return undefined
  const organizations = new Map<string, Role>()
  for (const row of rows)
    if (row.member_of && row.member_role && (row.organization_id === null || row.organization_id === row.member_of))
      organizations.set(row.member_of, weaker(row.role as Role, row.member_role as Role))
  void sql`update token set last_used_at = now() where id = ${first.id} and (last_used_at is null or last_used_at < now() - interval '1 minute')`
    .execute(db)
    .catch(() => undefined)
  return { accountId: first.account_id, tokenId: first.id, name: first.nickname, organizations }
}

const weaker = (a: Role, b: Role): Role => (roles.indexOf(a) > roles.indexOf(b) ? a : b)
