import type { Place } from '../../model/workload.ts'
import type { Cache } from './cache.ts'
import { fingerprint, MANAGER, SCALE_MANAGER } from './fingerprint.ts'
import { keyOf, versionOf, type Reference } from './object.ts'

/**
 * One object that Berth made for an application. `mark`: the rollout (`revision/generation`) or `route`. `uid` null: about to be made.
 * `fingerprint`: what was applied, as `fingerprint.ts` reads it; null where only its being there is known. `version`: its resource version then.
 */
export type Entry = Reference & { mark: string; uid: string | null; fingerprint: string | null; version: string }

/** Rows of the store, handed in by `server.ts`: what was made outlives the process that made it. */
export type InventoryBook = {
  record(of: { applicationId: string; organizationId: string }, entries: Entry[]): Promise<void>
  forget(applicationId: string, references: Reference[]): Promise<void>
  list(applicationId: string): Promise<Entry[]>
}

export const ROUTE_MARK = 'route'
export const markOf = (rollout: { revision: number; generation: number }): string => `${rollout.revision}/${rollout.generation}`

/** What was made for each application: read once, kept in step with the store while this process holds the cluster. */
export class Inventory {
  readonly #book: InventoryBook
  readonly #known = new Map<string, Map<string, Entry>>()

  constructor(book: InventoryBook) {
    this.#book = book
  }

  /** Forgets what was read: somebody else may have held the cluster meanwhile. */
  reset(): void {
    this.#known.clear()
  }

  /** As the store has it now, whoever holds the cluster. */
  stored(applicationId: string): Promise<Entry[]> {
    return this.#book.list(applicationId)
  }

  async of(applicationId: string): Promise<Entry[]> {
    return [...(await this.#load(applicationId)).values()]
  }

  async record(place: Pick<Place, 'applicationId' | 'organizationId'>, entries: Entry[]): Promise<void> {
    if (entries.length === 0) return
    const known = await this.#load(place.applicationId)
    // What is there already keeps its uid until it is known anew.
    const merged = entries.map((entry) => ({ ...entry, uid: entry.uid ?? known.get(keyOf(entry))?.uid ?? null }))
    await this.#book.record(place, merged)
    for (const entry of merged) known.set(keyOf(entry), entry)
  }

  async forget(applicationId: string, references: Reference[]): Promise<void> {
    if (references.length === 0) return
    const known = await this.#load(applicationId)
    await this.#book.forget(applicationId, references)
    for (const one of references) known.delete(keyOf(one))
  }

  async #load(applicationId: string): Promise<Map<string, Entry>> {
    const found = this.#known.get(applicationId) ?? new Map((await this.#book.list(applicationId)).map((entry) => [keyOf(entry), entry]))
    this.#known.set(applicationId, found)
    return found
  }
}

/** What is not as it was applied: gone, or changed by somebody else. Only where the watch has come past the time of applying. */
export function driftOf(entries: Entry[], cache: Cache): string[] {
  return entries.flatMap((entry) => {
    if (entry.uid === null) return []
    const live = cache.find(entry)
    if (!live || (live.metadata.uid !== entry.uid && versionOf(live.metadata.resourceVersion) > versionOf(entry.version)))
      return cache.version(entry.kind) >= versionOf(entry.version) && cache.version(entry.kind) > 0n ? [`${nameOf(entry)} is gone`] : []
    if (entry.fingerprint === null || versionOf(live.metadata.resourceVersion) <= versionOf(entry.version)) return []
    const same = [[MANAGER], [MANAGER, SCALE_MANAGER]].some((managers) => fingerprint(live, managers) === entry.fingerprint)
    return same ? [] : [`${nameOf(entry)} was changed`]
  })
}

export const nameOf = (reference: Reference): string => `${reference.kind} ${reference.name}`
