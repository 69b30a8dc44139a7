import type { Db } from './database.ts'
import type { Vault } from './seal.ts'

/** PEM of a certificate and of its private key. */
export type Authority = { certificate: string; key: string }

const identity = 'berth authority'

/** The one authority of all servers of this database: `make`'s where there is none yet, and the first to store it where several start at once. */
export async function ensureAuthority(db: Db, vault: Vault, make: () => Promise<Authority>): Promise<Authority> {
  const found = await findAuthority(db, vault)
  if (found) return found
  const made = await make()
  await db
    .insertInto('authority')
    .values({ id: 1, certificate: made.certificate, sealed: vault.seal(made.key, identity) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return (await findAuthority(db, vault)) ?? made
}

async function findAuthority(db: Db, vault: Vault): Promise<Authority | undefined> {
  const row = await db.selectFrom('authority').select(['certificate', 'sealed']).executeTakeFirst()
  return row && { certificate: row.certificate, key: vault.open(row.sealed, identity) }
}
