import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import pg from 'pg'
import type { Tables } from './table.ts'

export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>

const INT8 = 20

/** Opens the pool. int8 arrives as a number: every one of ours stays far below 2^53. */
export function openDatabase(connection: pg.PoolConfig, onError: (error: Error) => void): Db {
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')),
  }
  const pool = new pg.Pool({ max: 20, connectionTimeoutMillis: 10_000, ...connection, types: types as pg.CustomTypesConfig })
  pool.on('error', onError)
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}

export const json = (value: unknown): string => JSON.stringify(value)

/** The database's clock, which alone compares leases and deadlines. */
export const now = sql<Date>`now()`
export const inSeconds = (seconds: number) => sql<Date>`now() + make_interval(secs => ${seconds})`
export { sql }
