import { newId } from '../model/id.ts'
import type { Scope, Variable } from '../model/variable.ts'
import { now, type Db, type Tx } from './database.ts'
import type { Vault } from './seal.ts'
import { uniquely } from './constraint.ts'
import { sealSecret } from './secret.ts'

type Row = Awaited<ReturnType<typeof rows>>[number]
const rows = (db: Db | Tx) => db.selectFrom('variable').selectAll().execute()

const parse = (row: Row): Variable => ({
  id: row.id,
  organizationId: row.organization_id,
  scope: row.scope as Scope,
  parentId: row.parent_id,
  key: row.key,
  value: row.value,
  secret: row.secret_id !== null && row.secret_version !== null ? { id: row.secret_id, version: row.secret_version } : null,
  description: row.description,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const taken = (key: string): string => `There is a variable named ${key} in this scope already.`

export type VariableFields = { key: string; value: string; isSecret: boolean; description: string }

export async function createVariable(
  tx: Tx,
  vault: Vault,
  owner: { organizationId: string; scope: Scope; parentId: string },
  fields: VariableFields,
): Promise<Variable> {
  const secret = fields.isSecret ? await sealSecret(tx, vault, owner.organizationId, { id: newId(), version: 1 }, fields.value) : null
  const row = await uniquely('variable_parent_id_key_key', taken(fields.key), () =>
    tx
      .insertInto('variable')
      .values({
        id: newId(),
        organization_id: owner.organizationId,
        scope: owner.scope,
        parent_id: owner.parentId,
        key: fields.key,
        description: fields.description,
        value: secret ? null : fields.value,
        secret_id: secret?.id ?? null,
        secret_version: secret?.version ?? null,
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  return parse(row)
}

/** An undefined or null value of a secret keeps the old one. */
export async function editVariable(
  tx: Tx,
  vault: Vault,
  variable: Variable,
  fields: { key: string; value: string | null; description: string },
): Promise<Variable> {
  let { secret } = variable
  if (secret && fields.value !== null)
    secret = await sealSecret(tx, vault, variable.organizationId, { id: secret.id, version: secret.version + 1 }, fields.value)
  const row = await uniquely('variable_parent_id_key_key', taken(fields.key), () =>
    tx
      .updateTable('variable')
      .set({
        key: fields.key,
        description: fields.description,
        value: secret ? null : (fields.value ?? ''),
        secret_version: secret?.version ?? null,
        updated_at: now,
      })
      .where('id', '=', variable.id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  return parse(row)
}

export async function deleteVariable(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('variable').where('id', '=', id).execute()
}

export async function findVariable(db: Db | Tx, organizationIds: string[], id: string): Promise<Variable | undefined> {
  const row = await db
    .selectFrom('variable')
    .selectAll()
    .where('organization_id', 'in', organizationIds)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && parse(row)
}

/** The variables of several parents in one query, broadest scope first. */
export async function listVariables(db: Db | Tx, parentIds: string[]): Promise<Variable[]> {
  const found = await db.selectFrom('variable').selectAll().where('parent_id', 'in', parentIds).orderBy('key').execute()
  const order: Record<string, number> = { project: 0, environment: 1, application: 2 }
  return found.map(parse).sort((a, b) => (order[a.scope] ?? 0) - (order[b.scope] ?? 0))
}
