import type { Port } from '../model/port.ts'
import type { Target } from '../model/workload.ts'
import { json, sql, type Db } from './database.ts'
import { notify } from './notify.ts'

export type Route = {
  applicationId: string
  environmentId: string
  engineName: string
  addressLabel: string
  targets: Target[]
  ports: Port[]
}

/** Sets which instances get an application's traffic; returns the edge version that will carry it. */
export async function setRoute(
  db: Db,
  of: { applicationId: string; organizationId: string; clusterId: string },
  route: { targets: Target[]; ports: Port[] },
): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const cluster = await tx
      .updateTable('cluster')
      .set((update) => ({ edge_wanted: update('edge_wanted', '+', 1) }))
      .where('id', '=', of.clusterId)
      .returning('edge_wanted')
      .executeTakeFirstOrThrow()
    await sql`
      insert into route (application_id, organization_id, cluster_id, targets, ports, version)
      values (${of.applicationId}, ${of.organizationId}, ${of.clusterId}, ${json(route.targets)}, ${json(route.ports)}, ${cluster.edge_wanted})
      on conflict (application_id) do update set targets = excluded.targets, ports = excluded.ports, version = excluded.version`.execute(tx)
    await notify(tx, 'edge', of.clusterId)
    return cluster.edge_wanted
  })
}

export async function listRoutes(db: Db, clusterId: string): Promise<{ version: number; routes: Route[] }> {
  const cluster = await db.selectFrom('cluster').select('edge_wanted').where('id', '=', clusterId).executeTakeFirst()
  const found = await db
    .selectFrom('route')
    .innerJoin('application', 'application.id', 'route.application_id')
    .select([
      'route.application_id',
      'application.environment_id',
      'application.engine_name',
      'application.address_label',
      'route.targets',
      'route.ports',
    ])
    .where('route.cluster_id', '=', clusterId)
    .where('application.deleted_at', 'is', null)
    .orderBy('application.address_label')
    .execute()
  const routes = found.map((row) => ({
    applicationId: row.application_id,
    environmentId: row.environment_id,
    engineName: row.engine_name,
    addressLabel: row.address_label,
    targets: row.targets as Target[],
    ports: row.ports as Port[],
  }))
  return { version: cluster?.edge_wanted ?? 0, routes }
}

/** What the edge has taken over, with the error where it rejected something; wakes everybody waiting for a version. */
export async function recordEdge(db: Db, clusterId: string, edge: { version: number; error: string | null }): Promise<void> {
  await db
    .updateTable('cluster')
    .set({ edge_error: edge.error, ...(edge.error === null ? { edge_applied: edge.version } : { edge_failed: edge.version }) })
    .where('id', '=', clusterId)
    .execute()
  if (edge.error === null)
    await sql`delete from instance_address a using environment e where e.id = a.environment_id and e.cluster_id = ${clusterId} and a.released_version <= ${edge.version}`.execute(
      db,
    )
  await notify(db, 'edge', clusterId)
}

export async function getEdge(db: Db, clusterId: string) {
  return db
    .selectFrom('cluster')
    .select(['edge_applied', 'edge_failed', 'edge_error'])
    .where('id', '=', clusterId)
    .executeTakeFirstOrThrow()
}

/** The fixed address of an instance: found, or the first free one of the subnet (the first four and the last stay unused). */
export async function addressOf(db: Db, environment: { id: string; subnet: string }, instance: string): Promise<string> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext(${environment.id}))`.execute(tx)
    const found = await tx
      .updateTable('instance_address')
      .set({ released_version: null })
      .where('environment_id', '=', environment.id)
      .where('instance', '=', instance)
      .returning(sql<string>`host(address)`.as('address'))
      .executeTakeFirst()
    if (found) return found.address
    const taken = await sql<{ address: string }>`
      insert into instance_address (environment_id, address, instance)
      select ${environment.id}, a, ${instance} from (
        select (network(${environment.subnet}::cidr) + n)::inet as a from generate_series(4, (2 ^ (32 - masklen(${environment.subnet}::cidr)))::int - 2) n) s
      where not exists (select 1 from instance_address i where i.environment_id = ${environment.id} and host(i.address) = host(s.a)) order by a limit 1
      returning host(address) as address`.execute(tx)
    const address = taken.rows[0]?.address
    if (!address) throw new Error(`the subnet ${environment.subnet} has no free address`)
    return address
  })
}

/** The address may be given away once an edge configuration newer than now is in force. */
export async function releaseAddress(db: Db, clusterId: string, environmentId: string, instance: string): Promise<void> {
  const cluster = await db.selectFrom('cluster').select('edge_wanted').where('id', '=', clusterId).executeTakeFirst()
  await db
    .updateTable('instance_address')
    .set({ released_version: (cluster?.edge_wanted ?? 0) + 1 })
    .where('environment_id', '=', environmentId)
    .where('instance', '=', instance)
    .where('released_version', 'is', null)
    .execute()
}
