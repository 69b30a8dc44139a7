import { Migrator, type Migration } from 'kysely/migration'
import type { Db } from './database.ts'
import * as first from './migrations/0001-first.ts'
import * as inventory from './migrations/0002-inventory.ts'
import * as authority from './migrations/0003-authority.ts'

/** In order of name; expand/contract only, so that two versions of Berth can share a database while one replaces the other. */
const migrations: Record<string, Migration> = { '0001-first': first, '0002-inventory': inventory, '0003-authority': authority }

/** Brings the schema up to date. Takes an advisory lock: several processes may call it at once. */
export async function migrate(db: Db): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) throw error
  return (results ?? []).map((result) => result.migrationName)
}
