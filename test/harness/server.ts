import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Client } from '../../src/cli/client.ts'
import type { ServerInfo } from '../../src/wire/home.ts'

const root = resolve(import.meta.dirname, '../..')
type Named = { id: string; name: string }
export type Place = { organizationId: string; projectId: string; environmentId: string; clusterId: string }

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address ? done(address.port) : reject(new Error('no port'))))
    })
  })
}

/** A real server with a folder, ports and a network pool of its own; several may run on one machine. */
export class TestServer {
  readonly home: string
  readonly environment: Record<string, string>
  /** What is to be taken away with it. */
  readonly leftovers: (() => void)[] = []
  #process: ChildProcess | undefined

  private constructor(home: string, environment: Record<string, string>) {
    this.home = home
    this.environment = environment
  }

  static async start(settings: Record<string, string> = {}): Promise<TestServer> {
    const home = mkdtempSync(join(tmpdir(), 'berth-test-'))
    chmodSync(home, 0o711)
    const [port, https, http] = [await freePort(), await freePort(), await freePort()]
    // Two files run at a time, and each has one of these.
    const pool = `10.${220 + Number(process.env['VITEST_POOL_ID'] ?? 0)}.0.0/16`
    const environment = {
      BERTH_HOME: home,
      BERTH_PORT: String(port),
      BERTH_HTTPS_PORT: String(https),
      BERTH_HTTP_PORT: String(http),
      BERTH_NETWORK_POOL: pool,
      BERTH_EGRESS_ALLOW: '127.0.0.0/8,10.88.0.0/16',
      BERTH_DOMAIN: 'test.localhost',
      BERTH_LOG_LEVEL: 'info',
      PATH: process.env['PATH'] ?? '',
      XDG_CONFIG_HOME: join(home, 'xdg'),
      HOME: process.env['HOME'] ?? '/root',
      ...settings,
    }
    const server = new TestServer(home, environment)
    await server.up()
    return server
  }

  get info(): ServerInfo {
    return JSON.parse(readFileSync(join(this.home, 'info.json'), 'utf8')) as ServerInfo
  }

  get token(): string {
    return readFileSync(join(this.home, 'token'), 'utf8').trim()
  }

  get client(): Client {
    return new Client(`http://127.0.0.1:${this.environment['BERTH_PORT']}`, this.token)
  }

  get log(): string {
    return readFileSync(join(this.home, 'test.log'), 'utf8')
  }

  get httpsPort(): number {
    return Number(this.environment['BERTH_HTTPS_PORT'])
  }

  /** Starts the process and waits until it answers. */
  async up(): Promise<void> {
    rmSync(join(this.home, 'info.json'), { force: true })
    const child = spawn(process.execPath, [join(root, 'src/server.ts')], { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => existsSync(this.home) && appendFileSync(join(this.home, 'test.log'), chunk))
    this.#process = child
    await until(`the server to answer\n${this.home}`, 60, async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.log.slice(-2000)}`)
      return (
        existsSync(join(this.home, 'info.json')) &&
        (await fetch(`${this.client.apiUrl}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        ))
      )
    })
  }

  /** kill -9, as the machine would: the database it had embedded is left behind too. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.up()
  }

  /** Organization, cluster, project and environment. `cluster`: what a cluster needs beside its engine. */
  async place(engine: 'docker' | 'memory' | 'kubernetes', cluster: Record<string, unknown> = {}): Promise<Place> {
    const { client } = this
    const organization = await client.post<Named>('/organization', { name: `test ${Math.random().toString(36).slice(2)}`, plan: 'FREE' })
    const made = await client.post<Named>(`/organization/${organization.id}/cluster`, {
      name: 'local',
      region: 'on-premise',
      cloud_provider: 'ON_PREMISE',
      engine,
      ...cluster,
    })
    const project = await client.post<Named>(`/organization/${organization.id}/project`, { name: 'main' })
    const environment = await client.post<Named>(`/project/${project.id}/environment`, { name: 'test', cluster: made.id })
    return { organizationId: organization.id, clusterId: made.id, projectId: project.id, environmentId: environment.id }
  }

  /** Ends it and removes everything it made, through the project's own `bin/down --purge`. */
  async remove(): Promise<void> {
    if (process.env['KEEP_LOG']) appendFileSync(process.env['KEEP_LOG'], this.log)
    await this.#end('SIGTERM')
    for (const take of this.leftovers) take()
    const images = await dockerImage(this.environment['BERTH_EDGE_IMAGE'] ?? 'berth-edge:1.40.0')
    if (existsSync(join(this.home, 'clusters')) && images) await takeDown(this.home)
    rmSync(this.home, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill(signal)
    await gone
  }
}

async function dockerImage(reference: string): Promise<boolean> {
  const { DockerClient } = await import('../../src/engine/docker/client.ts')
  return new DockerClient('/var/run/docker.sock').find('GET', `/images/${encodeURIComponent(reference)}/json`).then(
    (found) => found !== undefined,
    () => false,
  )
}

/** What this server's clusters have in Docker; the edge's image and other servers' things stay. */
async function takeDown(home: string): Promise<void> {
  const { DockerClient } = await import('../../src/engine/docker/client.ts')
  const { readdirSync } = await import('node:fs')
  const docker = new DockerClient('/var/run/docker.sock')
  for (const cluster of readdirSync(join(home, 'clusters'))) {
    const filter = `filters=${encodeURIComponent(JSON.stringify({ label: [`berth.cluster=${cluster}`] }))}`
    for (const one of await docker.call<{ Id: string }[]>('GET', `/containers/json?all=true&${filter}`))
      await docker.find('DELETE', `/containers/${one.Id}?force=true&v=true`)
    for (const one of await docker.call<{ Id: string }[]>('GET', `/networks?${filter}`)) await docker.find('DELETE', `/networks/${one.Id}`)
    for (const one of (await docker.call<{ Volumes: { Name: string }[] | null }>('GET', `/volumes?${filter}`)).Volumes ?? [])
      await docker.find('DELETE', `/volumes/${one.Name}`)
  }
}

/** Waits on a condition with a deadline in seconds. */
export async function until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

export const workFolder = (name: string): string => {
  const folder = join(tmpdir(), `berth-work-${process.pid}-${name}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}
