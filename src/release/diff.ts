import { referenceOf } from '../model/image.ts'
import type { Release } from '../model/release.ts'
import type { VariableValue } from '../model/variable.ts'

/** What a diff needs of a release; `image` null = not built yet. */
export type Compared = Pick<Release, 'spec' | 'variables' | 'commit'> & { image: Release['image'] | null }

/**
 * What differs between two releases, a line each for a person: `+` is new, `-` is gone, `~` is another value. Values of secrets are never in it: a secret is
 * the same while it is the same version of the same value.
 */
export function diffReleases(before: Compared | null, after: Compared): string[] {
  return [
    ...imageLines(before, after),
    ...valueLines('', settingsOf(before), settingsOf(after)),
    ...variableLines(before?.variables ?? {}, after.variables),
  ]
}

/** What going back to a release leaves as it is, in sentences. */
export function notUndone(before: Compared, after: Compared): string[] {
  const volumes = before.spec.volumes.some(
    (volume) => !after.spec.volumes.some((other) => other.id === volume.id && other.sizeGib >= volume.sizeGib),
  )
  return [
    'The configuration that you edit stays as it is: the next deployment takes it up again.',
    ...(before.spec.volumes.length > 0 || after.spec.volumes.length > 0 ? ['What is written on volumes stays as it is now.'] : []),
    ...(volumes ? ['Volumes do not shrink, and one that the older release does not know is kept.'] : []),
    'What the application did elsewhere (in a database, say) stays.',
  ]
}

function imageLines(before: Compared | null, after: Compared): string[] {
  const commit = (release: Compared | null): string => (release?.commit ? ` (commit ${release.commit.id.slice(0, 12)})` : '')
  const name = (release: Compared | null): string | undefined =>
    release?.image ? `${referenceOf(release.image)}${commit(release)}` : undefined
  const [old, next] = [name(before), name(after) ?? `built${commit(after)}`]
  if (old === next || (before?.image && after.image && referenceOf(before.image) === referenceOf(after.image))) return []
  return [old === undefined ? `+ image: ${next}` : `~ image: ${old} → ${next}`]
}

/** What a release does apart from where it comes from. */
function settingsOf(release: Compared | null): Record<string, unknown> {
  if (!release) return {}
  const { source: _source, autoDeploy: _auto, settings, ports, volumes, ...rest } = release.spec
  const { build: _build, ...advanced } = settings
  return {
    ...rest,
    ports: Object.fromEntries(ports.map(({ id: _id, ...port }) => [port.name, port])),
    volumes: Object.fromEntries(volumes.map(({ id: _id, ...volume }) => [volume.mountPath, volume])),
    ...advanced,
  }
}

function valueLines(path: string, before: unknown, after: unknown): string[] {
  const text = (value: unknown): string => (JSON.stringify(value) ?? '').slice(0, 200)
  if (text(before) === text(after)) return []
  const nested = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
  if (nested(after) && (nested(before) || path === ''))
    return [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])]
      .sort()
      .flatMap((key) =>
        valueLines(path === '' ? key : `${path}.${key}`, (before as Record<string, unknown> | undefined)?.[key], after[key]),
      )
  if (before === undefined || before === null)
    return after === undefined || after === null || isEmpty(after) ? [] : [`+ ${path}: ${text(after)}`]
  if (after === undefined || after === null) return [`- ${path}: ${text(before)}`]
  return [`~ ${path}: ${text(before)} → ${text(after)}`]
}

const isEmpty = (value: unknown): boolean => (typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : false)

function variableLines(before: Record<string, VariableValue>, after: Record<string, VariableValue>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((key) => {
    const [old, next] = [before[key], after[key]]
    if (next === undefined) return [`- variables.${key}`]
    if (old === undefined) return [`+ variables.${key}: ${shown(next)}`]
    if (JSON.stringify(old) === JSON.stringify(next)) return []
    return [`~ variables.${key}: ${shown(old)} → ${shown(next)}`]
  })
}

const shown = (value: VariableValue): string =>
  'secret' in value ? `*** (version ${value.secret.version})` : JSON.stringify(value.literal).slice(0, 200)
