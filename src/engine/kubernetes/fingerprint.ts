import { createHash } from 'node:crypto'
import type { KubeObject } from './object.ts'

/** Field managers: who owns what (kubernetes.md §18). The count has one of its own, so that an autoscaler can take it over without a dip. */
export const MANAGER = 'berth'
export const SCALE_MANAGER = 'berth-scale'

type Fields = Record<string, unknown>

/** What our managers own of an object, with its values: equal texts mean that nobody touched it. */
export function fingerprint(object: KubeObject, managers: string[] = [MANAGER]): string {
  const owned = (object.metadata.managedFields ?? [])
    .filter((one) => managers.includes(one.manager) && one.operation === 'Apply')
    .sort((a, b) => a.manager.localeCompare(b.manager))
    .map((one) => valuesOf(object, (one.fieldsV1 ?? {}) as Fields))
  return createHash('sha256').update(JSON.stringify(owned)).digest('hex').slice(0, 32)
}

/** The values below the fields of a `fieldsV1` set (f: a field, k: the list item with these keys, v: a value of a set). */
function valuesOf(value: unknown, fields: Fields): unknown {
  const keys = Object.keys(fields)
    .filter((key) => key !== '.')
    .sort()
  if (keys.length === 0) return sorted(value)
  return keys.map((key) => [key, valuesOf(childOf(value, key), (fields[key] ?? {}) as Fields)])
}

function childOf(value: unknown, key: string): unknown {
  const name = key.slice(2)
  if (key.startsWith('f:')) return (value as Fields | undefined)?.[name]
  if (!Array.isArray(value)) return undefined
  const wanted = JSON.parse(name) as unknown
  if (key.startsWith('v:')) return value.find((one) => one === wanted)
  return value.find((one) =>
    Object.entries(wanted as Fields).every(([field, text]) => ((one as Fields)[field] ?? defaults[field]) === text),
  )
}

/** Defaulted keys of list items, which the object may not spell out. */
const defaults: Fields = { protocol: 'TCP' }

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, item]) => [key, sorted(item)]),
    )
  return value
}
