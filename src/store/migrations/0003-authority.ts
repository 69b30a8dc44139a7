import { sql, type Kysely } from 'kysely'

/** The certificate authority of this Berth: one for all servers of the database, its key sealed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table authority (id int primary key check (id = 1), certificate text not null, sealed bytea not null)`.execute(db)
}
