import { hash } from 'bcryptjs'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { ownRegistryNames, systemNamespace, type OwnRegistry } from '../../model/cluster.ts'
import { AppError } from '../../model/error.ts'
import { AddonObjects, type Way } from './addon/objects.ts'
import type { Objects } from './apply.ts'
import { askPod } from './ask-pod.ts'
import type { KubeClient } from './client.ts'
import { openExec } from './exec.ts'
import { annotations, labels, selector } from './label.ts'
import { pathOf, pathTo, type Condition, type Kind, type KubeObject, type Reference } from './object.ts'
import { REGISTRY, REGISTRY_PROXY } from './render/name.ts'
import type { RenderContext } from './render/pod.ts'
import { REGISTRY_CONFIG, REGISTRY_PORT, REGISTRY_USER, renderRegistry } from './render/registry.ts'

/** Milliseconds that the registry may take to answer. */
const ANSWER_LIMIT = 20_000
/** Milliseconds that builds may have to wait while it is cleaned, and while it is started again; and between two looks. */
const COLLECT_LIMIT = 600_000
const START_LIMIT = 60_000
const LOOK = 500
/** Rounds of bcrypt, as powers of two: every request pays them, and 256 random bits cannot be guessed anyway. */
const COST = 4

type Image = { repository: string; digest: string }
type Secret = KubeObject & { data?: Record<string, string> }
type Pod = KubeObject & { status: { conditions?: Condition[] } }

/** The registry that Berth runs on a cluster: brought, taken away, and asked through the API server, so that it is open to nobody outside. */
export class ClusterRegistry {
  readonly #client: KubeClient
  readonly #render: RenderContext
  readonly #objects: Objects
  /** Whether there may be layers that no image has any more: unknown after a start. */
  #isDirty = true

  constructor(client: KubeClient, render: RenderContext, objects: Objects) {
    this.#client = client
    this.#render = render
    this.#objects = objects
  }

  /** Afterwards it runs and every node that works can pull from it, or the error says what holds it up. */
  async bring(own: OwnRegistry, way: Way): Promise<void> {
    const { password, hash } = await this.#credential()
    const claim = await this.#client.find<KubeObject>('GET', pathTo(this.#to('PersistentVolumeClaim', REGISTRY)))
    // Nothing of a claim but its size can be changed.
    const kept = (claim?.['spec'] as { storageClassName?: string } | undefined)?.storageClassName
    const storageClass = claim ? (kept ?? null) : this.#render.options.storageClass
    const objects = renderRegistry(this.#render, { own, password, hash, storageClass })
    for (const object of objects) await this.#objects.apply(object, { signal: way.signal })
    await new AddonObjects(this.#client).stand(objects, way)
    way.note(`The registry of the cluster runs: nodes pull from ${ownRegistryNames(this.#render.clusterId).pull}`)
  }

  /** Its volume stays until the cluster leaves: releases may be of images in it. */
  async takeAway({ note }: Way): Promise<void> {
    if (!(await this.#client.find('GET', pathTo(this.#to('Deployment', REGISTRY))))) return
    await this.#objects.remove(this.#to('DaemonSet', REGISTRY_PROXY), null)
    for (const kind of ['Deployment', 'Service', 'Secret'] as const) await this.#objects.remove(this.#to(kind, REGISTRY), null)
    note('The registry of the cluster is taken away; its volume stays. Nodes cannot pull the images that are in it any more.')
  }

  async has(image: Image): Promise<boolean> {
    const status = await this.#ask('HEAD', image)
    if (status === 200 || status === 404) return status === 200
    throw new AppError('unavailable', `The registry of the cluster answered ${status} when asked for ${image.repository}@${image.digest}.`)
  }

  /** One that is gone already is no error. */
  async remove(image: Image): Promise<void> {
    const status = await this.#ask('DELETE', image)
    if (status >= 400 && status !== 404)
      throw new AppError(
        'unavailable',
        `The registry of the cluster answered ${status} when asked to delete ${image.repository}@${image.digest}.`,
      )
    this.#isDirty = true
  }

  /** Gives back the room of layers that no image has any more. Nothing may be pushed meanwhile: it would take what is on its way for garbage. */
  async collect(signal: AbortSignal): Promise<void> {
    if (!this.#isDirty) return
    const pod = await this.#pod()
    const command = ['registry', 'garbage-collect', '--delete-untagged', REGISTRY_CONFIG]
    await this.#mark(pod, new Date().toISOString())
    const { stream, ended } = await openExec(this.#client, pod, { command, container: REGISTRY, terminal: null, signal })
    stream.resume()
    const late = setTimeout(() => stream.destroy(), COLLECT_LIMIT)
    const { code, message } = await ended
    clearTimeout(late)
    // The mark stays on one that may go on: `endCollection` ends it.
    if (code !== 0) throw new AppError('unavailable', `The registry of the cluster could not be cleaned: ${message}`)
    await this.#mark(pod, null)
    this.#isDirty = false
  }

  /** Ends the cleaning that a server began which is not there any more, by a new pod: it would go on while this one builds. Nothing may be built meanwhile. */
  async endCollection(signal: AbortSignal): Promise<void> {
    const marked = (await this.#pods()).filter(({ metadata }) => metadata.annotations?.[annotations.cleanedSince] !== undefined)
    if (marked.length === 0) return
    const ended = { gracePeriodSeconds: 0, propagationPolicy: 'Background' }
    for (const { metadata } of marked)
      await this.#client.find('DELETE', pathTo({ kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name }), {
        body: { ...ended, preconditions: { uid: metadata.uid } },
        signal,
      })
    const until = Date.now() + START_LIMIT
    while (!(await this.#pods()).some((pod) => isReady(pod) && !marked.some((one) => one.metadata.uid === pod.metadata.uid))) {
      if (Date.now() > until)
        throw new AppError(
          'unavailable',
          `The registry of the cluster does not run again ${START_LIMIT / 1000} s after its cleaning was ended.`,
        )
      await pause(LOOK, undefined, { signal })
    }
  }

  /** Kept while it is there: builders and proxies know it. */
  async #credential(): Promise<{ password: string; hash: string }> {
    const live = await this.#client.find<Secret>('GET', pathTo(this.#to('Secret', REGISTRY)))
    const text = (key: string): string => Buffer.from(live?.data?.[key] ?? '', 'base64').toString()
    const known = { password: text('password'), hash: text('htpasswd').trim().split(':')[1] ?? '' }
    if (known.password !== '' && known.hash !== '') return known
    const password = randomBytes(32).toString('base64url')
    return { password, hash: await hash(password, COST) }
  }

  async #pod(): Promise<KubeObject> {
    const ready = (await this.#pods()).find(isReady)
    if (ready) return ready
    throw new AppError('unavailable', 'The registry of the cluster does not run: see berth cluster check, and deploy the cluster again.')
  }

  async #pods(): Promise<Pod[]> {
    const wanted = selector({ [labels.cluster]: this.#render.clusterId, app: REGISTRY })
    const { namespace } = this.#to('Pod', REGISTRY)
    return (await this.#client.call<{ items: Pod[] }>('GET', `${pathOf('Pod', namespace)}?labelSelector=${wanted}`)).items
  }

  async #mark({ metadata }: KubeObject, since: string | null): Promise<void> {
    const body = { metadata: { annotations: { [annotations.cleanedSince]: since } } }
    const path = pathTo({ kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name })
    await this.#client.call('PATCH', path, { type: 'application/merge-patch+json', body })
  }

  async #ask(method: 'HEAD' | 'DELETE', image: Image): Promise<number> {
    const [pod, { password }] = [await this.#pod(), await this.#credential()]
    const name = image.repository.slice(image.repository.indexOf('/') + 1)
    const headers = {
      accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
      authorization: `Basic ${Buffer.from(`${REGISTRY_USER}:${password}`).toString('base64')}`,
    }
    const path = `/v2/${name}/manifests/${image.digest}`
    return (await askPod(this.#client, pod, { port: REGISTRY_PORT, method, path, headers, limit: ANSWER_LIMIT })).status
  }

  #to(kind: Kind, name: string): Reference {
    return { kind, namespace: systemNamespace(this.#render.clusterId.slice(0, 8)), name }
  }
}

const isReady = (pod: Pod): boolean => pod.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
