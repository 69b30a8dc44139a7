import { json, type Db } from './database.ts'
import { fence } from './deployment.ts'

export type StepKey = { deploymentId: string; applicationId: string; name: string; epoch: number }

export async function findStep(db: Db, key: StepKey): Promise<{ output: unknown } | undefined> {
  return db
    .selectFrom('deployment_step')
    .select('output')
    .where('deployment_id', '=', key.deploymentId)
    .where('application_id', '=', key.applicationId)
    .where('name', '=', key.name)
    .executeTakeFirst()
}

/** One transaction per finished step, fenced: a process whose lease was taken over changes nothing. */
export async function finishStep(db: Db, key: StepKey, startedAt: Date, output: unknown): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await fence(tx, key.deploymentId, key.epoch)
    await tx
      .insertInto('deployment_step')
      .values({
        deployment_id: key.deploymentId,
        application_id: key.applicationId,
        name: key.name,
        epoch: key.epoch,
        output: json(output ?? null),
        started_at: startedAt,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  })
}

export async function listSteps(db: Db, deploymentIds: string[]) {
  if (deploymentIds.length === 0) return []
  return db
    .selectFrom('deployment_step')
    .select(['deployment_id', 'application_id', 'name', 'started_at', 'finished_at'])
    .where('deployment_id', 'in', deploymentIds)
    .orderBy('finished_at')
    .execute()
}
