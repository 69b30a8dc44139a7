import type { Explanation } from '../model/deployment.ts'
import { json, sql, type Db } from './database.ts'
import { notify } from './notify.ts'

export type LogLine = { at: Date; applicationId: string | null; step: string; message: string; error: Explanation | null }

/** Lines kept of one deployment; the writer says when it is reached. */
export const LOG_LIMIT = 20_000
/** Characters kept of one line. */
const LINE_LIMIT = 4_000

/** Appends in one statement, at strictly increasing times: clients tell lines apart by their time. */
export async function appendLog(db: Db, deploymentId: string, lines: Omit<LogLine, 'at'>[]): Promise<void> {
  if (lines.length === 0) return
  const rows = lines.map((line) => ({
    application_id: line.applicationId,
    step: line.step,
    message: line.message.slice(0, LINE_LIMIT).replaceAll('\u0000', ''),
    error: line.error,
  }))
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext(${deploymentId}))`.execute(tx)
    await sql`
      insert into deployment_log (deployment_id, at, application_id, step, message, error)
      select ${deploymentId}::uuid, s.base + (t.n * interval '1 microsecond'), (t.line->>'application_id')::uuid, t.line->>'step', t.line->>'message', nullif(t.line->'error', 'null'::jsonb)
      from jsonb_array_elements(${json(rows)}::jsonb) with ordinality as t(line, n),
        (select greatest(clock_timestamp(), (select max(at) from deployment_log where deployment_id = ${deploymentId}::uuid)) as base) s`.execute(
      tx,
    )
  })
  await notify(db, 'log', deploymentId)
}

/** Lines after a time (microseconds, as text, since a Date holds milliseconds only), oldest first. */
export async function readLog(db: Db, deploymentId: string, after: string | null, limit: number): Promise<(LogLine & { exact: string })[]> {
  const found = await sql<{
    exact: string
    application_id: string | null
    step: string
    message: string
    error: Explanation | null
    at: Date
  }>`
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as exact, at, application_id, step, message, error from deployment_log
    where deployment_id = ${deploymentId} and (${after}::timestamptz is null or at > ${after}::timestamptz) order by at limit ${limit}`.execute(
    db,
  )
  return found.rows.map((row) => ({
    exact: row.exact,
    at: row.at,
    applicationId: row.application_id,
    step: row.step,
    message: row.message,
    error: row.error,
  }))
}
