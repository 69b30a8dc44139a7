import { setTimeout as pause } from 'node:timers/promises'
import { FOLDERS, type Workbench, type Workbenches } from '../../build/buildkit/workbench.ts'
import { systemNamespace } from '../../model/cluster.ts'
import { AppError } from '../../model/error.ts'
import { BuildPod, type BuilderPod } from './build-pod.ts'
import type { KubeClient } from './client.ts'
import { annotations, labels, selector } from './label.ts'
import { pathOf, pathTo, type KubeObject, type Reference } from './object.ts'
import { LIFETIME, renderBuildPod, type BuildPodRequest } from './render/build-pod.ts'
import type { RenderContext } from './render/pod.ts'

/** Milliseconds that a build pod may take to be ready (its image is pulled, a node may be added), that an old one may take to go, and between two looks. */
const READY_LIMIT = 300_000
const REMOVAL_LIMIT = 30_000
const LOOK = 200
/** Milliseconds that a builder waits for the next build of its application: who looks at what they pushed and pushes again is within it. */
const IDLE_LIMIT = 300_000
/** The programs of BuildKit's image are busybox's, whose find may know no -delete. */
const EMPTY = ['find', ...Object.values(FOLDERS), '-mindepth', '1', '-maxdepth', '1', '-exec', 'rm', '-rf', '{}', ';']
/** BuildKit takes a file of the same size and time for the same file, and times are left out of what it is sent. */
const FORGET_SOURCE = ['prune', '--filter=type==source.local']

type Options = { signal: AbortSignal; onLine: (line: string) => void }

/** Uids of those that builds of this process use, whichever adapter of a cluster made them. */
const inUse = new Set<string>()
/** Per cluster: how many builders are being opened, and what nobody may build beside. */
const opening = new Map<string, number>()
const closed = new Map<string, Promise<unknown>>()

/** Pods in which images are built, driven by exec alone: one per build, and kept for a while for the next build of the same application. */
export class BuildPods implements Workbenches {
  readonly #client: KubeClient
  readonly #render: RenderContext

  constructor(client: KubeClient, render: RenderContext) {
    this.#client = client
    this.#render = render
  }

  async open(request: BuildPodRequest, options: Options): Promise<Workbench> {
    const { clusterId } = this.#render
    await closed.get(clusterId)
    opening.set(clusterId, (opening.get(clusterId) ?? 0) + 1)
    try {
      const wanted = renderBuildPod(request, this.#render)
      return (await this.#takeUp(wanted, request, options)) ?? (await this.#make(wanted, request, options))
    } finally {
      opening.set(clusterId, (opening.get(clusterId) ?? 0) - 1)
    }
  }

  /** Does something while no build goes on, and lets the next ones wait for it; nothing where one does. The process that holds the cluster is the only one that builds. */
  async whileNobodyBuilds(work: () => Promise<void>): Promise<void> {
    await this.beforeBuilds(async () => {
      if ((opening.get(this.#render.clusterId) ?? 0) === 0 && (await this.#list()).every(isIdle)) await work()
    })
  }

  /** Lets the next builds wait for something. */
  async beforeBuilds(work: () => Promise<void>): Promise<void> {
    const { clusterId } = this.#render
    const done = work()
    closed.set(
      clusterId,
      done.catch(() => undefined),
    )
    try {
      await done
    } finally {
      closed.delete(clusterId)
    }
  }

  /** Removes builders that nobody drives any more, after the process that started them was killed, and later those that wait in vain. */
  async sweep(): Promise<void> {
    for (const pod of await this.#list())
      if (isIdle(pod)) this.#endLater(pod)
      else if (!inUse.has(uidOf(pod))) await this.#end(pod)
  }

  /** Ends those that wait, at once: an instance needs the room that they were promised. */
  async makeRoom(): Promise<void> {
    const idle = (await this.#list()).filter(isIdle)
    await Promise.all(idle.map((pod) => this.#end(pod, { resourceVersion: pod.metadata.resourceVersion })))
  }

  async #make(wanted: KubeObject, request: BuildPodRequest, { signal, onLine }: Options): Promise<Workbench> {
    const reference = referenceOf(wanted)
    await this.#remove(reference)
    const made = await this.#client.call<BuilderPod>('POST', pathOf('Pod', reference.namespace), { body: wanted, signal })
    inUse.add(uidOf(made))
    onLine(`Starting the builder ${reference.name}`)
    try {
      await this.#ready(reference, signal)
      return await this.#bench(made, request)
    } catch (error) {
      inUse.delete(uidOf(made))
      await this.#remove(reference).catch(() => undefined)
      throw error
    }
  }

  /** One that is idle and made in the same way; undefined where there is none that works. */
  async #takeUp(wanted: KubeObject, request: BuildPodRequest, { signal, onLine }: Options): Promise<Workbench | undefined> {
    const fits = (pod: BuilderPod): boolean =>
      isIdle(pod) &&
      pod.metadata.labels?.[labels.buildsFor] === request.application &&
      pod.metadata.annotations?.[annotations.builderKind] === wanted.metadata.annotations?.[annotations.builderKind] &&
      pod.status.phase === 'Running' &&
      Date.now() - Date.parse(pod.metadata.creationTimestamp ?? '') < LIFETIME * 1000
    for (const pod of (await this.#list(signal)).filter(fits)) {
      inUse.add(uidOf(pod))
      try {
        const taken = await this.#mark(pod, 'busy')
        onLine(`Going on with the builder ${pod.metadata.name}`)
        return await this.#bench(taken, request)
      } catch (error) {
        inUse.delete(uidOf(pod))
        if (!(error instanceof AppError)) throw error
        // Another build took it, which is well, or it does not work any more.
        if (error.code !== 'conflict') await this.#remove(referenceOf(pod))
        signal.throwIfAborted()
      }
    }
    return undefined
  }

  async #bench(pod: BuilderPod, request: BuildPodRequest): Promise<Workbench> {
    const bench = new BuildPod(this.#client, referenceOf(pod), (how) =>
      this.#leave(pod, bench, how === 'kept' && request.ephemeralGib === null),
    )
    const { code, message } = await bench.run(['mkdir', '-p', ...Object.values(FOLDERS)])
    if (code !== 0) throw new AppError('unavailable', `The builder cannot be used: ${message}`)
    return bench
  }

  /** One with a limit to its disk is not kept: what it has cached would count for the next build. */
  async #leave(pod: BuilderPod, bench: BuildPod, kept: boolean): Promise<void> {
    try {
      if (kept && (await bench.run(EMPTY)).code === 0 && (await bench.buildctl(FORGET_SOURCE, () => undefined)).code === 0) {
        const live = await this.#client.call<BuilderPod>('GET', pathTo(referenceOf(pod)))
        this.#endLater(await this.#mark(live, 'idle'))
        return
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
    } finally {
      inUse.delete(uidOf(pod))
    }
    await this.#remove(referenceOf(pod))
  }

  /** Throws `conflict` where it has changed since it was read. */
  #mark(pod: BuilderPod, state: 'busy' | 'idle'): Promise<BuilderPod> {
    const metadata = {
      resourceVersion: pod.metadata.resourceVersion,
      labels: { [labels.build]: state },
      annotations: { [annotations.idleSince]: state === 'idle' ? new Date().toISOString() : null },
    }
    return this.#client.call('PATCH', pathTo(referenceOf(pod)), { type: 'application/merge-patch+json', body: { metadata } })
  }

  #endLater(pod: BuilderPod): void {
    const since = idleSince(pod)
    const end = async (): Promise<void> => {
      const live = await this.#client.find<BuilderPod>('GET', pathTo(referenceOf(pod)))
      if (live && isIdle(live) && idleSince(live) === since) await this.#end(live, { resourceVersion: live.metadata.resourceVersion })
    }
    const wait = since + IDLE_LIMIT - Date.now()
    setTimeout(() => void end().catch(() => undefined /* It ends by itself at its deadline. */), wait).unref()
  }

  /** Not another one of the same name, nor one that `preconditions` keep. */
  async #end(pod: BuilderPod, preconditions: { resourceVersion?: string | undefined } = {}): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid, ...preconditions },
    }
    await this.#client
      .find('DELETE', pathTo(referenceOf(pod)), { body })
      .catch((error: unknown) => (error instanceof AppError && error.code === 'conflict' ? undefined : Promise.reject(error as Error)))
  }

  async #list(signal?: AbortSignal): Promise<BuilderPod[]> {
    const wanted = `${selector({ [labels.cluster]: this.#render.clusterId })}${encodeURIComponent(`,${labels.build}`)}`
    const namespace = systemNamespace(this.#render.clusterId.slice(0, 8))
    return (await this.#client.call<{ items: BuilderPod[] }>('GET', `${pathOf('Pod', namespace)}?labelSelector=${wanted}`, { signal }))
      .items
  }

  async #ready(reference: Reference, signal: AbortSignal): Promise<void> {
    const until = Date.now() + READY_LIMIT
    let why = 'no node has taken it'
    while (Date.now() < until) {
      const pod = await this.#client.find<BuilderPod>('GET', pathTo(reference), { signal })
      if (!pod || pod.status.phase === 'Failed')
        throw new AppError('unavailable', `The builder ended before it was ready: ${pod?.status.message ?? 'somebody removed it'}.`)
      if (pod.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')) return
      const waiting = pod.status.containerStatuses?.[0]?.state.waiting
      const unscheduled = pod.status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False')
      why = waiting?.message ?? unscheduled?.message ?? waiting?.reason ?? why
      if (waiting?.reason === 'InvalidImageName' || waiting?.reason === 'ErrImageNeverPull') break
      await pause(LOOK, undefined, { signal })
    }
    throw new AppError('unavailable', `The builder was not ready after ${READY_LIMIT / 1000} s: ${why}.`)
  }

  async #remove(reference: Reference): Promise<void> {
    const until = Date.now() + REMOVAL_LIMIT
    while (Date.now() < until) {
      const live = await this.#client.find<BuilderPod>('GET', pathTo(reference))
      if (!live || live.metadata.labels?.[labels.cluster] !== this.#render.clusterId) return
      await this.#client.find('DELETE', `${pathTo(reference)}?gracePeriodSeconds=0`)
      await pause(LOOK)
    }
  }
}

const uidOf = (pod: KubeObject): string => pod.metadata.uid ?? ''
const isIdle = (pod: BuilderPod): boolean => pod.metadata.labels?.[labels.build] === 'idle' && pod.metadata.deletionTimestamp === undefined
const referenceOf = ({ metadata }: KubeObject): Reference => ({ kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name })
const idleSince = (pod: KubeObject): number => Date.parse(pod.metadata.annotations?.[annotations.idleSince] ?? '') || 0
