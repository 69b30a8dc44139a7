import type { Application } from '../model/application.ts'
import { AppError } from '../model/error.ts'
import { isFinal, type Action, type Explanation, type Part, type PartState, type Wanted } from '../model/deployment.ts'
import type { Commit } from '../model/git.ts'
import { json, now, sql, type Db, type Tx } from './database.ts'
import { notify } from './notify.ts'

export type PartRow = Awaited<ReturnType<typeof partRows>>[number]
const partRows = (db: Db | Tx) => db.selectFrom('deployment_part').selectAll().execute()

export const parsePart = (row: PartRow): Part => ({
  deploymentId: row.deployment_id,
  organizationId: row.organization_id,
  applicationId: row.application_id,
  applicationName: row.application_name,
  stageName: row.stage_name,
  stageId: row.stage_id,
  stagePosition: row.stage_position,
  action: row.action as Action,
  wanted: row.wanted as Wanted,
  state: row.state as PartState,
  releaseId: row.release_id,
  commit: row.commit as Commit | null,
  explanation: row.explanation as Explanation | null,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
})

export type PartRequest = { application: Application; action: Action; wanted: Wanted }

/** A part of a queued deployment; of a merged one, the later wish wins. */
export async function insertPart(
  tx: Tx,
  deploymentId: string,
  part: PartRequest,
  stage: { id: string; name: string; position: number } | undefined,
): Promise<void> {
  if (!stage) throw new AppError('internal', `The application ${part.application.name} has no stage.`)
  await tx
    .insertInto('deployment_part')
    .values({
      deployment_id: deploymentId,
      organization_id: part.application.organizationId,
      application_id: part.application.id,
      application_name: part.application.name,
      stage_id: stage.id,
      stage_name: stage.name,
      stage_position: stage.position,
      action: part.action,
      wanted: json(part.wanted),
      state: 'queued',
      release_id: null,
    })
    .onConflict((conflict) =>
      conflict.columns(['deployment_id', 'application_id']).doUpdateSet({ action: part.action, wanted: json(part.wanted) }),
    )
    .execute()
}

export async function updatePart(
  db: Db | Tx,
  part: Pick<Part, 'deploymentId' | 'applicationId'>,
  change: { state?: PartState; releaseId?: string; commit?: Commit | null; explanation?: Explanation | null },
): Promise<void> {
  await db
    .updateTable('deployment_part')
    .set({
      ...(change.state ? { state: change.state } : {}),
      ...(change.state && isFinal(change.state)
        ? { finished_at: now }
        : change.state
          ? { started_at: sql<Date>`coalesce(started_at, now())` }
          : {}),
      ...(change.releaseId ? { release_id: change.releaseId } : {}),
      ...(change.commit !== undefined ? { commit: change.commit ? json(change.commit) : null } : {}),
      ...(change.explanation !== undefined ? { explanation: change.explanation ? json(change.explanation) : null } : {}),
    })
    .where('deployment_id', '=', part.deploymentId)
    .where('application_id', '=', part.applicationId)
    .execute()
  await notify(db, 'deployment', part.deploymentId)
}

export async function listParts(db: Db | Tx, deploymentIds: string[]): Promise<Part[]> {
  if (deploymentIds.length === 0) return []
  return (
    await db
      .selectFrom('deployment_part')
      .selectAll()
      .where('deployment_id', 'in', deploymentIds)
      .orderBy('stage_position')
      .orderBy('application_name')
      .execute()
  ).map(parsePart)
}

/** The newest part of an application that made a release run: where its commit and digest come from. */
export async function commitsOf(db: Db, releaseIds: string[]): Promise<Map<string, Commit | null>> {
  if (releaseIds.length === 0) return new Map()
  const found = await db
    .selectFrom('deployment_part')
    .select(['release_id', 'commit'])
    .where('release_id', 'in', releaseIds)
    .where('state', '=', 'succeeded')
    .orderBy('finished_at')
    .execute()
  return new Map(found.map((row) => [row.release_id ?? '', row.commit as Commit | null]))
}
