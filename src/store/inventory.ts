import { sql, type Db } from './database.ts'

/** One object that was made for an application; see `engine/kubernetes/inventory.ts`. */
export type InventoryRow = {
  kind: string
  namespace: string
  name: string
  mark: string
  uid: string | null
  fingerprint: string | null
  version: string
}

export async function recordInventory(
  db: Db,
  of: { clusterId: string; applicationId: string; organizationId: string },
  rows: InventoryRow[],
): Promise<void> {
  if (rows.length === 0) return
  await db
    .insertInto('inventory')
    .values(
      rows.map((row) => ({
        cluster_id: of.clusterId,
        organization_id: of.organizationId,
        application_id: of.applicationId,
        kind: row.kind,
        namespace: row.namespace,
        name: row.name,
        mark: row.mark,
        uid: row.uid,
        fingerprint: row.fingerprint,
        version: row.version,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['application_id', 'kind', 'namespace', 'name']).doUpdateSet({
        cluster_id: sql`excluded.cluster_id`,
        mark: sql`excluded.mark`,
        uid: sql`excluded.uid`,
        fingerprint: sql`excluded.fingerprint`,
        version: sql`excluded.version`,
      }),
    )
    .execute()
}

export async function forgetInventory(
  db: Db,
  applicationId: string,
  rows: { kind: string; namespace: string; name: string }[],
): Promise<void> {
  for (const { kind, namespace, name } of rows)
    await db
      .deleteFrom('inventory')
      .where('application_id', '=', applicationId)
      .where('kind', '=', kind)
      .where('namespace', '=', namespace)
      .where('name', '=', name)
      .execute()
}

export async function listInventory(db: Db, applicationId: string): Promise<InventoryRow[]> {
  return db
    .selectFrom('inventory')
    .select(['kind', 'namespace', 'name', 'mark', 'uid', 'fingerprint', 'version'])
    .where('application_id', '=', applicationId)
    .execute()
}
