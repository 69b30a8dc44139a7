import { AppError, messageOf } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { labels, selector } from './label.ts'
import { keyOf, referenceTo, type Kind, type KubeObject, type Reference } from './object.ts'
import { follow, type Watched } from './watch.ts'

/** Milliseconds that the first lists may take before whoever needs them is told so. */
const SYNC_LIMIT = 20_000
/** Warnings kept per object, and milliseconds for which they are of interest. */
const EVENTS_PER_OBJECT = 5
const EVENT_AGE = 15 * 60_000
/** Milliseconds between two looks for warnings that are too old. */
const SWEEP = 60_000

/** Kinds without which nothing can be said of an application; others may be absent from a cluster. */
const needed: Kind[] = ['Pod', 'Deployment', 'StatefulSet', 'ReplicaSet', 'Service', 'PersistentVolumeClaim']
const wanted: Kind[] = ['Secret', 'HorizontalPodAutoscaler', 'PodDisruptionBudget', 'HTTPRoute', 'GRPCRoute']

export type KubeEvent = KubeObject & {
  reason: string
  message: string
  type: string
  lastTimestamp?: string | null
  firstTimestamp?: string | null
  eventTime?: string | null
  count?: number
  involvedObject: { kind: string; namespace?: string; name: string; uid?: string; fieldPath?: string }
}

/** What of ours exists on the cluster, kept up to date by watches; one for all who look. */
export class Cache {
  readonly #client: KubeClient
  readonly #clusterId: string
  readonly #onTouch: (applicationId: string) => void
  readonly #objects = new Map<string, KubeObject>()
  readonly #byApplication = new Map<string, Set<string>>()
  readonly #versions = new Map<Kind, bigint>()
  readonly #events = new Map<string, KubeEvent[]>()
  readonly #synced = new Map<Kind, { done: Promise<void>; resolve: () => void }>()
  readonly #waiting = new Map<string, Set<() => void>>()
  #failure: unknown
  #swept = 0
  #started: AbortSignal | undefined

  constructor(client: KubeClient, clusterId: string, onTouch: (applicationId: string) => void) {
    this.#client = client
    this.#clusterId = clusterId
    this.#onTouch = onTouch
    for (const kind of needed) this.#synced.set(kind, deferred())
  }

  /** Begins to watch, once. */
  start(signal: AbortSignal): void {
    if (this.#started && !this.#started.aborted) return
    this.#started = signal
    const ours = `labelSelector=${selector({ [labels.cluster]: this.#clusterId })}`
    for (const kind of [...needed, ...wanted]) void this.#follow({ kind, query: ours, metadataOnly: kind === 'Secret' }, signal)
    void this.#followEvents(signal)
  }

  /** Resolves when everything needed was listed once. Throws `unavailable` with the reason when that does not happen in time. */
  async ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new AppError('unavailable', `The cluster cannot be watched: ${this.#failure ? messageOf(this.#failure) : 'no answer yet'}.`),
          ),
        SYNC_LIMIT,
      )
    })
    try {
      await Promise.race([Promise.all([...this.#synced.values()].map((one) => one.done)), late])
    } finally {
      clearTimeout(timer)
    }
  }

  find(reference: Reference): KubeObject | undefined {
    return this.#objects.get(keyOf(reference))
  }

  /** Resolves at the next change of anything of an application, after `ms` at the latest, or when aborted. */
  changed(applicationId: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(applicationId) ?? new Set()
      this.#waiting.set(applicationId, waiting)
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        waiting.delete(done)
        if (waiting.size === 0) this.#waiting.delete(applicationId)
        resolve()
      }
      const timer = setTimeout(done, ms)
      waiting.add(done)
      if (signal.aborted) done()
      else signal.addEventListener('abort', done)
    })
  }

  /** Everything of one application, of one kind or of all. */
  of(applicationId: string, kind?: Kind): KubeObject[] {
    const keys = this.#byApplication.get(applicationId) ?? new Set()
    return [...keys].flatMap((key) => this.#objects.get(key) ?? []).filter((one) => kind === undefined || one.kind === kind)
  }

  applications(): string[] {
    return [...this.#byApplication].filter(([, keys]) => keys.size > 0).map(([id]) => id)
  }

  /** Up to which version of a kind is known what exists; 0 where it is not read. */
  version(kind: Kind): bigint {
    return this.#versions.get(kind) ?? 0n
  }

  /** Warnings about one object, oldest first. */
  events(reference: Reference, now: number): KubeEvent[] {
    return (this.#events.get(keyOf(reference)) ?? []).filter((one) => now - timeOf(one) < EVENT_AGE)
  }

  #follow(watched: Watched, signal: AbortSignal): Promise<void> {
    const { kind } = watched
    return follow(
      this.#client,
      watched,
      {
        onList: (objects, version) => this.#replace(kind, objects, version),
        onChange: (object, gone) => this.#put(object, gone),
        onVersion: (version) => void this.#versions.set(kind, version),
        onFailure: (error) => (this.#failure = error),
      },
      signal,
    )
  }

  #replace(kind: Kind, objects: KubeObject[], version: bigint): void {
    const listed = new Set(objects.map((one) => keyOf(referenceTo(one))))
    for (const [key, object] of this.#objects) if (object.kind === kind && !listed.has(key)) this.#put(object, true)
    for (const object of objects) this.#put(object, false)
    this.#versions.set(kind, version)
    this.#synced.get(kind)?.resolve()
  }

  #put(object: KubeObject, gone: boolean): void {
    const key = keyOf(referenceTo(object))
    const application = object.metadata.labels?.[labels.application]
    const mine = application === undefined ? undefined : (this.#byApplication.get(application) ?? new Set<string>())
    if (gone) {
      this.#objects.delete(key)
      mine?.delete(key)
      this.#events.delete(key)
    } else {
      this.#objects.set(key, object)
      mine?.add(key)
    }
    if (application === undefined || mine === undefined) return
    if (mine.size > 0) this.#byApplication.set(application, mine)
    else this.#byApplication.delete(application)
    this.#touch(application)
  }

  #touch(applicationId: string): void {
    for (const wake of this.#waiting.get(applicationId) ?? []) wake()
    this.#onTouch(applicationId)
  }

  /** Events have no labels of ours: those of objects that we have are kept, also when they come a moment before their object. */
  #followEvents(signal: AbortSignal): Promise<void> {
    const keep = (event: KubeEvent): void => {
      const { kind, namespace, name } = event.involvedObject
      const key = keyOf({ kind: kind as Kind, namespace: namespace ?? '', name })
      const others = (this.#events.get(key) ?? []).filter((one) => one.metadata.name !== event.metadata.name)
      this.#events.set(key, [...others, event].sort((a, b) => timeOf(a) - timeOf(b)).slice(-EVENTS_PER_OBJECT))
      const application = this.#objects.get(key)?.metadata.labels?.[labels.application]
      if (application) this.#touch(application)
    }
    const query = `fieldSelector=${encodeURIComponent('type=Warning')}`
    return follow(
      this.#client,
      { kind: 'Event', query, metadataOnly: false },
      {
        onList: (events) => {
          this.#events.clear()
          for (const event of events) keep(event as KubeEvent)
        },
        onChange: (event, gone) => (gone ? undefined : keep(event as KubeEvent)),
        onVersion: () => this.#forgetOldEvents(),
        onFailure: (error) => (this.#failure = error),
      },
      signal,
    )
  }

  #forgetOldEvents(): void {
    const now = Date.now()
    if (now - this.#swept < SWEEP) return
    this.#swept = now
    for (const [key, events] of this.#events) if (events.every((one) => now - timeOf(one) > EVENT_AGE)) this.#events.delete(key)
  }
}

/** When an event happened last, in milliseconds. */
export const timeOf = (event: KubeEvent): number =>
  Date.parse(event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp ?? '') || 0

/** When an event that was told again and again happened first, in milliseconds. */
export const firstTimeOf = (event: KubeEvent): number => Date.parse(event.firstTimestamp ?? '') || timeOf(event)

function deferred(): { done: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const done = new Promise<void>((settle) => (resolve = settle))
  return { done, resolve }
}
