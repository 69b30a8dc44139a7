import { AppError } from '../model/error.ts'
import { newId, shortId } from '../model/id.ts'
import { slug } from '../model/name.ts'
import { now, sql, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { createStage, defaultStages } from './stage.ts'
import { uniquely } from './constraint.ts'

const target = (row: { id: string; name: string; organization_id: string }) => ({
  kind: 'ENVIRONMENT',
  id: row.id,
  name: row.name,
  organizationId: row.organization_id,
})
const taken = (name: string): string => `There is an environment named ${name} in this project already.`

const query = (db: Db | Tx) =>
  db
    .selectFrom('environment')
    .innerJoin('cluster', 'cluster.id', 'environment.cluster_id')
    .selectAll('environment')
    .select(['cluster.name as cluster_name', 'cluster.engine', sql<string | null>`cluster.reach->>'domain'`.as('cluster_domain')])
    .where('environment.deleted_at', 'is', null)

export type EnvironmentRow = Awaited<ReturnType<typeof getEnvironment>>

export async function createEnvironment(
  tx: Tx,
  actor: Actor,
  project: { id: string; organization_id: string },
  fields: { name: string; mode: string; clusterId: string },
): Promise<EnvironmentRow> {
  const id = newId()
  const row = await uniquely('environment_name', taken(fields.name), () =>
    tx
      .insertInto('environment')
      .values({
        id,
        organization_id: project.organization_id,
        project_id: project.id,
        cluster_id: fields.clusterId,
        short_id: shortId(id),
        engine_name: `z${shortId(id)}-${slug(fields.name)}`.slice(0, 63),
        name: fields.name,
        mode: fields.mode,
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  for (const name of defaultStages) await createStage(tx, actor, row, { name, description: '' })
  await recordEvent(tx, actor, 'CREATE', target(row))
  return getEnvironment(tx, id)
}

export async function getEnvironment(db: Db | Tx, id: string) {
  return query(db).where('environment.id', '=', id).executeTakeFirstOrThrow()
}

export async function findEnvironment(db: Db | Tx, organizationIds: string[], id: string): Promise<EnvironmentRow | undefined> {
  return query(db).where('environment.organization_id', 'in', organizationIds).where('environment.id', '=', id).executeTakeFirst()
}

export async function listEnvironments(
  db: Db,
  by: { projectId: string } | { organizationId: string } | { clusterId: string },
): Promise<EnvironmentRow[]> {
  const all = query(db).orderBy('environment.created_at')
  if ('projectId' in by) return all.where('environment.project_id', '=', by.projectId).execute()
  if ('clusterId' in by) return all.where('environment.cluster_id', '=', by.clusterId).execute()
  return all.where('environment.organization_id', '=', by.organizationId).execute()
}

export async function editEnvironment(tx: Tx, actor: Actor, id: string, fields: { name?: string; mode?: string }): Promise<EnvironmentRow> {
  const row = await uniquely('environment_name', taken(fields.name ?? ''), () =>
    tx
      .updateTable('environment')
      .set({ ...fields, updated_at: now })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await recordEvent(tx, actor, 'UPDATE', target(row))
  return getEnvironment(tx, id)
}

/** Marks it: gone once its last application is. */
export async function requestEnvironmentDeletion(tx: Tx, actor: Actor, id: string): Promise<void> {
  const row = await tx
    .updateTable('environment')
    .set({ delete_requested_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  await recordEvent(tx, actor, 'TRIGGER_DELETE', target(row))
}

export async function finishEnvironmentDeletion(tx: Tx, id: string): Promise<boolean> {
  const result = await tx
    .updateTable('environment')
    .set({ deleted_at: now, subnet: null })
    .where('id', '=', id)
    .where('delete_requested_at', 'is not', null)
    .where('deleted_at', 'is', null)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('application')
            .select('id')
            .whereRef('application.environment_id', '=', 'environment.id')
            .where('deleted_at', 'is', null),
        ),
      ),
    )
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/**
 * The environment's subnet out of the pool, chosen once: the first /`size` that no live environment of the cluster has and that overlaps nothing in `taken`
 * (what the engine has for others). One that was chosen before its network was made is given up when somebody else took it meanwhile.
 */
export async function subnetOf(
  db: Db,
  environmentId: string,
  pool: { base: string; prefix: number; size: number },
  taken: string[],
): Promise<string> {
  return db.transaction().execute(async (tx) => {
    const row = await tx
      .selectFrom('environment')
      .select(['subnet', 'cluster_id'])
      .where('id', '=', environmentId)
      .executeTakeFirstOrThrow()
    await sql`select pg_advisory_xact_lock(hashtext(${row.cluster_id}))`.execute(tx)
    const free = await sql<{ subnet: string }>`
      with candidate as (
        select ${row.subnet}::cidr as subnet, -1 as n where ${row.subnet}::cidr is not null
        union all
        select set_masklen(${pool.base}::inet + (n * ${2 ** (32 - pool.size)})::bigint, ${pool.size})::cidr, n from generate_series(0, ${2 ** (pool.size - pool.prefix) - 1}) n)
      select c.subnet::text from candidate c
      where not exists (select 1 from environment e where e.cluster_id = ${row.cluster_id} and e.id <> ${environmentId} and e.deleted_at is null and e.subnet = c.subnet)
        and not exists (select 1 from unnest(${taken}::cidr[]) t where t && c.subnet)
      order by c.n limit 1`.execute(tx)
    const subnet = free.rows[0]?.subnet
    if (!subnet)
      throw new AppError(
        'unavailable',
        `The network pool ${pool.base}/${pool.prefix} has no free /${pool.size} left: set BERTH_NETWORK_POOL to a larger one.`,
      )
    if (subnet !== row.subnet) {
      await tx.deleteFrom('instance_address').where('environment_id', '=', environmentId).execute()
      await tx.updateTable('environment').set({ subnet }).where('id', '=', environmentId).execute()
    }
    return subnet
  })
}
