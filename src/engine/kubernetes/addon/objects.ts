import { setTimeout as pause } from 'node:timers/promises'
import type { AddonObject } from '../../../model/addon.ts'
import { AppError, messageOf } from '../../../model/error.ts'
import type { KubeClient } from '../client.ts'
import { isMissing, KubernetesError } from '../error.ts'
import type { KubeObject } from '../object.ts'
import { Discovery } from './discovery.ts'
import { group, identityOf, isDefinition, nameOf } from './manifest.ts'
import { troubleOf, waitsFor } from './ready.ts'
import type { RecordWriter } from './record.ts'

/** Owner of the fields of add-ons, apart from those of applications. */
const MANAGER = 'berth-addons'
/** Milliseconds that one stage of an add-on may take to stand, and that a thing may take to go. */
const READY_LIMIT = 180_000
const REMOVAL_LIMIT = 60_000
const LOOK = 500
/** Objects of a definition that are looked at for their owners; a definition with more is in use. */
const LOOK_THROUGH = 100

const APPLY = 'application/apply-patch+yaml'

type Definition = KubeObject & {
  spec: { group: string; names: { kind: string; plural: string }; versions: { name: string; served: boolean }[] }
}
/** What is not told as a user: things by their identity, and what objects of these kinds own. */
type Known = { things: Set<string>; kinds: Set<string> }
/** How work on an add-on is told, and ended. */
export type Way = { note: (line: string) => void; signal: AbortSignal }

/** Single objects of add-ons, of whatever kind: applied, waited for, taken away. */
export class AddonObjects {
  readonly #client: KubeClient
  readonly #discovery: Discovery

  constructor(client: KubeClient) {
    this.#client = client
    this.#discovery = new Discovery(client)
  }

  /** Objects without a namespace go where `kubectl apply` would put them. */
  async placed(objects: KubeObject[]): Promise<KubeObject[]> {
    const own = new Map(objects.filter(isDefinition).map(scopeOf))
    for (const object of objects) {
      const isNamespaced = own.get(object.kind) ?? (await this.#discovery.isNamespaced(object.apiVersion, object.kind))
      if (object.metadata.namespace === undefined && isNamespaced) object.metadata.namespace = 'default'
    }
    return objects
  }

  /** Into the record before it exists. What somebody else has under the name is used where it can be shared, and refused where it cannot. */
  async apply(object: KubeObject, writer: RecordWriter, { signal, note }: Way): Promise<void> {
    const thing = thingOf(object)
    const path = await this.#discovery.pathTo(thing)
    const ours = writer.has(thing)
    const live = ours ? undefined : await this.#client.find<KubeObject>('GET', path, { signal })
    if (live && (isDefinition(thing) || thing.kind === 'Namespace')) return note(`${nameOf(thing)} is there already: it is used as it is`)
    if (live) throw new AppError('conflict', `${nameOf(thing)} is on the cluster already and is not Berth's: nothing of it was changed.`)
    await writer.record({ ...thing, uid: null })
    const write = (): Promise<KubeObject> =>
      this.#client.call('PATCH', `${path}?fieldManager=${MANAGER}&force=true`, { body: object, type: APPLY, signal })
    const applied = await write().catch(async (error: unknown) => {
      if (!ours || !(error instanceof KubernetesError) || error.status !== 422 || keepsData.has(thing.kind)) throw error
      note(`${nameOf(thing)} cannot be changed in place: it is made anew`)
      await this.#client.find('DELETE', path, { body: { propagationPolicy: 'Background' }, signal })
      await this.#gone(path, signal)
      return write()
    })
    await writer.record({ ...thing, uid: applied.metadata.uid ?? null })
  }

  /** Waits until all of a stage does its work; says what it waits for, and why in vain. */
  async stand(objects: KubeObject[], { note, signal }: Way): Promise<void> {
    const until = Date.now() + READY_LIMIT
    for (const object of objects) {
      const thing = thingOf(object)
      let told = false
      for (;;) {
        const live = await this.#client.find<KubeObject>('GET', await this.#discovery.pathTo(thing), { signal })
        // A job that is done may be gone already.
        const why = live ? waitsFor(live) : object.kind === 'Job' ? null : 'it is gone'
        if (why === null) break
        if (Date.now() > until) throw new AppError('unavailable', await this.#failure(thing, live, why))
        if (!told && object.kind !== 'CustomResourceDefinition') note(`Waiting for ${nameOf(thing)}, for ${READY_LIMIT / 1000} s at most`)
        told = true
        await pause(LOOK, undefined, { signal })
      }
    }
  }

  async #failure(thing: AddonObject, live: KubeObject | undefined, why: string): Promise<string> {
    const { matchLabels } = (live?.['spec'] as { selector?: { matchLabels?: Record<string, string> } })?.selector ?? {}
    const selector = Object.entries(matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
    const pods =
      selector.length === 0
        ? []
        : (
            await this.#client.call<{ items: KubeObject[] }>(
              'GET',
              `/api/v1/namespaces/${thing.namespace}/pods?labelSelector=${encodeURIComponent(selector.join(','))}`,
            )
          ).items
    return `${nameOf(thing)} is not ready after ${READY_LIMIT / 1000} s: ${troubleOf(pods) ?? why}. Deploying the cluster again goes on from here.`
  }

  /** True when it is gone, or is not Berth's; false for a definition that somebody's objects need. */
  async takeAway(thing: AddonObject, { note, signal }: Way): Promise<boolean> {
    const path = await this.#discovery.pathTo(thing).catch(absent)
    const live = path === undefined ? undefined : await this.#client.find<KubeObject>('GET', path, { signal })
    if (path === undefined || !live || !isOurs(thing, live)) return true
    const user = isDefinition(thing) ? await this.#userOf(live as Definition) : undefined
    if (user !== undefined) {
      note(`${nameOf(thing)} stays: ${user} would go with it`)
      return false
    }
    const preconditions = live.metadata.uid === undefined ? {} : { preconditions: { uid: live.metadata.uid } }
    await this.#client.find('DELETE', path, { body: { propagationPolicy: 'Background', ...preconditions }, signal })
    await this.#gone(path, signal)
    return true
  }

  /** An object that would not work without `things`: of a kind that one of them defines, and not itself among them. Undefined where there is none. */
  async userOf(things: AddonObject[]): Promise<string | undefined> {
    const definitions: Definition[] = []
    for (const thing of things.filter(isDefinition)) {
      const live = await this.#client.find<Definition>('GET', await this.#discovery.pathTo(thing))
      if (live && isOurs(thing, live)) definitions.push(live)
    }
    const known = {
      things: new Set(things.map(identityOf)),
      kinds: new Set(definitions.map(({ spec }) => `${spec.group}/${spec.names.kind}`)),
    }
    for (const definition of definitions) {
      const user = await this.#userOf(definition, known)
      if (user !== undefined) return user
    }
    return undefined
  }

  async #userOf({ spec }: Definition, known: Known = { things: new Set(), kinds: new Set() }): Promise<string | undefined> {
    const version = spec.versions.find((one) => one.served)?.name
    if (version === undefined) return undefined
    const path = `/apis/${spec.group}/${version}/${spec.names.plural}?limit=${LOOK_THROUGH}`
    const list = await this.#client.find<{ items: KubeObject[]; metadata: { continue?: string } }>('GET', path)
    for (const { metadata } of list?.items ?? []) {
      // Items of a list come without their kind.
      const item = thingOf({ apiVersion: `${spec.group}/${version}`, kind: spec.names.kind, metadata })
      if (!known.things.has(identityOf(item)) && (await this.#isWanted(metadata, known))) return nameOf(item)
    }
    return list?.metadata.continue ? `one of many objects of ${spec.names.kind}` : undefined
  }

  /**
   * Somebody made it, or it has an owner that is there. What is owned by a kind that is looked at too is its owner's matter; the rest is
   * garbage that the cluster has not collected yet, which takes it a minute for a new kind.
   */
  async #isWanted(metadata: KubeObject['metadata'], known: Known): Promise<boolean> {
    const owners = metadata.ownerReferences ?? []
    for (const { apiVersion, kind, name, uid } of owners.filter((one) => !known.kinds.has(`${group(one.apiVersion)}/${one.kind}`))) {
      const owner = { apiVersion, kind, name, namespace: metadata.namespace ?? '', uid }
      const path = await this.#discovery.pathTo(owner).catch(absent)
      const live = path === undefined ? undefined : await this.#client.find<KubeObject>('GET', path)
      if (live?.metadata.uid === uid) return true
    }
    return owners.length === 0
  }

  /** Waits a moment: what takes longer (a namespace with much in it) goes on by itself. */
  async #gone(path: string, signal: AbortSignal): Promise<void> {
    const until = Date.now() + REMOVAL_LIMIT
    while (Date.now() < until && (await this.#client.find('GET', path, { signal }))) await pause(LOOK, undefined, { signal })
  }
}

/** Making these anew would lose what is in them. */
const keepsData = new Set(['Namespace', 'CustomResourceDefinition', 'PersistentVolumeClaim', 'PersistentVolume', 'Secret'])

function scopeOf(definition: KubeObject): [kind: string, isNamespaced: boolean] {
  const { names, scope } = definition['spec'] as { names: { kind: string }; scope: string }
  return [names.kind, scope === 'Namespaced']
}

export const thingOf = (object: KubeObject): AddonObject => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
  uid: null,
})

function absent(error: unknown): undefined {
  if (isMissing(error)) return undefined
  throw error instanceof Error ? error : new Error(messageOf(error))
}

/** One whose making broke off has no uid on record: then its fields tell who made it. */
const isOurs = (thing: AddonObject, live: KubeObject): boolean =>
  thing.uid === null ? (live.metadata.managedFields ?? []).some((one) => one.manager === MANAGER) : live.metadata.uid === thing.uid
