import { sql, type Kysely } from 'kysely'

/** What Berth made on a cluster for an application, one row per object: removal removes exactly that. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table inventory (
      cluster_id uuid not null, organization_id uuid not null, application_id uuid not null, kind text not null, namespace text not null, name text not null,
      mark text not null, uid text, fingerprint text, version text not null, primary key (application_id, kind, namespace, name),
      foreign key (organization_id, application_id) references application (organization_id, id),
      foreign key (organization_id, cluster_id) references cluster (organization_id, id))`.execute(db)
}
