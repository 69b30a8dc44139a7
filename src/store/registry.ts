import { newId } from '../model/id.ts'
import { json, now, sql, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { uniquely } from './constraint.ts'

export type RegistryFields = { name: string; kind: string; url: string; description: string; config: Record<string, unknown> }

const target = (row: { id: string; name: string; organization_id: string }) => ({
  kind: 'CONTAINER_REGISTRY',
  id: row.id,
  name: row.name,
  organizationId: row.organization_id,
})
const taken = (name: string): string => `There is a container registry named ${name} in this organization already.`

export async function createRegistry(tx: Tx, actor: Actor, organizationId: string, fields: RegistryFields) {
  const row = await uniquely('registry_name', taken(fields.name), () =>
    tx
      .insertInto('registry')
      .values({ ...fields, id: newId(), organization_id: organizationId, config: json(fields.config) })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'CREATE', target(row))
  return row
}

export async function editRegistry(tx: Tx, actor: Actor, id: string, fields: RegistryFields) {
  const row = await uniquely('registry_name', taken(fields.name), () =>
    tx
      .updateTable('registry')
      .set({ ...fields, config: json(fields.config), updated_at: now })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', target(row))
  return row
}

export async function deleteRegistry(tx: Tx, actor: Actor, id: string): Promise<void> {
  const row = await tx.updateTable('registry').set({ deleted_at: now }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'DELETE', target(row))
}

export async function listRegistries(db: Db | Tx, organizationId: string) {
  return db
    .selectFrom('registry')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at')
    .execute()
}

export async function findRegistry(db: Db | Tx, organizationIds: string[], id: string) {
  return db
    .selectFrom('registry')
    .selectAll()
    .where('organization_id', 'in', organizationIds)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

/** The one at a host with a user name and password, `matches` its address; the oldest where there are several. */
export async function findRegistryAt(db: Db | Tx, organizationId: string, matches: (url: string) => boolean) {
  return (await listRegistries(db, organizationId)).find((row) => 'password' in row.config && matches(row.url))
}

/** How many applications name the registry as their source. */
export async function countRegistryUse(db: Db | Tx, id: string): Promise<number> {
  const row = await db
    .selectFrom('application')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where(sql<string>`spec->'source'->>'registryId'`, '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return row.count
}
