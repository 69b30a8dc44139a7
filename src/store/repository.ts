import { newId } from '../model/id.ts'
import { type Db, type Tx } from './database.ts'

/** Berth's own Git remote: a bare repository below `BERTH_GIT_DIR` on its home node. Found or made; the name is the last part of its URL. */
export async function ensureRepository(tx: Tx, environment: { id: string; organization_id: string }, name: string, node: string) {
  const found = await tx
    .selectFrom('repository')
    .selectAll()
    .where('environment_id', '=', environment.id)
    .where('name', '=', name)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (found) return found
  return tx
    .insertInto('repository')
    .values({ id: newId(), organization_id: environment.organization_id, environment_id: environment.id, name, node })
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function findRepository(db: Db, organizationIds: string[], environmentId: string, name: string) {
  return db
    .selectFrom('repository')
    .selectAll()
    .where('organization_id', 'in', organizationIds)
    .where('environment_id', '=', environmentId)
    .where('name', '=', name)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

/** The node whose folder holds the repository. */
export async function findRepositoryNode(db: Db, id: string): Promise<string | undefined> {
  return (await db.selectFrom('repository').select('node').where('id', '=', id).executeTakeFirst())?.node
}
