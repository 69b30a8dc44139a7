import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import type { Ended, Workbench } from '../../build/buildkit/workbench.ts'
import { AppError } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { openExec } from './exec.ts'
import { pathTo, type Condition, type KubeObject, type Reference } from './object.ts'
import { BUILD_CONTAINER, SOCKET } from './render/build-pod.ts'

/** Milliseconds between two looks at a pod. */
const LOOK = 200
/** Bytes that xargs may give to one program; the kernel's own limit is 2 MiB for all and 128 KiB for one argument. */
const ARGUMENTS_LIMIT = 1_500_000

export type BuilderPod = KubeObject & {
  status: {
    phase: string
    reason?: string
    message?: string
    conditions?: Condition[]
    containerStatuses?: { state: { waiting?: { reason?: string; message?: string }; terminated?: { reason?: string; exitCode: number } } }[]
  }
}

/** One pod as a workbench: driven by exec. */
export class BuildPod implements Workbench {
  readonly #client: KubeClient
  readonly #reference: Reference
  readonly leave: (how: 'ended' | 'kept') => Promise<void>

  constructor(client: KubeClient, reference: Reference, leave: (how: 'ended' | 'kept') => Promise<void>) {
    this.#client = client
    this.#reference = reference
    this.leave = leave
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

  async fate(wait: number): Promise<string | null> {
    const until = Date.now() + wait
    for (;;) {
      const known = await this.#fate()
      if (known !== null || Date.now() >= until) return known
      await pause(LOOK)
    }
  }

  async #fate(): Promise<string | null> {
    const pod = await this.#client.find<BuilderPod>('GET', pathTo(this.#reference))
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
