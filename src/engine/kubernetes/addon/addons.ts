import { setTimeout as pause } from 'node:timers/promises'
import { addonNames, type AddonManifest, type AddonName, type AddonObject, type AddonRecord } from '../../../model/addon.ts'
import { AppError, messageOf } from '../../../model/error.ts'
import type { Finding } from '../../port.ts'
import type { KubeClient } from '../client.ts'
import { isMissing, KubernetesError } from '../error.ts'
import type { KubeObject } from '../object.ts'
import { Discovery } from './discovery.ts'
import { identityOf, isDefinition, nameOf, objectsIn, stagesOf } from './manifest.ts'
import { RecordWriter } from './record.ts'
import { troubleOf, waitsFor } from './ready.ts'

/** Owner of the fields of add-ons, apart from those of applications. */
const MANAGER = 'berth-addons'
/** Milliseconds that one stage of an add-on may take to stand, and that a thing may take to go. */
const READY_LIMIT = 180_000
const REMOVAL_LIMIT = 60_000
const LOOK = 500

/** Where the API of each add-on is when it is there, whoever installed it. */
const apis: Record<AddonName, string> = {
  'cert-manager': '/apis/cert-manager.io/v1',
  'envoy-gateway': '/apis/gateway.envoyproxy.io/v1alpha1',
  'metrics-server': '/apis/metrics.k8s.io/v1beta1',
  keda: '/apis/keda.sh/v1alpha1',
}

/** What was brought, kept by the store: it outlives the process that brought it. */
export type AddonBook = {
  read(): Promise<Map<AddonName, AddonRecord>>
  write(name: AddonName, record: AddonRecord | null): Promise<void>
}
/** Pinned manifests, their checksums proven. */
export type AddonSource = { versions(): Promise<Map<string, string>>; manifest(name: string): Promise<AddonManifest> }

type Way = { note: (line: string) => void; signal: AbortSignal }

/** Brings add-ons onto a cluster, upgrades and removes them; what is there already is used and never replaced. */
export class Addons {
  readonly #client: KubeClient
  readonly #book: AddonBook
  readonly #source: AddonSource
  readonly #discovery: Discovery

  constructor(client: KubeClient, of: { book: AddonBook; source: AddonSource }) {
    this.#client = client
    this.#book = of.book
    this.#source = of.source
    this.#discovery = new Discovery(client)
  }

  /** Afterwards the cluster has what is asked. Safe to call again after any failure. */
  async bring(asked: AddonName[], way: Way): Promise<void> {
    const records = await this.#book.read()
    for (const name of addonNames) if (asked.includes(name)) await this.#bring(name, records.get(name), way)
  }

  /** Takes away what Berth brought and nobody asks for any more, the last first. */
  async removeOthers(asked: AddonName[], way: Way): Promise<void> {
    const records = await this.#book.read()
    for (const name of [...addonNames].reverse()) {
      const record = records.get(name)
      if (record && !asked.includes(name)) await this.#remove(name, record, way)
    }
  }

  /** A row per add-on that is asked or was brought. */
  async findings(asked: AddonName[]): Promise<Finding[]> {
    const records = await this.#book.read()
    const wanted = addonNames.filter((name) => asked.includes(name) || records.get(name)?.complete)
    if (wanted.length === 0) return []
    const versions = await this.#source.versions().catch(() => new Map<string, string>())
    return Promise.all(
      wanted.map(async (name) => {
        const [record, latest] = [records.get(name), versions.get(name)]
        const there = await this.#isThere(name)
        const deploy = 'Deploy the cluster: berth cluster deploy.'
        if (record?.complete && there)
          return record.version === latest || latest === undefined || !asked.includes(name)
            ? { what: name, found: `${record.version}, brought by Berth`, ok: true, remedy: '' }
            : { what: name, found: `${record.version}, brought by Berth; the catalogue has ${latest}`, ok: true, remedy: deploy }
        if (record) return { what: name, found: `${record.version}, not complete`, ok: false, remedy: deploy }
        return { what: name, found: there ? 'there, not of Berth' : 'missing', ok: there, remedy: there ? '' : deploy }
      }),
    )
  }

  async #bring(name: AddonName, record: AddonRecord | undefined, way: Way): Promise<void> {
    const there = await this.#isThere(name)
    if (!record && there) return way.note(`${name} is on the cluster already: it is used as it is`)
    const latest = (await this.#source.versions()).get(name)
    if (record?.complete && there && (latest === undefined || latest === record.version))
      return way.note(`${name} ${record.version} is there`)
    const manifest = await this.#source.manifest(name)
    const stages = stagesOf(await this.#placed(objectsIn(manifest.files)))
    way.note(`${name} ${manifest.version}: ${record?.complete ? `upgrading from ${record.version}` : 'installing'}`)
    const writer = new RecordWriter(record ?? { version: manifest.version, complete: false, objects: [] }, (next) =>
      this.#book.write(name, next),
    )
    await writer.begin(manifest.version)
    try {
      for (const objects of [stages.definitions, stages.parts, stages.settings]) {
        for (const object of objects) await this.#apply(object, writer, way)
        await this.#stand(objects, way)
      }
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 403)
        throw new AppError(
          'forbidden',
          `The account may not install ${name} (${error.message}). Give the cluster an administrator's kubeconfig for this (berth cluster kubeconfig --set), or install ${name} yourself: Berth then uses it.`,
        )
      throw error
    }
    const kept = new Set([...stages.definitions, ...stages.parts, ...stages.settings].map((one) => identityOf(thingOf(one))))
    for (const object of writer.objects.filter((one) => !kept.has(identityOf(one))).reverse())
      if (await this.#takeAway(object, way)) await writer.forget(object)
    await writer.complete()
    way.note(`${name} ${manifest.version} runs`)
  }

  async #remove(name: AddonName, record: AddonRecord, way: Way): Promise<void> {
    way.note(`${name} ${record.version}: removing`)
    const writer = new RecordWriter({ ...record, complete: false }, (next) => this.#book.write(name, next))
    const [definitions, others] = [record.objects.filter(isDefinition), record.objects.filter((one) => !isDefinition(one))]
    for (const object of [...others].reverse()) {
      await this.#takeAway(object, way)
      await writer.forget(object)
    }
    for (const object of definitions) if (await this.#takeAway(object, way)) await writer.forget(object)
    if (writer.objects.length === 0) await this.#book.write(name, null)
    way.note(
      writer.objects.length === 0
        ? `${name} is removed`
        : `${name} is removed but for ${writer.objects.length} definitions that are in use`,
    )
  }

  /** An API whose server is down for a moment (metrics-server's is behind the API server) is there too. */
  async #isThere(name: AddonName): Promise<boolean> {
    try {
      return (await this.#client.find('GET', apis[name], { patience: 5000 })) !== undefined
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 503) return true
      throw error
    }
  }

  /** Objects without a namespace go where `kubectl apply` would put them. */
  async #placed(objects: KubeObject[]): Promise<KubeObject[]> {
    const own = new Map(objects.filter(isDefinition).map(scopeOf))
    for (const object of objects) {
      const isNamespaced = own.get(object.kind) ?? (await this.#discovery.isNamespaced(object.apiVersion, object.kind))
      if (object.metadata.namespace === undefined && isNamespaced) object.metadata.namespace = 'default'
    }
    return objects
  }

  /** Into the record before it exists. What somebody else has under the name is used where it can be shared, and refused where it cannot. */
  async #apply(object: KubeObject, writer: RecordWriter, { signal, note }: Way): Promise<void> {
    const thing = thingOf(object)
    const path = await this.#discovery.pathTo(thing)
    const ours = writer.has(thing)
    const live = ours ? undefined : await this.#client.find<KubeObject>('GET', path, { signal })
    if (live && (isDefinition(thing) || thing.kind === 'Namespace')) return note(`${nameOf(thing)} is there already: it is used as it is`)
    if (live) throw new AppError('conflict', `${nameOf(thing)} is on the cluster already and is not Berth's: nothing of it was changed.`)
    await writer.record({ ...thing, uid: null })
    const applied = await this.#client
      .call<KubeObject>('PATCH', `${path}?fieldManager=${MANAGER}&force=true`, {
        body: object,
        type: 'application/apply-patch+yaml',
        signal,
      })
      .catch(async (error: unknown) => {
        if (!ours || !(error instanceof KubernetesError) || error.status !== 422 || keepsData.has(thing.kind)) throw error
        note(`${nameOf(thing)} cannot be changed in place: it is made anew`)
        await this.#client.find('DELETE', path, { body: { propagationPolicy: 'Background' }, signal })
        await this.#gone(path, signal)
        return this.#client.call<KubeObject>('PATCH', `${path}?fieldManager=${MANAGER}&force=true`, {
          body: object,
          type: 'application/apply-patch+yaml',
          signal,
        })
      })
    await writer.record({ ...thing, uid: applied.metadata.uid ?? null })
  }

  /** Waits until all of a stage does its work; says what it waits for, and why in vain. */
  async #stand(objects: KubeObject[], { note, signal }: Way): Promise<void> {
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
  async #takeAway(thing: AddonObject, { note, signal }: Way): Promise<boolean> {
    const path = await this.#discovery.pathTo(thing).catch(absent)
    const live = path === undefined ? undefined : await this.#client.find<KubeObject>('GET', path, { signal })
    if (path === undefined || !live || (thing.uid !== null && live.metadata.uid !== thing.uid)) return true
    if (isDefinition(thing) && (await this.#isUsed(live))) {
      note(`${nameOf(thing)} stays: there are objects of it, which would go with it`)
      return false
    }
    const preconditions = live.metadata.uid === undefined ? {} : { preconditions: { uid: live.metadata.uid } }
    await this.#client.find('DELETE', path, { body: { propagationPolicy: 'Background', ...preconditions }, signal })
    await this.#gone(path, signal)
    return true
  }

  async #isUsed(definition: KubeObject): Promise<boolean> {
    const spec = definition['spec'] as { group: string; names: { plural: string }; versions: { name: string; served: boolean }[] }
    const version = spec.versions.find((one) => one.served)?.name
    if (version === undefined) return false
    const list = await this.#client.find<{ items: unknown[] }>('GET', `/apis/${spec.group}/${version}/${spec.names.plural}?limit=1`)
    return (list?.items.length ?? 0) > 0
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

const thingOf = (object: KubeObject): AddonObject => ({
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
