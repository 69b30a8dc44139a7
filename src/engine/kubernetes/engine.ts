import type { Duplex } from 'node:stream'
import { AppError } from '../../model/error.ts'
import type { Observation } from '../../model/observation.ts'
import type { Place, Workload } from '../../model/workload.ts'
import type { ApplyContext, Capabilities, Change, Engine, EngineStep, Inspection, LogLine, Terminal, Usage } from '../port.ts'
import { Objects } from './apply.ts'
import { Cache } from './cache.ts'
import type { KubeClient } from './client.ts'
import { openExec } from './exec.ts'
import { openForward } from './forward.ts'
import { driftOf, Inventory, markOf, type InventoryBook } from './inventory.ts'
import { labels, selector } from './label.ts'
import { followLogs } from './logs.ts'
import { pathOf, pathTo, referenceTo, type KubeObject } from './object.ts'
import { observeApplication } from './observe.ts'
import { withOldPorts } from './old-ports.ts'
import { gpusPerNode, precheck } from './precheck.ts'
import { previewChanges } from './preview.ts'
import { renderEnvironment } from './render/environment.ts'
import type { RenderContext } from './render/pod.ts'
import { isScaled, renderRelease } from './render/release.ts'
import { renderCount } from './render/workload.ts'
import { applyRoutes } from './routes.ts'
import { prepareVolumes } from './stateful.ts'
import { removeAll, removeAutoscaler, retire, type On } from './take-down.ts'
import { usageOf } from './usage.ts'

/** Milliseconds that looking for GPUs may take when an application is edited: a cluster that does not answer slows nobody. */
const GPU_LOOK = 3000
/** Milliseconds between two attempts to make room on the nodes. */
const ROOM_PAUSE = 5000

const isShort = ({ instances }: Observation): boolean =>
  instances.some(({ waiting }) => waiting?.reason === 'Unschedulable' && waiting.message.includes('Insufficient '))

/** Drives a Kubernetes cluster through its API alone: server-side apply with an inventory of its own, watches, and no program beside. */
export class KubernetesEngine implements Engine, Inspection {
  readonly rollsOut = 'by-itself'
  readonly #client: KubeClient
  readonly #render: RenderContext
  readonly #inventory: Inventory
  readonly #objects: Objects
  readonly #cache: Cache
  readonly #changed = new Set<string>()
  readonly #makeRoom: () => Promise<void>
  #roomMadeAt = 0
  #wake = (): void => undefined

  /** `makeRoom`: gives up what can be missed, when no node has room for an instance. */
  constructor(client: KubeClient, render: RenderContext, of: { book: InventoryBook; makeRoom: () => Promise<void> }) {
    this.#client = client
    this.#makeRoom = of.makeRoom
    this.#render = render
    this.#inventory = new Inventory(of.book)
    this.#objects = new Objects(client, this.#inventory)
    this.#cache = new Cache(client, render.clusterId, (id) => this.#touch(id))
  }

  async capabilities(): Promise<Capabilities> {
    return {
      resourceScaling: true,
      eventScaling:
        'Event-driven autoscaling (KEDA) is not there yet on Kubernetes clusters: use minimum and maximum instances, which scale by CPU and memory.',
      gpu: await this.#gpu(),
      streams: true,
      builds:
        this.#render.options.registry === null ? 'This cluster has no registry: give it one with berth cluster edit --registry.' : true,
    }
  }

  async apply(step: EngineStep, context: ApplyContext): Promise<void> {
    await this.#cache.ready()
    const on = { client: this.#client, objects: this.#objects, inventory: this.#inventory, cache: this.#cache, context }
    switch (step.kind) {
      case 'prepare':
        return this.#prepare(step.workload, context)
      case 'apply':
        return this.#apply(step.workload, step.targets.length, on)
      case 'route':
        // Nothing gets traffic that does not run; the route stays, and its answer says so.
        if (step.targets.length === 0) return
        return applyRoutes(step.place, step, { ...on, render: this.#render })
      case 'retire':
        return retire(step.place, step.keep, on)
      case 'remove':
        return removeAll(step.place, on)
    }
  }

  async observe(place: Place, previous: Observation | undefined): Promise<Observation> {
    await this.#cache.ready()
    const now = Date.now()
    const observation = observeApplication({
      objects: this.#cache.of(place.applicationId),
      eventsOf: (object) => this.#cache.events(referenceTo(object), now),
      previous,
      now,
    })
    if (isShort(observation) && now - this.#roomMadeAt > ROOM_PAUSE) {
      this.#roomMadeAt = now
      void this.#makeRoom().catch(() => undefined /* Whoever waits is told what for. */)
    }
    return { ...observation, drift: driftOf(await this.#inventory.of(place.applicationId), this.#cache) }
  }

  async *watch(signal: AbortSignal): AsyncIterable<string> {
    this.#inventory.reset()
    this.#cache.start(signal)
    while (!signal.aborted) {
      for (const id of this.#changed) {
        this.#changed.delete(id)
        yield id
      }
      if (this.#changed.size === 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
    }
  }

  /** Kubernetes starts instances again by itself, with pauses that grow to five minutes. */
  async revive(): Promise<void> {
    // Nothing is left to do.
  }

  async preview(workload: Workload): Promise<Change[]> {
    const wanted = [...renderEnvironment(workload.place, this.#render), ...renderRelease(workload, this.#render)]
    return previewChanges(workload, wanted, { client: this.#client, objects: this.#objects, inventory: this.#inventory })
  }

  async inventory(): Promise<Place[]> {
    await this.#cache.ready()
    return this.#cache.applications().flatMap((id) => {
      const [one] = this.#cache.of(id, 'Pod')
      return one ? [placeIn(one)] : []
    })
  }

  async removeEnvironment(environmentId: string): Promise<void> {
    const ours = selector({ [labels.cluster]: this.#render.clusterId, [labels.environment]: environmentId })
    const { items } = await this.#client.call<{ items: KubeObject[] }>('GET', `${pathOf('Namespace')}?labelSelector=${ours}`)
    for (const { metadata } of items)
      await this.#objects.remove({ kind: 'Namespace', namespace: '', name: metadata.name }, metadata.uid ?? null)
  }

  logs(place: Place, options: { follow: boolean; tail: number; signal: AbortSignal }): AsyncIterable<LogLine> {
    return followLogs(this.#client, () => this.#pods(place), options)
  }

  usage(place: Place): Promise<Usage[]> {
    return usageOf(this.#client, place)
  }

  async exec(
    place: Place,
    options: { instance: string | null; command: string[]; terminal: Terminal | null; signal: AbortSignal },
  ): Promise<Duplex> {
    return (await openExec(this.#client, await this.#pod(place, options.instance), options)).stream
  }

  async forward(place: Place, options: { instance: string | null; port: number; signal: AbortSignal }): Promise<Duplex> {
    return openForward(this.#client, await this.#pod(place, options.instance), options)
  }

  async #prepare(workload: Workload, context: ApplyContext): Promise<void> {
    const { namespace } = workload.place
    const existing = await this.#client.find<KubeObject>('GET', pathTo({ kind: 'Namespace', namespace: '', name: namespace }))
    if (existing && existing.metadata.labels?.[labels.cluster] !== this.#render.clusterId)
      throw new AppError('conflict', `The namespace ${namespace} exists on the cluster and is not Berth's: rename it, or remove it.`)
    for (const object of renderEnvironment(workload.place, this.#render)) await this.#objects.apply(object, { signal: context.signal })
    await precheck(this.#client, workload)
  }

  async #apply(workload: Workload, count: number, on: On): Promise<void> {
    const { place } = workload
    const { context } = on
    if (!isScaled(workload)) await removeAutoscaler(place, on)
    await prepareVolumes(workload, { client: this.#client, objects: this.#objects, note: context.note })
    const wanted = renderRelease(workload, this.#render)
    context.note(`Applying ${wanted.length} objects to the namespace ${place.namespace}`)
    // An autoscaler owns the count once it is there; before, the least of what it may choose is a start.
    const scaled = isScaled(workload)
    const exists = this.#cache.find(referenceTo(renderCount(workload, count))) !== undefined
    await this.#objects.applyAll(
      place,
      withOldPorts(wanted, (reference) => this.#cache.find(reference)),
      {
        mark: markOf(workload),
        count: scaled && exists ? null : renderCount(workload, count),
        signal: context.signal,
      },
    )
  }

  async #gpu(): Promise<true | string> {
    const none = "No node of this cluster has GPUs: add one with NVIDIA's device plug-in, or set gpu to 0."
    try {
      const timeout = AbortSignal.timeout(GPU_LOOK)
      const most = await Promise.race([
        gpusPerNode(this.#client),
        new Promise<number>((resolve) => timeout.addEventListener('abort', () => resolve(1))),
      ])
      return most > 0 ? true : none
    } catch {
      return true // It is looked for again when the application is deployed.
    }
  }

  async #pods(place: Place): Promise<KubeObject[]> {
    const query = selector({ [labels.cluster]: this.#render.clusterId, [labels.application]: place.applicationId })
    return (
      await this.#client.call<{ items: KubeObject[] }>('GET', `${pathOf('Pod', place.namespace)}?labelSelector=${query}`, {
        patience: 5000,
      })
    ).items
  }

  /** The instance that was named, or the newest that runs. */
  async #pod(place: Place, name: string | null): Promise<KubeObject> {
    const running = (await this.#pods(place))
      .filter((pod) => (pod['status'] as { phase?: string }).phase === 'Running' && !pod.metadata.deletionTimestamp)
      .sort((a, b) => (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''))
    const pod = name === null ? running[0] : running.find((one) => one.metadata.name === name)
    if (!pod)
      throw new AppError(
        'not_found',
        name === null ? 'No instance runs: deploy the application first.' : `There is no running instance ${name}.`,
      )
    return pod
  }

  #touch(id: string): void {
    this.#changed.add(id)
    this.#wake()
  }
}

const placeIn = ({ metadata: { labels: found = {}, namespace = '' } }: KubeObject): Place => ({
  organizationId: found[labels.organization] ?? '',
  projectId: found[labels.project] ?? '',
  environmentId: found[labels.environment] ?? '',
  environmentName: '',
  namespace,
  applicationId: found[labels.application] ?? '',
  name: '',
  addressLabel: '',
})
