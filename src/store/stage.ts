import { AppError } from '../model/error.ts'
import { newId } from '../model/id.ts'
import { now, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { uniquely } from './constraint.ts'

/** The four stages every environment starts with, in their order. */
export const defaultStages = ['DATABASE DEFAULT', 'JOB DEFAULT', 'CONTAINER DEFAULT', 'APPLICATION DEFAULT'] as const

const target = (row: { id: string; name: string; organization_id: string }) => ({
  kind: 'DEPLOYMENT_STAGE',
  id: row.id,
  name: row.name,
  organizationId: row.organization_id,
})
const taken = (name: string): string => `There is a deployment stage named ${name} in this environment already.`

export async function createStage(
  tx: Tx,
  actor: Actor,
  environment: { id: string; organization_id: string },
  fields: { name: string; description: string },
) {
  const last = await tx
    .selectFrom('stage')
    .select((select) => select.fn.max('position').as('position'))
    .where('environment_id', '=', environment.id)
    .executeTakeFirst()
  const row = await uniquely('stage_name', taken(fields.name), () =>
    tx
      .insertInto('stage')
      .values({
        ...fields,
        id: newId(),
        organization_id: environment.organization_id,
        environment_id: environment.id,
        position: (last?.position ?? 0) + 1,
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'CREATE', target(row))
  return row
}

export async function editStage(tx: Tx, actor: Actor, id: string, fields: { name: string; description: string }) {
  const row = await uniquely('stage_name', taken(fields.name), () =>
    tx
      .updateTable('stage')
      .set({ ...fields, updated_at: now })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', target(row))
  return row
}

export async function deleteStage(tx: Tx, actor: Actor, id: string): Promise<void> {
  const used = await tx
    .selectFrom('application')
    .select('name')
    .where('stage_id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (used) throw new AppError('conflict', `The stage still has services (${used.name}): move them to another stage first.`)
  await tx
    .updateTable('application')
    .set((update) => ({
      stage_id: update
        .selectFrom('stage as s')
        .select('s.id')
        .whereRef('s.environment_id', '=', 'application.environment_id')
        .where('s.id', '!=', id)
        .limit(1),
    }))
    .where('stage_id', '=', id)
    .execute()
  const row = await tx.deleteFrom('stage').where('id', '=', id).returningAll().executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'DELETE', target(row))
}

export async function listStages(db: Db | Tx, environmentId: string) {
  return db.selectFrom('stage').selectAll().where('environment_id', '=', environmentId).orderBy('position').execute()
}

export async function findStage(db: Db | Tx, organizationIds: string[], id: string) {
  return db.selectFrom('stage').selectAll().where('organization_id', 'in', organizationIds).where('id', '=', id).executeTakeFirst()
}

/** Puts a stage directly before or after another one of the same environment. */
export async function moveStage(tx: Tx, actor: Actor, id: string, other: { id: string; side: 'before' | 'after' }): Promise<void> {
  const moved = await tx.selectFrom('stage').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const stages = await tx
    .selectFrom('stage')
    .selectAll()
    .where('environment_id', '=', moved.environment_id)
    .orderBy('position')
    .forUpdate()
    .execute()
  const rest = stages.filter((stage) => stage.id !== id)
  const at = rest.findIndex((stage) => stage.id === other.id)
  if (at < 0) throw new AppError('invalid', 'expected two different stages of one environment')
  rest.splice(other.side === 'before' ? at : at + 1, 0, moved)
  for (const [index, stage] of rest.entries())
    await tx
      .updateTable('stage')
      .set({ position: index + 1 })
      .where('id', '=', stage.id)
      .execute()
  await recordEvent(tx, actor, 'UPDATE', target(moved), { moved: other.side })
}
