import { AppError } from '../model/error.ts'
import type { SecretRef } from '../model/variable.ts'
import type { Db, Tx } from './database.ts'
import type { Vault } from './seal.ts'

const identity = (ref: SecretRef, organizationId: string): string => `${organizationId}/${ref.id}/${ref.version}`

/** One more sealed value; rows are never changed. */
export async function sealSecret(tx: Tx, vault: Vault, organizationId: string, ref: SecretRef, value: string): Promise<SecretRef> {
  await tx
    .insertInto('secret_value')
    .values({
      ...ref,
      organization_id: organizationId,
      sealed: vault.seal(value, identity(ref, organizationId)),
      fingerprint: vault.fingerprint(value),
    })
    .execute()
  return ref
}

export async function openSecret(db: Db | Tx, vault: Vault, organizationId: string, ref: SecretRef): Promise<string> {
  const row = await db
    .selectFrom('secret_value')
    .select('sealed')
    .where('organization_id', '=', organizationId)
    .where('id', '=', ref.id)
    .where('version', '=', ref.version)
    .executeTakeFirst()
  if (!row) throw new AppError('internal', `The sealed value ${ref.id} version ${ref.version} is missing.`)
  return vault.open(row.sealed, identity(ref, organizationId))
}

/** HMAC of a secret's value, in hex: equal values compare equal without being revealed. */
export async function fingerprintOf(db: Db | Tx, organizationId: string, ref: SecretRef): Promise<string> {
  const row = await db
    .selectFrom('secret_value')
    .select('fingerprint')
    .where('organization_id', '=', organizationId)
    .where('id', '=', ref.id)
    .where('version', '=', ref.version)
    .executeTakeFirstOrThrow()
  return row.fingerprint.toString('hex')
}

/** Fails closed: with another master key than the one the database was started with, nothing starts. */
export async function checkKey(db: Db, vault: Vault): Promise<void> {
  const text = 'berth master key'
  await db
    .insertInto('key_check')
    .values({ id: 1, sealed: vault.seal(text, text) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const row = await db.selectFrom('key_check').select('sealed').executeTakeFirstOrThrow()
  try {
    vault.open(row.sealed, text)
  } catch {
    throw new AppError(
      'unavailable',
      'The master key does not open this database. Put the key file back that it was started with (BERTH_MASTER_KEY_FILE); without it the stored secrets cannot be read.',
    )
  }
}
