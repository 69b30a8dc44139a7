import type { Application } from '../model/application.ts'
import type { Db, Tx } from '../store/database.ts'
import { commitsOf } from '../store/part.ts'
import { listRegistries } from '../store/registry.ts'
import type { Facts } from './present/service.ts'

/** What presenting applications needs beside them, in two queries however many they are. */
export async function factsFor(db: Db | Tx, applications: Application[]): Promise<Facts> {
  const organizations = [...new Set(applications.filter((one) => one.spec.source.kind === 'image').map((one) => one.organizationId))]
  const [commits, registries] = await Promise.all([
    commitsOf(
      db as Db,
      applications.flatMap((one) => one.servingReleaseId ?? []),
    ),
    Promise.all(organizations.map((id) => listRegistries(db as Db, id))),
  ])
  return { commits, registries: new Map(registries.flat().map((row) => [row.id, row])) }
}
