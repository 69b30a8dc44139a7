import { newId } from '../model/id.ts'
import { json, now, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { createRegistry } from './registry.ts'
import { uniquely } from './constraint.ts'

export type OrganizationFields = { name: string; description: string; extras: Record<string, unknown> }

/** With its owner and the registry every organization starts with. */
export async function createOrganization(tx: Tx, actor: Actor, fields: OrganizationFields) {
  const row = await uniquely('organization_name', `There is an organization named ${fields.name} already.`, () =>
    tx
      .insertInto('organization')
      .values({
        id: newId(),
        name: fields.name,
        description: fields.description,
        owner_id: actor.accountId,
        contract_extras: json(fields.extras),
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await tx.insertInto('membership').values({ account_id: actor.accountId, organization_id: row.id, role: 'owner' }).execute()
  await recordEvent(tx, actor, 'CREATE', { kind: 'ORGANIZATION', id: row.id, name: row.name, organizationId: row.id })
  await createRegistry(tx, actor, row.id, { name: 'Docker Hub', kind: 'DOCKER_HUB', url: 'https://docker.io', description: '', config: {} })
  return row
}

export async function listOrganizations(db: Db, ids: string[]) {
  if (ids.length === 0) return []
  return db.selectFrom('organization').selectAll().where('id', 'in', ids).where('deleted_at', 'is', null).orderBy('created_at').execute()
}

export async function editOrganization(tx: Tx, actor: Actor, id: string, fields: OrganizationFields) {
  const row = await uniquely('organization_name', `There is an organization named ${fields.name} already.`, () =>
    tx
      .updateTable('organization')
      .set({ name: fields.name, description: fields.description, contract_extras: json(fields.extras), updated_at: now })
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', { kind: 'ORGANIZATION', id, name: row.name, organizationId: id })
  return row
}

export async function deleteOrganization(tx: Tx, actor: Actor, id: string): Promise<void> {
  const row = await tx.updateTable('organization').set({ deleted_at: now }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'DELETE', { kind: 'ORGANIZATION', id, name: row.name, organizationId: id })
}

export async function countProjects(db: Db | Tx, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom('project')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return row.count
}
