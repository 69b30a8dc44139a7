import { reach as reachShape, type Reach } from '../model/cluster.ts'
import { newId, shortId } from '../model/id.ts'
import { inSeconds, json, now, sql, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { notify } from './notify.ts'
import { uniquely } from './constraint.ts'

export type ClusterFields = {
  name: string
  description: string
  engine: 'docker' | 'memory' | 'kubernetes'
  reach: Reach
  isDefault: boolean
  extras: Record<string, unknown>
}

/** Seconds a holder's lease lives without being renewed; it is renewed every third of it. */
export const HOLDER_LEASE = 12

export async function createCluster(tx: Tx, actor: Actor, organizationId: string, fields: ClusterFields, id = newId()) {
  const row = await uniquely('cluster_name', `There is a cluster named ${fields.name} in this organization already.`, () =>
    tx
      .insertInto('cluster')
      .values({
        id,
        organization_id: organizationId,
        short_id: shortId(id),
        name: fields.name,
        description: fields.description,
        engine: fields.engine,
        reach: json(fields.reach),
        is_default: fields.isDefault,
        contract_extras: json(fields.extras),
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'CREATE', { kind: 'CLUSTER', id, name: row.name, organizationId })
  await notify(tx, 'cluster', id)
  return row
}

export async function listClusters(db: Db | Tx, organizationId: string) {
  return db
    .selectFrom('cluster')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at')
    .execute()
}

export async function findCluster(db: Db | Tx, organizationIds: string[], id: string) {
  return db
    .selectFrom('cluster')
    .selectAll()
    .where('organization_id', 'in', organizationIds)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

/** Adds to what is known of a cluster beside its own fields; `undefined` takes away. */
export async function noteOnCluster(db: Db, id: string, notes: Record<string, unknown>): Promise<void> {
  const set = Object.fromEntries(Object.entries(notes).filter(([, value]) => value !== undefined))
  const removed = Object.keys(notes).filter((key) => notes[key] === undefined)
  await db
    .updateTable('cluster')
    .set({ contract_extras: sql`(contract_extras || ${json(set)}::jsonb) - ${removed}::text[]` })
    .where('id', '=', id)
    .execute()
}

/** What was noted on a cluster beside its own fields. */
export async function readClusterNotes(db: Db, id: string): Promise<Record<string, unknown>> {
  return (await db.selectFrom('cluster').select('contract_extras').where('id', '=', id).executeTakeFirst())?.contract_extras ?? {}
}

export async function findReach(db: Db, id: string): Promise<Reach | undefined> {
  const row = await db.selectFrom('cluster').select('reach').where('id', '=', id).where('deleted_at', 'is', null).executeTakeFirst()
  return row && reachShape.parse(row.reach)
}

export async function deleteCluster(tx: Tx, actor: Actor, id: string): Promise<void> {
  const row = await tx.updateTable('cluster').set({ deleted_at: now }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'DELETE', { kind: 'CLUSTER', id, name: row.name, organizationId: row.organization_id })
  await notify(tx, 'cluster', id)
}

/** Changes how a cluster is reached; whoever holds it begins anew with it. */
export async function editCluster(
  tx: Tx,
  actor: Actor,
  id: string,
  fields: { name?: string; description?: string; reach?: Reach },
): Promise<ClusterRecord> {
  const { reach, ...rest } = fields
  const row = await uniquely('cluster_name', `There is a cluster named ${fields.name ?? ''} in this organization already.`, () =>
    tx
      .updateTable('cluster')
      .set({ ...rest, ...(reach ? { reach: json(reach) } : {}), updated_at: now })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', { kind: 'CLUSTER', id, name: row.name, organizationId: row.organization_id })
  await notify(tx, 'cluster', id)
  return row
}

export type ClusterRecord = Awaited<ReturnType<typeof listClusters>>[number]

/** Clusters whose lease `owner` now holds. A lease of the same seat is taken at once: the seat is a folder that one process locks, so whoever held it is gone. */
export async function holdClusters(db: Db, holder: { owner: string; node: string; seat: string }) {
  const { owner, node, seat } = holder
  await db
    .updateTable('cluster')
    .set({
      holder: owner,
      holder_seat: seat,
      holder_until: inSeconds(HOLDER_LEASE),
      holder_epoch: sql`case when holder = ${owner} then holder_epoch else holder_epoch + 1 end`,
    })
    .where('deleted_at', 'is', null)
    .where(sql<boolean>`(reach->>'kind' <> 'docker' or reach->>'node' = ${node})`)
    .where((where) =>
      where.or([
        where('holder', '=', owner),
        where('holder', 'is', null),
        where('holder_until', '<', now),
        where.and([where('holder_seat', '=', seat), where('holder', '!=', owner)]),
      ]),
    )
    .execute()
  return db.selectFrom('cluster').selectAll().where('holder', '=', owner).where('deleted_at', 'is', null).execute()
}

/** On a clean shutdown: somebody else may hold them at once. */
export async function releaseClusters(db: Db, owner: string): Promise<void> {
  await db.updateTable('cluster').set({ holder: null, holder_until: null }).where('holder', '=', owner).execute()
}
