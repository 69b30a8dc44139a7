import { newId } from '../model/id.ts'
import { now, sql, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { uniquely } from './constraint.ts'

export type ProjectFields = { name: string; description: string }

const target = (row: { id: string; name: string; organization_id: string }) => ({
  kind: 'PROJECT',
  id: row.id,
  name: row.name,
  organizationId: row.organization_id,
})
const taken = (name: string): string => `There is a project named ${name} in this organization already.`
const environments = sql<number>`(select count(*) from environment e where e.project_id = project.id and e.deleted_at is null)`.as(
  'environments',
)

export async function createProject(tx: Tx, actor: Actor, organizationId: string, fields: ProjectFields) {
  const row = await uniquely('project_name', taken(fields.name), () =>
    tx
      .insertInto('project')
      .values({ ...fields, id: newId(), organization_id: organizationId })
      .returningAll()
      .returning(environments)
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'CREATE', target(row))
  return row
}

export async function editProject(tx: Tx, actor: Actor, id: string, fields: ProjectFields) {
  const row = await uniquely('project_name', taken(fields.name), () =>
    tx
      .updateTable('project')
      .set({ ...fields, updated_at: now })
      .where('id', '=', id)
      .returningAll()
      .returning(environments)
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', target(row))
  return row
}

export async function deleteProject(tx: Tx, actor: Actor, id: string): Promise<void> {
  const row = await tx.updateTable('project').set({ deleted_at: now }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'DELETE', target(row))
}

export async function listProjects(db: Db, organizationId: string) {
  return db
    .selectFrom('project')
    .selectAll()
    .select(environments)
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at')
    .execute()
}

export async function findProject(db: Db | Tx, organizationIds: string[], id: string) {
  return db
    .selectFrom('project')
    .selectAll()
    .select(environments)
    .where('organization_id', 'in', organizationIds)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}
