import { addonNames, type AddonManifest, type AddonName, type AddonRecord } from '../../../model/addon.ts'
import { AppError } from '../../../model/error.ts'
import type { Finding } from '../../port.ts'
import type { KubeClient } from '../client.ts'
import { KubernetesError } from '../error.ts'
import { identityOf, isDefinition, objectsIn, stagesOf } from './manifest.ts'
import { AddonObjects, thingOf, type Way } from './objects.ts'
import { RecordWriter } from './record.ts'

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

/** Brings add-ons onto a cluster, upgrades and removes them; what is there already is used and never replaced. */
export class Addons {
  readonly #client: KubeClient
  readonly #book: AddonBook
  readonly #source: AddonSource
  readonly #objects: AddonObjects

  constructor(client: KubeClient, of: { book: AddonBook; source: AddonSource }) {
    this.#client = client
    this.#book = of.book
    this.#source = of.source
    this.#objects = new AddonObjects(client)
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
            ? { what: `add-on ${name}`, found: `${record.version}, brought by Berth`, ok: true, remedy: '' }
            : {
                what: `add-on ${name}`,
                found: `${record.version}, brought by Berth; the catalogue has ${latest}`,
                ok: true,
                remedy: deploy,
              }
        if (record) return { what: `add-on ${name}`, found: `${record.version}, not complete`, ok: false, remedy: deploy }
        return { what: `add-on ${name}`, found: there ? 'there, not of Berth' : 'missing', ok: there, remedy: there ? '' : deploy }
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
    const stages = stagesOf(await this.#objects.placed(objectsIn(manifest.files)))
    way.note(`${name} ${manifest.version}: ${record?.complete ? `upgrading from ${record.version}` : 'installing'}`)
    const writer = new RecordWriter(record ?? { version: manifest.version, complete: false, objects: [] }, (next) =>
      this.#book.write(name, next),
    )
    await writer.begin(manifest.version)
    try {
      for (const objects of [stages.definitions, stages.parts, stages.settings]) {
        for (const object of objects) await this.#objects.apply(object, writer, way)
        await this.#objects.stand(objects, way)
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
      if (await this.#objects.takeAway(object, way)) await writer.forget(object)
    await writer.complete()
    way.note(`${name} ${manifest.version} runs`)
  }

  /** Whole or not at all: what its controllers hold by a finalizer could never go without them. */
  async #remove(name: AddonName, record: AddonRecord, way: Way): Promise<void> {
    const user = await this.#objects.userOf(record.objects)
    if (user !== undefined)
      return way.note(
        `${name} ${record.version} is not asked for any more, and stays: ${user} needs it. Once that is gone, the next deployment of the cluster removes it.`,
      )
    way.note(`${name} ${record.version}: removing`)
    const writer = new RecordWriter({ ...record, complete: false }, (next) => this.#book.write(name, next))
    const [definitions, others] = [record.objects.filter(isDefinition), record.objects.filter((one) => !isDefinition(one))]
    for (const object of [...others].reverse()) {
      await this.#objects.takeAway(object, way)
      await writer.forget(object)
    }
    for (const object of definitions) if (await this.#objects.takeAway(object, way)) await writer.forget(object)
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
}
