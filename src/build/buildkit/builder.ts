import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { create } from 'tar'
import { AppError, messageOf } from '../../model/error.ts'
import type { Image } from '../../model/image.ts'
import { dockerConfigOf, type PullAccess } from '../../model/registry.ts'
import { Secret } from '../../model/secret.ts'
import { buildFailure, errorIn, reasonIn } from '../failure.ts'
import type { Builder, BuildRequest } from '../port.ts'
import { FOLDERS, type Ended, type Workbench, type Workbenches } from './workbench.ts'

export type BuildkitSettings = {
  workbenches: Workbenches
  /** Where images go, `host[:port][/path]`: as nodes call it, and as workbenches do. `insecure`: over HTTP. */
  registry: { name: string; push: string; insecure: boolean }
  /** Who pushes to that registry; null where it asks nobody, or the workbench knows. */
  access: () => Promise<PullAccess | null>
  /** Folder for what is on its way to a workbench. */
  scratch: string
  /** Whether the registry still has an image. */
  exists: (image: { repository: string; digest: string }) => Promise<boolean>
  remove: (image: { repository: string; digest: string }) => Promise<void>
}

/** Milliseconds that it may take to be known why a workbench is gone. */
const FATE_LIMIT = 10_000

type Options = { signal: AbortSignal; onLine: (line: string) => void }

/**
 * Builds with BuildKit on a workbench of the cluster. The source is streamed in and the image pushed from there by digest: no Git credential
 * enters the cluster, nothing of the builder listens, and the server needs no program for it.
 */
export class BuildkitBuilder implements Builder {
  readonly #settings: BuildkitSettings

  constructor(settings: BuildkitSettings) {
    this.#settings = settings
  }

  async build(request: BuildRequest, options: Options): Promise<Image> {
    const late = AbortSignal.timeout(request.limits.timeout * 1000)
    const signal = AbortSignal.any([options.signal, late])
    let workbench: Workbench | undefined
    try {
      workbench = await this.#settings.workbenches.open(
        { id: request.id, application: applicationOf(request), ...request.limits, seconds: request.limits.timeout },
        { ...options, signal },
      )
      const image = await this.#buildOn(workbench, request, { ...options, signal })
      // The image is there: nobody has to wait for what makes the next build faster.
      void this.#tidy(workbench, request)
      return image
    } catch (error) {
      const fate = options.signal.aborted || late.aborted ? null : await workbench?.fate(0).catch(() => null)
      await workbench?.leave('ended').catch(() => undefined /* It ends by itself at its deadline. */)
      if (options.signal.aborted) throw new AppError('conflict', 'The build was canceled.')
      if (late.aborted)
        throw new AppError('invalid', `The build took longer than ${request.limits.timeout} s (build.timeout_max_sec) and was stopped.`)
      throw fate ? new AppError('invalid', `The build failed: ${fate}`) : error
    }
  }

  made(image: Image): boolean {
    return image.kind === 'registry' && image.repository.startsWith(`${this.#settings.registry.name}/`)
  }

  async has(image: Image): Promise<boolean> {
    return image.kind === 'registry' && (await this.#settings.exists(image))
  }

  async remove(image: Image): Promise<void> {
    if (this.made(image) && image.kind === 'registry') await this.#settings.remove(image)
  }

  /** Tags of base images are looked up by the builder: a build is found again by its source, and `build.disable_buildkit_cache` looks them up anew. */
  identify(): Promise<null> {
    return Promise.resolve(null)
  }

  check() {
    return Promise.resolve([])
  }

  async #buildOn(workbench: Workbench, request: BuildRequest, { signal, onLine }: Options): Promise<Image> {
    await abortable(workbench.unpack(FOLDERS.source, tarOf(request.folder)), signal)
    const access = await this.#settings.access()
    const config: Record<string, Secret> = access ? { 'config.json': new Secret(dockerConfigOf(access)) } : {}
    await abortable(this.#sendFiles(workbench, { folder: FOLDERS.docker, id: request.id, files: config }), signal)
    await abortable(this.#sendFiles(workbench, { folder: FOLDERS.secrets, id: request.id, files: request.secrets }), signal)
    const last: string[] = []
    const ended = await abortable(
      workbench.buildctl(this.#arguments(request, this.#output(request)), (line) => {
        last.push(line)
        if (last.length > 60) last.shift()
        onLine(line)
      }),
      signal,
    )
    if (ended.code !== 0) throw await this.#failureOf(workbench, ended, { lines: last, access, ...request.limits })
    const metadata = JSON.parse(await workbench.read(`${FOLDERS.output}/metadata.json`)) as Record<string, unknown>
    const digest = metadata['containerimage.digest']
    if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest))
      throw new AppError('internal', 'BuildKit did not say the digest of the image.')
    return {
      kind: 'registry',
      repository: `${this.#settings.registry.name}/${applicationOf(request)}`,
      digest,
      platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
    }
  }

  /**
   * Sends the cache to the registry, then leaves the workbench. Not beside the image: the two share their layers, and a registry was seen to
   * refuse the image's manifest for a layer that was still on its way (decision 10).
   */
  async #tidy(workbench: Workbench, request: BuildRequest): Promise<void> {
    try {
      const cache = `--export-cache=${this.#cache(request)},mode=max`
      if (!request.limits.noCache) await workbench.buildctl(this.#arguments(request, [cache]), () => undefined)
    } catch {
      // The next build does more then.
    } finally {
      await workbench.leave('kept').catch(() => undefined /* It ends by itself at its deadline. */)
    }
  }

  #pushed(request: BuildRequest): string {
    return `${this.#settings.registry.push}/${applicationOf(request)}`
  }

  #cache(request: BuildRequest): string {
    return `type=registry,ref=${this.#pushed(request)}:cache${this.#plain()}`
  }

  #output(request: BuildRequest): string[] {
    return [
      ...(request.limits.noCache ? ['--no-cache'] : [`--import-cache=${this.#cache(request)}`]),
      `--output=type=image,name=${this.#pushed(request)}:${request.id},push=true${this.#plain()}`,
      `--metadata-file=${FOLDERS.output}/metadata.json`,
    ]
  }

  #plain(): string {
    return this.#settings.registry.insecure ? ',registry.insecure=true' : ''
  }

  #arguments(request: BuildRequest, more: string[]): string[] {
    const dockerfile = posix.parse(request.dockerfile)
    return [
      'build',
      '--progress=plain',
      '--frontend=dockerfile.v0',
      `--local=context=${FOLDERS.source}`,
      `--local=dockerfile=${posix.join(FOLDERS.source, dockerfile.dir)}`,
      `--opt=filename=${dockerfile.base}`,
      ...(request.target === null ? [] : [`--opt=target=${request.target}`]),
      ...Object.entries(request.arguments).map(([key, value]) => `--opt=build-arg:${key}=${value}`),
      ...Object.entries(request.labels).map(([key, value]) => `--opt=label:${key}=${value}`),
      ...Object.keys(request.secrets).map((id) => `--secret=id=${id},src=${FOLDERS.secrets}/${id}`),
      ...more,
    ]
  }

  /** They go the way of the source, to folders in memory. */
  async #sendFiles(workbench: Workbench, of: { folder: string; id: string; files: Record<string, Secret> }): Promise<void> {
    if (Object.keys(of.files).length === 0) return
    const folder = join(this.#settings.scratch, `${of.id}-${posix.basename(of.folder)}`)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    try {
      for (const [name, value] of Object.entries(of.files)) writeFileSync(join(folder, name), value.reveal(), { mode: 0o600 })
      await workbench.unpack(of.folder, tarOf(folder))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** What became of the workbench says more than what it said last. */
  async #failureOf(
    workbench: Workbench,
    ended: Ended,
    of: { lines: string[]; access: PullAccess | null; memoryGib: number },
  ): Promise<AppError> {
    // A build that broke off without a word was ended with its workbench, which is told a moment later.
    const wait = errorIn(of.lines) === undefined ? FATE_LIMIT : 0
    const fate = await workbench.fate(wait).catch((error: unknown) => messageOf(error))
    if (fate) return new AppError('invalid', `The build failed: ${fate}`)
    const said = of.lines.length > 0 ? reasonIn(of.lines) : ended.message || 'no output'
    if (/failed to push .*(401|403|denied|unauthorized|authorization|no basic auth)/i.test(said))
      return new AppError(
        'invalid',
        `The image was built and cannot be pushed to ${this.#settings.registry.name}: ${refusal(of.access, this.#settings.registry.insecure)} (${said})`,
      )
    return buildFailure(said, of)
  }
}

const refusal = (access: PullAccess | null, insecure: boolean): string =>
  access
    ? `it does not let ${access.username} write there. Look at its password (berth registry edit --password-stdin), and at what it may write.`
    : `it asks who pushes. Make it known with a user name and password (berth registry add --name <name> --url <address> --username <user> --password-stdin).${insecure ? ' What is known of it at an https:// address is not sent, since the cluster uses it without TLS.' : ''}`

const applicationOf = (request: BuildRequest): string => request.labels['berth.application'] ?? request.id

/** Owned by root with times left out, so that equal sources are equal to BuildKit's cache. */
function tarOf(folder: string): Readable {
  return Readable.from(create({ cwd: folder, portable: true, mtime: new Date(0), strict: true }, ['.']) as unknown as AsyncIterable<Buffer>)
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new AppError('conflict', 'The build was stopped.'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
