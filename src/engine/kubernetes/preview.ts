import type { Workload } from '../../model/workload.ts'
import type { Change } from '../port.ts'
import type { Objects } from './apply.ts'
import type { KubeClient } from './client.ts'
import { isMissing } from './error.ts'
import { ROUTE_MARK, nameOf, type Inventory } from './inventory.ts'
import { keyOf, pathTo, referenceTo, type KubeObject } from './object.ts'

/** Lines shown per object: a person reads them. */
const LINE_LIMIT = 200

/** What applying would change: asked of the API server by a dry run, so that its defaults and its admission rules have their say. */
export async function previewChanges(
  workload: Workload,
  wanted: KubeObject[],
  on: { client: KubeClient; objects: Objects; inventory: Inventory },
): Promise<Change[]> {
  const changes: Change[] = []
  for (const object of wanted) {
    const reference = referenceTo(object)
    const live = await on.client.find<KubeObject>('GET', pathTo(reference))
    const then = await on.objects
      .apply(object, { dryRun: true })
      .catch((error: unknown) => (isMissing(error) ? undefined : Promise.reject(error as Error)))
    const lines = differences(live && shown(live), shown(then ?? object))
    if (!live || lines.length > 0) changes.push({ object: nameOf(reference), action: live ? 'change' : 'create', lines: live ? lines : [] })
  }
  const keep = new Set(wanted.map((object) => keyOf(referenceTo(object))))
  for (const entry of await on.inventory.stored(workload.place.applicationId))
    if (entry.mark !== ROUTE_MARK && !keep.has(keyOf(entry))) changes.push({ object: nameOf(entry), action: 'remove', lines: [] })
  return changes
}

/** Without what the server keeps for itself; the values of variables never leave. */
function shown(object: KubeObject): Record<string, unknown> {
  const { metadata, status: _status, ...rest } = object
  const data = rest['data'] as Record<string, string> | undefined
  return {
    ...rest,
    ...(data ? { data: Object.fromEntries(Object.keys(data).map((key) => [key, '***'])) } : {}),
    metadata: { labels: metadata.labels ?? {} },
  }
}

/** One line per leaf that differs: `~ spec.template.spec.containers[0].image: a → b`. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  const nested = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  if (nested(before) && nested(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    const below = (key: string): string => (Array.isArray(after) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`)
    return keys.flatMap((key) => differences(before[key], after[key], below(key))).slice(0, LINE_LIMIT)
  }
  const text = (value: unknown): string => JSON.stringify(value)?.slice(0, 200) ?? ''
  if (before === undefined) return [`+ ${path}: ${text(after)}`]
  if (after === undefined) return [`- ${path}: ${text(before)}`]
  return [`~ ${path}: ${text(before)} → ${text(after)}`]
}
