import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { AppError, messageOf } from '../../model/error.ts'
import { canonical } from '../../release/digest.ts'
import type { DockerClient } from './client.ts'
import { labels } from './label.ts'
import { CONFIG_FOLDER, renderBootstrap, renderEdge, type EdgeInput } from './render/edge.ts'

/** Milliseconds Envoy may take to take a configuration over: 350 ms were measured at 5,000 applications. */
const ACCEPT_LIMIT = 20_000

export type EdgeSettings = { folder: string; image: string; name: string; clusterId: string; user: string | null }

/** Envoy in a container of its own: its configuration is files, renamed into place; it serves on while Berth is down. */
export class Edge {
  readonly #docker: DockerClient
  readonly #settings: EdgeSettings
  #written = new Map<string, string>()

  constructor(docker: DockerClient, settings: EdgeSettings) {
    this.#docker = docker
    this.#settings = settings
    for (const folder of [this.#config, this.#run]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  get #config(): string {
    return join(this.#settings.folder, 'config')
  }

  get #run(): string {
    return join(this.#settings.folder, 'run')
  }

  /** Writes what changed, makes sure that Envoy runs, and returns once it has taken every file over. Throws what it rejects. */
  async write(input: EdgeInput): Promise<void> {
    const files = renderEdge(input)
    const before = await this.#stats().catch(() => undefined)
    const expected: [string, string][] = []
    for (const [name, file] of Object.entries(files)) {
      const { version_info: _version, ...meaning } = file
      const text = canonical(meaning)
      if (this.#written.get(name) !== text) this.#place(name, JSON.stringify(file))
      else continue
      this.#written.set(name, text)
      expected.push([name, String(input.version)])
    }
    this.#place('bootstrap.json', JSON.stringify(renderBootstrap()))
    await this.#ensureRunning()
    try {
      await this.#accepted(expected, before?.rejected)
    } catch (error) {
      this.#written.clear()
      throw error
    }
  }

  #place(name: string, text: string): void {
    const target = join(this.#config, name)
    writeFileSync(`${target}.new`, text, { mode: 0o600 })
    renameSync(`${target}.new`, target)
  }

  async #ensureRunning(): Promise<void> {
    const { name } = this.#settings
    const found = await this.#docker.find<{ State: { Running: boolean } }>('GET', `/containers/${name}/json`)
    if (found?.State.Running) return
    if (!found) await this.#docker.call('POST', `/containers/create?name=${name}`, { body: this.#container() })
    await this.#docker.call('POST', `/containers/${name}/start`)
  }

  #container(): Record<string, unknown> {
    const { image, clusterId, user } = this.#settings
    return {
      Image: image,
      Entrypoint: ['envoy'],
      Cmd: ['-c', `${CONFIG_FOLDER}/bootstrap.json`, '--use-dynamic-base-id', '--log-level', 'warning', '--concurrency', '2'],
      Labels: { [labels.cluster]: clusterId, 'berth.edge': 'true' },
      ...(user === null ? {} : { User: user }),
      HostConfig: {
        NetworkMode: 'host',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        CapAdd: ['NET_BIND_SERVICE'],
        SecurityOpt: ['no-new-privileges'],
        RestartPolicy: { Name: 'unless-stopped' },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
        Tmpfs: { '/tmp': '' },
        Mounts: [
          { Type: 'bind', Source: this.#config, Target: CONFIG_FOLDER, ReadOnly: true },
          { Type: 'bind', Source: this.#run, Target: '/run/berth-edge' },
        ],
      },
    }
  }

  /** Reads from Envoy which version of each file it runs; a rejected one is told with Envoy's own words. */
  async #accepted(expected: [string, string][], rejectedBefore: number | undefined): Promise<void> {
    const until = Date.now() + ACCEPT_LIMIT
    for (;;) {
      const stats = await this.#stats().catch((error: unknown) => ({ text: '', rejected: 0, failure: messageOf(error) }))
      if (stats.text !== '' && expected.every(([name, version]) => versionIn(stats.text, name) === version || NOT_VERSIONED.has(name)))
        return
      if (rejectedBefore !== undefined && stats.rejected > rejectedBefore)
        throw new AppError('internal', `The edge rejected its configuration: ${await this.#rejection()}`)
      if (Date.now() > until)
        throw new AppError(
          'unavailable',
          `The edge has not taken its configuration over within ${ACCEPT_LIMIT / 1000} s. ${await this.#rejection()}`,
        )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async #stats(): Promise<{ text: string; rejected: number }> {
    const text = await this.#admin('/stats?filter=(version_text|update_rejected)$')
    const rejected = [...text.matchAll(/update_rejected: (\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0)
    return { text, rejected }
  }

  async #rejection(): Promise<string> {
    const stream = await this.#docker
      .stream('GET', `/containers/${this.#settings.name}/logs?stdout=1&stderr=1&tail=5`)
      .catch(() => undefined)
    if (!stream) return 'Its container does not run.'
    const chunks: string[] = []
    for await (const chunk of stream) chunks.push(String(chunk))
    return chunks
      .join('')
      .replace(/[^\x20-\x7e\n]/g, '')
      .slice(-1500)
  }

  #admin(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: join(this.#run, 'admin.sock'), path, timeout: 2000 }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('end', () => resolve(Buffer.concat(chunks).toString()))
        response.once('error', reject)
      })
      outgoing.once('timeout', () => outgoing.destroy(new Error('the edge does not answer on its admin socket')))
      outgoing.once('error', reject)
      outgoing.end()
    })
  }
}

/** Secrets have no version among Envoy's counters; a bad one shows as rejected. */
const NOT_VERSIONED = new Set(['sds.json'])
const VERSION_STAT: Record<string, string> = {
  'cds.json': 'cluster_manager.cds',
  'lds.json': 'listener_manager.lds',
  'rds.json': 'http.https.rds.https',
}

function versionIn(stats: string, file: string): string | undefined {
  const name = VERSION_STAT[file]
  return stats
    .split('\n')
    .find((line) => line.startsWith(`${name}.version_text:`))
    ?.split('"')[1]
}
