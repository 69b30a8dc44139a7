import { createHash } from 'node:crypto'
import type { ApplicationSpec } from '../model/application.ts'
import type { Image } from '../model/image.ts'
import { defaultSettings } from '../model/settings.ts'

/**
 * What a release means: what runs and how. Descriptions, ids and who serves where are left out, so changing them restarts nothing;
 * so is what stands at its default, so that a setting of a later version of Berth restarts nothing either.
 */
export function digestOf(release: {
  spec: ApplicationSpec
  image: Image
  variables: Record<string, { literal: string } | { fingerprint: string }>
  /** Of who pulls the image; null where anybody may. */
  access: string | null
}): string {
  const { source: _source, autoDeploy: _autoDeploy, ...running } = release.spec
  const { build: _build, ...all } = running.settings
  const settings = Object.fromEntries(
    Object.entries(all).filter(([key, value]) => canonical(value) !== canonical(defaultSettings[key as keyof typeof all])),
  )
  const ports = running.ports.map(({ id: _id, ...port }) => port)
  const set = Object.fromEntries(Object.entries(running).filter(([, value]) => value !== null))
  const access = release.access === null ? {} : { access: release.access }
  const meaning = { ...set, settings, ports, image: release.image, variables: release.variables, ...access }
  return createHash('sha256').update(canonical(meaning)).digest('hex')
}

/** JSON with sorted keys: equal values, equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
      .join(',')}}`
  return JSON.stringify(value) ?? 'null'
}
