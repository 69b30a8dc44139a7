import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import { FOLDERS, type Ended, type Workbench, type Workbenches } from '../../build/buildkit/workbench.ts'
import { systemNamespace } from '../../model/cluster.ts'
import { AppError } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { openExec } from './exec.ts'
import { labels, selector } from './label.ts'
import { pathOf, pathTo, type Condition, type KubeObject, type Reference } from './object.ts'
import { BUILD_CONTAINER, renderBuildPod, SOCKET, type BuildPodRequest } from './render/build-pod.ts'
import type { RenderContext } from './render/pod.ts'

/** Milliseconds that a build pod may take to be ready (its image is pulled, a node may be added), that an old one may take to go, and between two looks. */
const READY_LIMIT = 300_000
const REMOVAL_LIMIT = 30_000
const LOOK = 200
/** Bytes that xargs may give to one program; the kernel's own limit is 2 MiB for all and 128 KiB for one argument. */
const ARGUMENTS_LIMIT = 1_500_000

type Pod = KubeObject & {
  status: {
    phase: string
    reason?: string
    message?: string
    conditions?: Condition[]
    containerStatuses?: { state: { waiting?: { reason?: string; message?: string }; terminated?: { reason?: string; exitCode: number } } }[]
  }
}

/** Pods in which images are built, one per build, driven by exec alone. */
export class BuildPods implements Workbenches {
  readonly #client: KubeClient
  readonly #render: RenderContext
  /** Uids of those that this process has opened. */
  readonly #open = new Set<string>()

  constructor(client: KubeClient, render: RenderContext) {
    this.#client = client
    this.#render = render
  }

  async open(request: BuildPodRequest, { signal, onLine }: { signal: AbortSignal; onLine: (line: string) => void }): Promise<Workbench> {
    const pod = renderBuildPod(request, this.#render)
    const reference: Reference = { kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
    await this.#remove(reference)
    const made = await this.#client.call<Pod>('POST', pathOf('Pod', reference.namespace), { body: pod, signal })
    this.#open.add(made.metadata.uid ?? '')
    onLine(`Starting the builder ${reference.name}`)
    try {
      await this.#ready(reference, signal)
      const bench = new BuildPod(this.#client, reference, () => this.#remove(reference))
      const { code, message } = await bench.run(['mkdir', '-p', FOLDERS.source, FOLDERS.output])
      if (code !== 0) throw new AppError('unavailable', `The builder cannot be used: ${message}`)
      return bench
    } catch (error) {
      await this.#remove(reference).catch(() => undefined)
      throw error
    }
  }

  /** Removes builders that nobody drives any more: after the process that started them was killed. */
  async sweep(): Promise<void> {
    const wanted = selector({ [labels.cluster]: this.#render.clusterId, [labels.build]: 'true' })
    const namespace = systemNamespace(this.#render.clusterId.slice(0, 8))
    const { items } = await this.#client.call<{ items: Pod[] }>('GET', `${pathOf('Pod', namespace)}?labelSelector=${wanted}`)
    // By uid: a build that has begun meanwhile may have the same name again.
    const left = items.filter(({ metadata }) => !this.#open.has(metadata.uid ?? ''))
    await Promise.all(
      left.map(({ metadata }) =>
        this.#client
          .find('DELETE', `${pathTo({ kind: 'Pod', namespace, name: metadata.name })}?gracePeriodSeconds=0`, {
            body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: metadata.uid } },
          })
          .catch((error: unknown) => (error instanceof AppError && error.code === 'conflict' ? undefined : Promise.reject(error as Error))),
      ),
    )
  }

  async #ready(reference: Reference, signal: AbortSignal): Promise<void> {
    const until = Date.now() + READY_LIMIT
    let why = 'no node has taken it'
    while (Date.now() < until) {
      const pod = await this.#client.find<Pod>('GET', pathTo(reference), { signal })
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
      const live = await this.#client.find<Pod>('GET', pathTo(reference))
      if (!live || live.metadata.labels?.[labels.cluster] !== this.#render.clusterId) return
      await this.#client.find('DELETE', `${pathTo(reference)}?gracePeriodSeconds=0`)
      await pause(LOOK)
    }
  }
}

class BuildPod implements Workbench {
  readonly #client: KubeClient
  readonly #reference: Reference
  readonly remove: () => Promise<void>

  constructor(client: KubeClient, reference: Reference, remove: () => Promise<void>) {
    this.#client = client
    this.#reference = reference
    this.remove = remove
  }

  async unpack(folder: string, tar: Readable): Promise<void> {
    const errors: string[] = []
    const { stream, ended } = await this.#exec(['tar', '-xf', '-', '-C', folder], (data) => errors.push(data.toString()))
    stream.resume()
    await pipeline(tar, stream, { end: true }).catch((error: unknown) => errors.push(String(error)))
    const { code, message } = await ended
    if (code !== 0)
      throw new AppError('unavailable', `The source could not be sent to the builder: ${errors.join('').slice(0, 300) || message}`)
  }

  /** The arguments are the input of xargs: a long value would not fit into the URL of an exec, and would stand in the API server's audit log. */
  async buildctl(argv: string[], onLine: (line: string) => void): Promise<Ended> {
    const command = ['xargs', '-0', '-x', '-n', String(argv.length), '-s', String(ARGUMENTS_LIMIT), 'buildctl', '--addr', SOCKET]
    const { stream, ended } = await this.#exec(command)
    stream.write(argv.map((word) => `${word}\0`).join(''))
    stream.end()
    let rest = ''
    stream.setEncoding('utf8')
    for await (const chunk of stream as AsyncIterable<string>) {
      const lines = (rest + chunk).split(/\r?\n/)
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '' && !/^#\d+ sha256:/.test(line)) onLine(line)
    }
    if (rest !== '') onLine(rest)
    return ended
  }

  async read(file: string): Promise<string> {
    const { stream, ended } = await this.#exec(['cat', file])
    stream.setEncoding('utf8')
    let text = ''
    for await (const chunk of stream as AsyncIterable<string>) text += chunk
    if ((await ended).code !== 0) throw new AppError('unavailable', `The builder does not give out ${file}.`)
    return text
  }

  async run(command: string[]): Promise<Ended> {
    const { stream, ended } = await this.#exec(command)
    stream.resume()
    return ended
  }

  async fate(): Promise<string | null> {
    const pod = await this.#client.find<Pod>('GET', pathTo(this.#reference))
    if (!pod) return 'the builder was removed.'
    const terminated = pod.status.containerStatuses?.[0]?.state.terminated
    if (terminated?.reason === 'OOMKilled') return 'the build ran out of memory (build.ram_max_in_gib): raise it, or build with less.'
    if (pod.status.reason === 'Evicted')
      return `the node ran short, or the build wrote more than build.ephemeral_storage_in_gib: ${pod.status.message ?? ''}`
    if (pod.status.reason === 'DeadlineExceeded') return 'the build took longer than build.timeout_max_sec.'
    return terminated ? `the builder ended with exit code ${terminated.exitCode}.` : null
  }

  #exec(command: string[], onErrors?: (data: Buffer) => void) {
    return openExec(
      this.#client,
      { metadata: { name: this.#reference.name, namespace: this.#reference.namespace } },
      { command, terminal: null, container: BUILD_CONTAINER, signal: new AbortController().signal, ...(onErrors ? { onErrors } : {}) },
    )
  }
}
