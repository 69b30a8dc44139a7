import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { debianImage, digestOf, kubectl, registryName } from './cluster.ts'
import { createRegistry, deploymentLog, quick, type Service } from './deploy.ts'
import { ground } from './ground.ts'
import { pushImage } from './image.ts'
import { TestServer, until, workFolder, type Place } from './server.ts'

export type Explained = {
  state: string
  health: string
  conditions: { type: string; status: boolean; reason: string; message: string }[]
  explanation: { reason: string; message: string; evidence: string[]; remedy: string } | null
}

/** An application in an environment of its own: environments are deployed beside each other. */
export type App = Service & { environmentId: string }

const forever = ['-e', '$SIG{TERM} = sub { exit 0 }; sleep 1 while 1']

/** Applications that fail, or may, and what people are told of them. */
export class Trials {
  readonly server: TestServer
  readonly place: Place
  readonly #registryId: string

  private constructor(server: TestServer, place: Place, registryId: string) {
    this.server = server
    this.place = place
    this.#registryId = registryId
  }

  static async begin(): Promise<Trials> {
    const server = await TestServer.start()
    const place = await ground.place(server)
    expect(await digestOf(debianImage)).toMatch(/^sha256:/)
    return new Trials(server, place, await createRegistry(server.client, place.organizationId, registryName))
  }

  /** One of Debian's image that runs forever, unless `more` says otherwise. */
  async create(name: string, more: Record<string, unknown> = {}, advanced: Record<string, unknown> = {}): Promise<App> {
    const { client } = this.server
    const environment = await client.post<Service>(`/project/${this.place.projectId}/environment`, { name, cluster: this.place.clusterId })
    const app = await client.post<Service>(`/environment/${environment.id}/container`, {
      name,
      registry_id: this.#registryId,
      image_name: 'library/debian',
      tag: debianImage.tag,
      healthchecks: {},
      cpu: 20,
      memory: 64,
      entrypoint: 'perl',
      arguments: forever,
      ...more,
    })
    await client.put(`/container/${app.id}/advancedSettings`, { ...quick, ...advanced })
    return { ...app, environmentId: environment.id }
  }

  /** The state in which it comes to rest. */
  async deploy(app: Service, seconds = 90): Promise<string> {
    await this.server.client.post(`/container/${app.id}/deploy`)
    const state = async (): Promise<string> => (await this.server.client.get<{ state: string }>(`/container/${app.id}/status`)).state
    await until(`${app.name} to come to rest`, seconds, async () => /^(DEPLOYED|.*_ERROR)$/.test(await state()))
    return state()
  }

  explain(app: Service): Promise<Explained> {
    return this.server.client.get<Explained>(`/service/${app.id}/explain`)
  }

  /** Deploys what must fail, removes it, and returns what people are told. */
  async failing(
    name: string,
    more: Record<string, unknown>,
    advanced: Record<string, unknown> = {},
  ): Promise<Explained & { seconds: number }> {
    const app = await this.create(name, more, advanced)
    const begun = Date.now()
    expect(await this.deploy(app), await deploymentLog(this.server.client, app.environmentId)).toMatch(/_ERROR$/)
    const told = { ...(await this.explain(app)), seconds: (Date.now() - begun) / 1000 }
    await this.remove(app)
    expect(told.explanation?.remedy.length).toBeGreaterThan(10)
    return told
  }

  async remove(app: App): Promise<void> {
    await this.server.client.delete(`/environment/${app.environmentId}`)
  }

  namespace(app: App): string {
    return kubectl(
      'get',
      'namespaces',
      '--selector',
      `berth/environment=${app.environmentId}`,
      '--output',
      'jsonpath={.items[0].metadata.name}',
    )
  }

  async end(): Promise<void> {
    await this.server.remove()
  }
}

/** Pushes an image of its own, `test/<name>:1`, with an executable file in which its name stands. */
export function pushOwnImage(name: string, registry: string): void {
  const folder = workFolder(name)
  writeFileSync(join(folder, 'name'), name)
  writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nCOPY name /name\nRUN chmod 755 /name\n')
  pushImage(folder, { registry, name: `test/${name}`, tag: '1' })
}
