import { applicationSpec, type Application, type ApplicationSpec } from '../model/application.ts'
import { AppError } from '../model/error.ts'
import { newId, shortId } from '../model/id.ts'
import { newAddressLabel, slug } from '../model/name.ts'
import { publicStreamPorts } from '../model/port.ts'
import { json, now, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { uniquely, violates } from './constraint.ts'

type Row = Awaited<ReturnType<typeof rows>>[number]

const selection = (db: Db | Tx) => db.selectFrom('application').selectAll().where('deleted_at', 'is', null)
const rows = (db: Db | Tx) => selection(db).execute()

const parse = (row: Row): Application => ({
  id: row.id,
  organizationId: row.organization_id,
  environmentId: row.environment_id,
  name: row.name,
  description: row.description,
  engineName: row.engine_name,
  stageId: row.stage_id,
  skipped: row.skipped,
  spec: applicationSpec.parse(row.spec),
  extras: row.contract_extras,
  addressLabel: row.address_label,
  servingReleaseId: row.serving_release_id,
  servingGeneration: row.serving_generation,
  presence: row.presence as Application['presence'],
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  changedAt: row.changed_at,
})

const target = (application: { id: string; name: string; organizationId: string }) => ({
  kind: 'APPLICATION',
  id: application.id,
  name: application.name,
  organizationId: application.organizationId,
})
const taken = (name: string): string => `There is a service named ${name} in this environment already.`

export type ApplicationFields = { name: string; description: string; spec: ApplicationSpec; extras: Record<string, unknown> }
type Home = { id: string; organization_id: string; cluster_id: string }

export async function createApplication(tx: Tx, actor: Actor, environment: Home, fields: ApplicationFields): Promise<Application> {
  const id = newId()
  const stageName = fields.spec.source.kind === 'git' ? 'APPLICATION DEFAULT' : 'CONTAINER DEFAULT'
  const stages = await tx.selectFrom('stage').selectAll().where('environment_id', '=', environment.id).orderBy('position', 'desc').execute()
  const stage = stages.find((candidate) => candidate.name === stageName) ?? stages[0]
  if (!stage) throw new AppError('conflict', 'The environment has no deployment stage: create one first.')
  const label = newAddressLabel(fields.name)
  const row = await uniquely('application_name', taken(fields.name), () =>
    tx
      .insertInto('application')
      .values({
        id,
        organization_id: environment.organization_id,
        environment_id: environment.id,
        stage_id: stage.id,
        short_id: shortId(id),
        engine_name: `app-z${shortId(id)}-${slug(fields.name)}`.slice(0, 48).replace(/-+$/, ''),
        address_label: label,
        source_kind: fields.spec.source.kind,
        name: fields.name,
        description: fields.description,
        spec: json(fields.spec),
        contract_extras: json(fields.extras),
      })
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await tx.insertInto('address').values({ label, organization_id: environment.organization_id, application_id: id }).execute()
  await claimExternalPorts(tx, environment.cluster_id, id, fields.spec)
  const application = parse(row)
  await recordEvent(tx, actor, 'CREATE', target(application))
  return application
}

/** `meaning`: whether what a release is made of changed, so that the application is out of date until the next deployment. */
export async function editApplication(
  tx: Tx,
  actor: Actor,
  application: Application & { clusterId: string },
  fields: ApplicationFields,
  meaning: boolean,
): Promise<Application> {
  const row = await uniquely('application_name', taken(fields.name), () =>
    tx
      .updateTable('application')
      .set({
        name: fields.name,
        description: fields.description,
        spec: json(fields.spec),
        contract_extras: json(fields.extras),
        updated_at: now,
        ...(meaning ? { changed_at: now } : {}),
      })
      .where('id', '=', application.id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  )
  await claimExternalPorts(tx, application.clusterId, application.id, fields.spec)
  await recordEvent(tx, actor, 'UPDATE', target(application))
  return parse(row)
}

/** External TCP and UDP ports are unique per cluster. */
async function claimExternalPorts(tx: Tx, clusterId: string, applicationId: string, spec: ApplicationSpec): Promise<void> {
  await tx.deleteFrom('external_port').where('application_id', '=', applicationId).execute()
  for (const port of publicStreamPorts(spec.ports)) {
    const external = port.external ?? port.internal
    try {
      await tx
        .insertInto('external_port')
        .values({ cluster_id: clusterId, protocol: port.protocol, port: external, application_id: applicationId })
        .execute()
    } catch (error) {
      if (violates(error, 'external_port_pkey'))
        throw new AppError(
          'conflict',
          `The external ${port.protocol.toUpperCase()} port ${external} is taken on this cluster: choose another external_port.`,
          'ports',
        )
      throw error
    }
  }
}

export async function findApplication(db: Db | Tx, organizationIds: string[], id: string): Promise<Application | undefined> {
  const row = await selection(db).where('organization_id', 'in', organizationIds).where('id', '=', id).executeTakeFirst()
  return row && parse(row)
}

/** For Berth's own work, where the id comes from its own rows. */
export async function loadApplication(db: Db | Tx, id: string): Promise<Application | undefined> {
  const row = await selection(db).where('id', '=', id).executeTakeFirst()
  return row && parse(row)
}

export async function listApplications(db: Db | Tx, by: { environmentId: string } | { organizationId: string }): Promise<Application[]> {
  const all = selection(db).orderBy('created_at')
  const found =
    'environmentId' in by
      ? await all.where('environment_id', '=', by.environmentId).execute()
      : await all.where('organization_id', '=', by.organizationId).execute()
  return found.map(parse)
}

/** Every live application on a cluster. */
export async function listClusterApplications(db: Db, clusterId: string): Promise<Application[]> {
  const found = await db
    .selectFrom('application')
    .innerJoin('environment', 'environment.id', 'application.environment_id')
    .selectAll('application')
    .where('environment.cluster_id', '=', clusterId)
    .where('application.deleted_at', 'is', null)
    .execute()
  return found.map(parse)
}

export async function placeInStage(
  tx: Tx,
  actor: Actor,
  application: Application,
  stage: { id: string; name: string },
  skipped: boolean,
): Promise<void> {
  await tx.updateTable('application').set({ stage_id: stage.id, skipped, updated_at: now }).where('id', '=', application.id).execute()
  await recordEvent(tx, actor, 'UPDATE', target(application), { stage: stage.name, skipped })
}

/** What a finished action left behind; the release that serves from now on. */
export async function setServing(
  tx: Tx,
  id: string,
  serving: { releaseId: string | null; generation: number; presence: Application['presence'] },
): Promise<void> {
  await tx
    .updateTable('application')
    .set({ serving_release_id: serving.releaseId, serving_generation: serving.generation, presence: serving.presence })
    .where('id', '=', id)
    .execute()
}

export async function finishApplicationDeletion(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('application').set({ deleted_at: now, presence: 'removed', serving_release_id: null }).where('id', '=', id).execute()
  for (const table of ['route', 'observation', 'external_port'] as const)
    await tx.deleteFrom(table).where('application_id', '=', id).execute()
  await tx.deleteFrom('variable').where('parent_id', '=', id).execute()
}

/** Variables of a parent changed: everything that sees them is out of date. */
export async function touchApplications(tx: Tx, scope: 'project' | 'environment' | 'application', parentId: string): Promise<void> {
  const update = tx.updateTable('application').set({ changed_at: now }).where('deleted_at', 'is', null)
  if (scope === 'application') await update.where('id', '=', parentId).execute()
  else if (scope === 'environment') await update.where('environment_id', '=', parentId).execute()
  else
    await update
      .where('environment_id', 'in', (select) => select.selectFrom('environment').select('id').where('project_id', '=', parentId))
      .execute()
}
