import type { Exit, Observation } from '../model/observation.ts'
import { json, sql, type Db } from './database.ts'
import { notify } from './notify.ts'

/** Written when changed; one row per application. */
export async function recordObservation(
  db: Db,
  of: { applicationId: string; organizationId: string; clusterId: string },
  observation: Observation,
): Promise<void> {
  await sql`
    insert into observation (application_id, organization_id, cluster_id, at, value) values (${of.applicationId}, ${of.organizationId}, ${of.clusterId}, ${observation.at}, ${json(observation)})
    on conflict (application_id) do update set at = excluded.at, value = excluded.value, cluster_id = excluded.cluster_id`.execute(db)
  await notify(db, 'observation', of.applicationId)
}

export async function listObservations(db: Db, applicationIds: string[]): Promise<Map<string, Observation>> {
  if (applicationIds.length === 0) return new Map()
  const found = await db
    .selectFrom('observation')
    .select(['application_id', 'value'])
    .where('application_id', 'in', applicationIds)
    .execute()
  return new Map(found.map((row) => [row.application_id, row.value as Observation]))
}

/** The last lines and the exit state of an instance that is about to be removed. */
export async function recordInstance(
  db: Db,
  of: { applicationId: string; organizationId: string },
  record: { instance: string; lines: string; exit: Exit | null },
): Promise<void> {
  await db
    .insertInto('instance_record')
    .values({
      organization_id: of.organizationId,
      application_id: of.applicationId,
      instance: record.instance,
      lines: record.lines.replaceAll('\u0000', ''),
      exit: record.exit ? json(record.exit) : null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await sql`delete from instance_record where application_id = ${of.applicationId} and instance not in
    (select instance from instance_record where application_id = ${of.applicationId} order by removed_at desc limit 20)`.execute(db)
}
