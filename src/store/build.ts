import { image, type Image } from '../model/image.ts'
import { newId } from '../model/id.ts'
import { json, now, sql, type Db, type Tx } from './database.ts'

/** The image that the same inputs gave on this cluster before; finding it keeps it from being collected for a while. */
export async function findBuild(db: Db, clusterId: string, key: string): Promise<Image | undefined> {
  const row = await db
    .updateTable('build')
    .set({ created_at: now })
    .where('cluster_id', '=', clusterId)
    .where('key', '=', key)
    .returning('image')
    .executeTakeFirst()
  return row && image.parse(row.image)
}

/** One image per inputs is found again; one that was built anew for the same inputs stays known, to be collected. */
export async function recordBuild(
  tx: Db | Tx,
  build: { organizationId: string; clusterId: string; key: string; image: Image },
): Promise<void> {
  const of = { organization_id: build.organizationId, cluster_id: build.clusterId }
  await forgetBuild(tx, build.clusterId, build.key)
  await tx
    .insertInto('build')
    .values({ id: newId(), ...of, key: build.key, image: json(build.image) })
    .onConflict((conflict) => conflict.columns(['cluster_id', 'key']).doUpdateSet({ image: sql`excluded.image`, created_at: now }))
    .execute()
}

/** Its image is not found by these inputs any more, and stays known. */
export async function forgetBuild(db: Db | Tx, clusterId: string, key: string): Promise<void> {
  await db
    .updateTable('build')
    .set({ key: sql`'superseded ' || id` })
    .where('cluster_id', '=', clusterId)
    .where('key', '=', key)
    .execute()
}

/**
 * Images built on a cluster that nothing needs: of no application's last `kept` releases, no serving one, none that a deployment is at work on, and
 * not built or found again within the last hour, when their release may not be written yet.
 */
export async function listUnusedBuilds(db: Db, clusterId: string, kept: number): Promise<{ id: string; image: Image }[]> {
  const { rows } = await sql<{ id: string; image: unknown }>`
    with numbered as (
      select release.id, release.image, application.serving_release_id, row_number() over (partition by application_id order by revision desc) as place
      from release join application on application.id = release.application_id where application.deleted_at is null),
    needed as (
      select image from numbered where place <= ${kept} or id = serving_release_id
      union
      select release.image from release join deployment_part on deployment_part.release_id = release.id or deployment_part.wanted->>'release' = release.id::text
      join deployment on deployment.id = deployment_part.deployment_id where deployment.state in ('queued', 'running'))
    select id, image from build
    where cluster_id = ${clusterId} and created_at < now() - interval '1 hour' and not exists (select 1 from needed where needed.image = build.image)
    limit 100`.execute(db)
  return rows.map((row) => ({ id: row.id, image: image.parse(row.image) }))
}

export async function deleteBuild(db: Db, id: string): Promise<void> {
  await db.deleteFrom('build').where('id', '=', id).execute()
}
