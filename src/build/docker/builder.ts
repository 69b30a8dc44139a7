import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { AppError } from '../../model/error.ts'
import type { Image } from '../../model/image.ts'
import { buildFailure, reasonIn } from '../failure.ts'
import type { Builder, BuildRequest } from '../port.ts'
import { enforceLimits } from './cgroup.ts'

export type DockerBuilderSettings = {
  clusterId: string
  socketPath: string
  scratch: string
  network: 'bridge' | 'host'
  parallel: number
  path: string
  image: (reference: string) => Promise<string | null>
  remove: (imageId: string) => Promise<void>
}

/** Builds with the BuildKit inside Docker Engine, through the docker program. Images stay on this machine and are known by their id. */
export class DockerBuilder implements Builder {
  readonly #settings: DockerBuilderSettings
  #program: Promise<string> | undefined
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(settings: DockerBuilderSettings) {
    this.#settings = settings
  }

  async build(request: BuildRequest, options: { signal: AbortSignal; onLine: (line: string) => void }): Promise<Image> {
    await this.#slot(options.signal, options.onLine)
    try {
      return await this.#build(request, options)
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  made(image: Image): boolean {
    return image.kind === 'local' && image.clusterId === this.#settings.clusterId
  }

  async has(image: Image): Promise<boolean> {
    return image.kind === 'local' && (await this.#settings.image(image.imageId)) !== null
  }

  async remove(image: Image): Promise<void> {
    if (this.made(image) && image.kind === 'local') await this.#settings.remove(image.imageId)
  }

  identify(reference: string): Promise<string | null> {
    return this.#settings.image(reference)
  }

  async check() {
    const program = await this.#docker().catch(() => null)
    const limits = enforceLimits({ cpuMilli: 4000, memoryGib: 8 })
    return [
      {
        what: 'builder',
        found: program ?? 'no docker program that can build with BuildKit',
        ok: program !== null,
        remedy: 'Install docker.io, or the buildx plugin of your docker program.',
      },
      {
        what: 'build limits',
        found: limits ? 'enforced' : 'not enforced',
        ok: true,
        remedy: limits
          ? ''
          : "build.cpu_max_in_milli and build.ram_max_in_gib hold only where Berth runs as root on the machine of the daemon, after Docker's first build.",
      },
    ]
  }

  async #slot(signal: AbortSignal, onLine: (line: string) => void): Promise<void> {
    if (this.#running >= this.#settings.parallel) {
      onLine('Waiting for another build to end')
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    this.#running++
  }

  async #build(request: BuildRequest, { signal, onLine }: { signal: AbortSignal; onLine: (line: string) => void }): Promise<Image> {
    const folder = join(this.#settings.scratch, request.id)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    try {
      if (!enforceLimits(request.limits)) onLine('build.cpu_max_in_milli and build.ram_max_in_gib are not enforced by this Docker Engine')
      const argv = this.#arguments(request, folder)
      await this.#run(argv, { ...request, signal, onLine })
      return {
        kind: 'local',
        clusterId: this.#settings.clusterId,
        imageId: readFileSync(join(folder, 'image-id'), 'utf8').trim(),
        platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** Values of arguments go through the environment and secrets through files: neither is ever in an argv. */
  #arguments(request: BuildRequest, folder: string): string[] {
    const secrets = Object.entries(request.secrets).map(([id, value]) => {
      const file = join(folder, `secret-${id}`)
      writeFileSync(file, value.reveal(), { mode: 0o600 })
      return ['--secret', `id=${id},src=${file}`]
    })
    return [
      'build',
      '--progress=plain',
      '--iidfile',
      join(folder, 'image-id'),
      '--file',
      join(request.folder, request.dockerfile),
      ...(this.#settings.network === 'host' ? ['--network', 'host'] : []),
      ...(request.target === null ? [] : ['--target', request.target]),
      ...(request.limits.noCache ? ['--no-cache'] : []),
      ...Object.keys(request.arguments).flatMap((name) => ['--build-arg', name]),
      ...secrets.flat(),
      ...Object.entries(request.labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
      '--',
      request.folder,
    ]
  }

  async #run(argv: string[], run: BuildRequest & { signal: AbortSignal; onLine: (line: string) => void }): Promise<void> {
    const program = await this.#docker()
    const child = spawn(program, argv, {
      env: { ...run.arguments, ...this.#environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killTree(child)
    }, run.limits.timeout * 1000)
    const cancel = (): void => killTree(child)
    run.signal.addEventListener('abort', cancel, { once: true })
    const last: string[] = []
    const onLine = (line: string): void => {
      last.push(line)
      if (last.length > 60) last.shift()
      run.onLine(line)
    }
    eachLine(child, onLine)
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
    clearTimeout(timer)
    run.signal.removeEventListener('abort', cancel)
    if (run.signal.aborted) throw new AppError('conflict', 'The build was canceled.')
    if (timedOut)
      throw new AppError('invalid', `The build took longer than ${run.limits.timeout} s (build.timeout_max_sec) and was stopped.`)
    if (code !== 0) throw buildFailure(reasonIn(last), run.limits)
  }

  #environment(): Record<string, string> {
    return {
      PATH: this.#settings.path,
      HOME: this.#settings.scratch,
      DOCKER_HOST: `unix://${this.#settings.socketPath}`,
      DOCKER_BUILDKIT: '1',
      LC_ALL: 'C',
    }
  }

  /** The first docker program that can build with BuildKit: a newer one without its buildx plugin cannot. Found by trying, once. */
  #docker(): Promise<string> {
    this.#program ??= this.#findDocker()
    this.#program.catch(() => (this.#program = undefined))
    return this.#program
  }

  async #findDocker(): Promise<string> {
    const programs = [...new Set([...this.#settings.path.split(delimiter), '/usr/bin'].map((folder) => join(folder, 'docker')))].filter(
      (path) => existsSync(path),
    )
    const probe = join(this.#settings.scratch, 'probe')
    mkdirSync(probe, { recursive: true, mode: 0o700 })
    writeFileSync(join(probe, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n')
    for (const program of programs) {
      const child = spawn(program, ['build', '--quiet', '--progress=plain', '--label', 'berth.probe=true', '--', probe], {
        env: this.#environment(),
        stdio: 'ignore',
      })
      const code = await new Promise<number | null>((resolve) => child.once('error', () => resolve(null)).once('close', resolve))
      if (code === 0) return program
    }
    throw new AppError(
      'unavailable',
      `No docker program here can build with BuildKit (tried ${programs.join(', ') || 'none found'}). Install docker.io, or the buildx plugin of your docker program.`,
    )
  }
}

/** The build is a process group of its own; ending the client ends the build in the daemon. */
function killTree(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function eachLine(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split(/\r?\n/)
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '' && !/^#\d+ sha256:/.test(line)) onLine(line)
    })
    stream?.once('end', () => rest !== '' && onLine(rest))
  }
}
