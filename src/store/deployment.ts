import { AppError } from '../model/error.ts'
import { newId } from '../model/id.ts'
import type { Action, Deployment, Origin, Part } from '../model/deployment.ts'
import { inSeconds, now, sql, type Db, type Tx } from './database.ts'
import { recordEvent, type Actor } from './event.ts'
import { notify } from './notify.ts'
import { insertPart, parsePart, type PartRequest, type PartRow } from './part.ts'

type Row = Awaited<ReturnType<typeof rows>>[number]
const rows = (db: Db | Tx) => db.selectFrom('deployment').selectAll().execute()

const parse = (row: Row): Deployment => ({
  id: row.id,
  organizationId: row.organization_id,
  environmentId: row.environment_id,
  clusterId: row.cluster_id,
  number: row.number,
  action: row.action as Action,
  actor: row.actor,
  accountId: row.account_id,
  origin: row.origin as Origin,
  state: row.state as Deployment['state'],
  cancelRequested: row.cancel_requested,
  epoch: row.epoch,
  createdAt: row.created_at,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
})

export type DeploymentRequest = {
  environment: { id: string; name: string; organization_id: string; cluster_id: string }
  action: Action
  parts: PartRequest[]
  idempotencyKey: string | null
}

/**
 * Queues a deployment, or merges it into a queued one of the same account with the same action: the later commit or tag wins and the caller gets the surviving one.
 * The environment's row is locked, so numbers have no gaps and merging cannot race.
 */
export async function enqueueDeployment(tx: Tx, actor: Actor, request: DeploymentRequest): Promise<Deployment> {
  const { environment } = request
  await tx.selectFrom('environment').select('id').where('id', '=', environment.id).forUpdate().execute()
  const queued = await findQueued(tx, actor, request)
  const row = queued ?? (await insertDeployment(tx, actor, request))
  const stages = new Map(
    (await tx.selectFrom('stage').selectAll().where('environment_id', '=', environment.id).execute()).map((stage) => [stage.id, stage]),
  )
  for (const part of request.parts) await insertPart(tx, row.id, part, stages.get(part.application.stageId))
  await recordEvent(
    tx,
    actor,
    `TRIGGER_${request.action.toUpperCase()}`,
    { kind: 'ENVIRONMENT', id: environment.id, name: environment.name, organizationId: environment.organization_id },
    { deployment: row.id },
  )
  await notify(tx, 'deployment', row.id)
  return parse(row)
}

async function findQueued(tx: Tx, actor: Actor, request: DeploymentRequest) {
  const base = tx.selectFrom('deployment').selectAll().where('environment_id', '=', request.environment.id)
  if (request.idempotencyKey) {
    const same = await base
      .where('account_id', '=', actor.accountId)
      .where('idempotency_key', '=', request.idempotencyKey)
      .executeTakeFirst()
    if (same) return same
  }
  return base
    .where('state', '=', 'queued')
    .where('cancel_requested', '=', false)
    .where('action', '=', request.action)
    .where('account_id', '=', actor.accountId)
    .orderBy('number', 'desc')
    .forUpdate()
    .executeTakeFirst()
}

async function insertDeployment(tx: Tx, actor: Actor, request: DeploymentRequest) {
  const { environment } = request
  const counted = await tx
    .updateTable('environment')
    .set((update) => ({ deployment_count: update('deployment_count', '+', 1) }))
    .where('id', '=', environment.id)
    .returning('deployment_count')
    .executeTakeFirstOrThrow()
  return tx
    .insertInto('deployment')
    .values({
      id: newId(),
      organization_id: environment.organization_id,
      environment_id: environment.id,
      cluster_id: environment.cluster_id,
      number: counted.deployment_count,
      action: request.action,
      actor: actor.name,
      account_id: actor.accountId,
      origin: actor.origin,
      state: 'queued',
      idempotency_key: request.idempotencyKey,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Takes the oldest runnable deployment of the clusters held: queued in an idle environment, or running with a lease that is over. */
export async function claimDeployment(db: Db, owner: string, clusterIds: string[], leaseSeconds: number): Promise<Deployment | undefined> {
  if (clusterIds.length === 0) return undefined
  const claimed = await sql<Row>`
    update deployment set state = 'running', owner = ${owner}, epoch = epoch + 1, lease_until = now() + make_interval(secs => ${leaseSeconds}), started_at = coalesce(started_at, now())
    where id = (
      select d.id from deployment d
      where d.cluster_id = any(${clusterIds}::uuid[])
        and ((d.state = 'running' and (d.lease_until < now() or d.owner <> ${owner}))
          or (d.state = 'queued' and not exists (select 1 from deployment r where r.environment_id = d.environment_id and r.state = 'running')
              and not exists (select 1 from deployment e where e.environment_id = d.environment_id and e.state = 'queued' and e.number < d.number)))
      order by d.created_at limit 1 for update skip locked)
    returning *`
    .execute(db)
    .catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('deployment_running')) return { rows: [] }
      throw error
    })
  return claimed.rows[0] && parse(claimed.rows[0])
}

/** Renews the lease; false = somebody else has it now, so this process must stop working on it. Says whether to cancel. */
export async function renewDeployment(
  db: Db,
  id: string,
  epoch: number,
  leaseSeconds: number,
): Promise<{ held: boolean; cancelRequested: boolean }> {
  const row = await db
    .updateTable('deployment')
    .set({ lease_until: inSeconds(leaseSeconds) })
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .where('state', '=', 'running')
    .returning('cancel_requested')
    .executeTakeFirst()
  return { held: row !== undefined, cancelRequested: row?.cancel_requested ?? false }
}

/** Throws when the epoch is no longer ours: whatever is in the transaction is undone with it. */
export async function fence(tx: Tx, id: string, epoch: number): Promise<void> {
  const row = await tx
    .selectFrom('deployment')
    .select('id')
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .where('state', '=', 'running')
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('conflict', 'Another process has taken this deployment over.')
}

export async function finishDeployment(tx: Tx, id: string, state: Deployment['state']): Promise<void> {
  await tx.updateTable('deployment').set({ state, finished_at: now, lease_until: null, owner: null }).where('id', '=', id).execute()
  await notify(tx, 'deployment', id)
}

/** A wish in the row. A queued deployment is canceled at once; a running one when its owner has brought it to rest. */
export async function requestCancel(tx: Tx, actor: Actor, deployment: Deployment): Promise<void> {
  const row = await tx
    .updateTable('deployment')
    .set({ cancel_requested: true })
    .where('id', '=', deployment.id)
    .where('state', 'in', ['queued', 'running'])
    .returning('state')
    .executeTakeFirst()
  if (row?.state === 'queued') {
    await tx
      .updateTable('deployment_part')
      .set({ state: 'canceled', finished_at: now })
      .where('deployment_id', '=', deployment.id)
      .execute()
    await tx.updateTable('deployment').set({ state: 'canceled', finished_at: now }).where('id', '=', deployment.id).execute()
  }
  await recordEvent(
    tx,
    actor,
    'TRIGGER_CANCEL',
    { kind: 'ENVIRONMENT', id: deployment.environmentId, name: '', organizationId: deployment.organizationId },
    { deployment: deployment.id },
  )
  await notify(tx, 'deployment', deployment.id)
}

export async function findDeployment(db: Db | Tx, id: string): Promise<Deployment | undefined> {
  const row = await db.selectFrom('deployment').selectAll().where('id', '=', id).executeTakeFirst()
  return row && parse(row)
}

export async function findDeploymentByNumber(db: Db, environmentId: string, number: number): Promise<Deployment | undefined> {
  const row = await db
    .selectFrom('deployment')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .where('number', '=', number)
    .executeTakeFirst()
  return row && parse(row)
}

/** Newest first. */
export async function listDeployments(
  db: Db | Tx,
  environmentId: string,
  options: { limit: number; applicationId?: string },
): Promise<Deployment[]> {
  let query = db.selectFrom('deployment').selectAll('deployment').where('environment_id', '=', environmentId)
  if (options.applicationId !== undefined) {
    const id = options.applicationId
    query = query.where((where) =>
      where.exists(
        where
          .selectFrom('deployment_part')
          .select('application_id')
          .whereRef('deployment_id', '=', 'deployment.id')
          .where('application_id', '=', id),
      ),
    )
  }
  return (await query.orderBy('number', 'desc').limit(options.limit).execute()).map(parse)
}

export async function listUnfinished(db: Db | Tx, environmentId: string): Promise<Deployment[]> {
  return (
    await db
      .selectFrom('deployment')
      .selectAll()
      .where('environment_id', '=', environmentId)
      .where('state', 'in', ['queued', 'running'])
      .orderBy('number')
      .execute()
  ).map(parse)
}

/** The newest part of each application, with its deployment: one query for a whole list. */
export async function lastParts(db: Db | Tx, applicationIds: string[]): Promise<Map<string, { part: Part; deployment: Deployment }>> {
  if (applicationIds.length === 0) return new Map()
  const found = await sql<PartRow & { d: Row }>`
    select distinct on (p.application_id) p.*, to_jsonb(d) as d from deployment_part p join deployment d on d.id = p.deployment_id
    where p.application_id = any(${applicationIds}::uuid[]) order by p.application_id, d.number desc`.execute(db)
  return new Map(found.rows.map((row) => [row.application_id, { part: parsePart(row), deployment: parse(revive(row.d)) }]))
}

const revive = (row: Row): Row => ({
  ...row,
  created_at: new Date(row.created_at),
  started_at: row.started_at && new Date(row.started_at),
  finished_at: row.finished_at && new Date(row.finished_at),
})
