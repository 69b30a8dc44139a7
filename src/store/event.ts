import { newId } from '../model/id.ts'
import { json, type Db, type Tx } from './database.ts'

/** Who does something, and through what. */
export type Actor = { accountId: string; name: string; origin: string }

export type Target = { kind: string; id: string; name: string; organizationId: string }

/** Written in the transaction of the change itself. `change` holds no secret values: callers pass names only. */
export async function recordEvent(
  tx: Db | Tx,
  actor: Actor,
  action: string,
  target: Target,
  change: Record<string, unknown> = {},
): Promise<void> {
  await tx
    .insertInto('event')
    .values({
      id: newId(),
      organization_id: target.organizationId,
      actor: actor.name,
      origin: actor.origin,
      action,
      target_kind: target.kind,
      target_id: target.id,
      target_name: target.name,
      change: json(change),
    })
    .execute()
}
