import { applicationSpec } from '../model/application.ts'
import { image } from '../model/image.ts'
import type { Commit } from '../model/git.ts'
import { newId } from '../model/id.ts'
import { SPEC_VERSION, type Release } from '../model/release.ts'
import type { VariableValue } from '../model/variable.ts'
import { json, type Db, type Tx } from './database.ts'

type Row = Awaited<ReturnType<typeof rows>>[number]
const rows = (db: Db | Tx) => db.selectFrom('release').selectAll().execute()

const parse = (row: Row): Release => ({
  id: row.id,
  organizationId: row.organization_id,
  applicationId: row.application_id,
  revision: row.revision,
  digest: row.digest,
  specVersion: row.spec_version,
  spec: applicationSpec.parse(row.spec),
  image: image.parse(row.image),
  variables: row.variables as Record<string, VariableValue>,
  commit: row.commit as Commit | null,
  createdAt: row.created_at,
})

/** A numbered release; one with the digest of the application's newest release is that release. */
export async function createRelease(tx: Tx, release: Omit<Release, 'id' | 'revision' | 'specVersion' | 'createdAt'>): Promise<Release> {
  const newest = await tx
    .selectFrom('release')
    .selectAll()
    .where('application_id', '=', release.applicationId)
    .orderBy('revision', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (newest?.digest === release.digest) return parse(newest)
  const row = await tx
    .insertInto('release')
    .values({
      id: newId(),
      organization_id: release.organizationId,
      application_id: release.applicationId,
      revision: (newest?.revision ?? 0) + 1,
      digest: release.digest,
      spec_version: SPEC_VERSION,
      spec: json(release.spec),
      image: json(release.image),
      variables: json(release.variables),
      commit: release.commit ? json(release.commit) : null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return parse(row)
}

export async function findRelease(db: Db | Tx, id: string): Promise<Release | undefined> {
  const row = await db.selectFrom('release').selectAll().where('id', '=', id).executeTakeFirst()
  return row && parse(row)
}

export async function listReleases(db: Db | Tx, ids: string[]): Promise<Release[]> {
  if (ids.length === 0) return []
  return (await db.selectFrom('release').selectAll().where('id', 'in', ids).execute()).map(parse)
}

/** Newest first. */
export async function listApplicationReleases(db: Db, applicationId: string, limit: number): Promise<Release[]> {
  const found = await db
    .selectFrom('release')
    .selectAll()
    .where('application_id', '=', applicationId)
    .orderBy('revision', 'desc')
    .limit(limit)
    .execute()
  return found.map(parse)
}

export async function findRevision(db: Db, applicationId: string, revision: number): Promise<Release | undefined> {
  const row = await db
    .selectFrom('release')
    .selectAll()
    .where('application_id', '=', applicationId)
    .where('revision', '=', revision)
    .executeTakeFirst()
  return row && parse(row)
}

/** 0 where there is none yet. */
export async function newestRevision(db: Db, applicationId: string): Promise<number> {
  const row = await db
    .selectFrom('release')
    .select((select) => select.fn.max('revision').as('newest'))
    .where('application_id', '=', applicationId)
    .executeTakeFirst()
  return row?.newest ?? 0
}
