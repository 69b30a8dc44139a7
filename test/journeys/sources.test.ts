import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gitBackend } from '../../src/source/git/own.ts'
import { createRegistry, deploymentLog, settled, type Service, type Status } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { pushImage } from '../harness/image.ts'
import { ask } from '../harness/load.ts'
import { Repository } from '../harness/repository.ts'
import { freePort, TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let registry: { name: string; stop: () => void }
const images = resolve(import.meta.dirname, '../harness/images')

const answerOf = async (noun: 'application' | 'container', app: Service): Promise<string> => {
  const [link] = await server.client.list<{ url: string }>(`/${noun}/${app.id}/link`)
  return (await ask(link?.url ?? '', server.info.caFile)).body
}

/** A Git host of somebody else: one public repository over HTTP. */
async function host(repository: Repository): Promise<{ url: string; server: Server }> {
  const origin = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').replace('/public.git', '').split('?')
    void gitBackend({
      folder: join(repository.folder, '.git'),
      path,
      query,
      method: request.method ?? 'GET',
      contentType: request.headers['content-type'] ?? '',
      encoding: String(request.headers['content-encoding'] ?? ''),
      protocol: String(request.headers['git-protocol'] ?? ''),
      user: '',
      body: request,
    }).then((answer) => response.writeHead(answer.status, answer.headers).end(answer.body))
  })
  const port = await freePort()
  await new Promise<void>((done) => origin.listen(port, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${port}/public.git`, server: origin }
}

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  registry = await ground.registry()
})
afterAll(async () => {
  registry.stop()
  await server.remove()
})

describe('an image from a registry', () => {
  test('its tag is resolved to a digest once, and it runs by that digest', async () => {
    pushImage(images, { registry: registry.name, name: 'team/web', tag: '1.0' })
    const container = await server.client.post<Service>(`/environment/${place.environmentId}/container`, {
      name: 'from-image',
      registry_id: await createRegistry(server.client, place.organizationId, registry.name),
      image_name: 'team/web',
      tag: '1.0',
      healthchecks: {},
      ports: [{ internal_port: 8080, publicly_accessible: true }],
    })
    await server.client.post(`/container/${container.id}/deploy`)
    const state = async (): Promise<string> => (await server.client.get<Status>(`/container/${container.id}/status`)).state
    await until('it to be deployed', 60, async () => /DEPLOYED|ERROR/.test(await state()))
    expect(await state()).toBe('DEPLOYED')
    expect(ground.imageOf(ground.instances(container)[0] ?? '', container)).toMatch(/team\/web@sha256:[0-9a-f]{64}$/)
    expect(await answerOf('container', container)).toBe('hello')
    await server.client.post(`/container/${container.id}/deploy`, { image_tag: 'missing' })
    await until('it to fail', 20, async () => (await state()) === 'BUILD_ERROR')
    const { explanation } = await server.client.get<{ explanation: { message: string } }>(`/service/${container.id}/explain`)
    expect(explanation.message).toContain('has no image team/web with the tag missing')
  })
})

describe('a Git repository elsewhere', () => {
  test('is fetched over HTTP, and built again only when its source changed', async () => {
    const program = readFileSync(join(images, 'server.pl'), 'utf8')
    const source = new Repository('elsewhere', { Dockerfile: readFileSync(join(images, 'Dockerfile'), 'utf8'), 'server.pl': program })
    const origin = await host(source)
    const app = await server.client.post<Service>(`/environment/${place.environmentId}/application`, {
      name: 'fetched',
      git_repository: { url: origin.url, provider: 'GITLAB', branch: 'main' },
      healthchecks: {},
      ports: [{ internal_port: 8080, publicly_accessible: true }],
    })
    const deploy = async (): Promise<string> => {
      await server.client.post(`/application/${app.id}/deploy`)
      expect(await settled(server.client, app.id)).toBe('DEPLOYED')
      return deploymentLog(server.client, place.environmentId)
    }
    try {
      expect(await deploy()).not.toContain('was built before')
      expect(await answerOf('application', app)).toBe('hello')
      const shown = await server.client.get<{ git_repository: { provider: string } }>(`/application/${app.id}`)
      expect(shown.git_repository.provider).toBe('GITLAB')
      source.commit({})
      expect(await deploy()).toContain('was built before')
      source.commit({ 'server.pl': program.replaceAll("'hello'", "'changed'") })
      expect(await deploy()).not.toContain('was built before')
      expect(await answerOf('application', app)).toBe('changed')
    } finally {
      origin.server.close()
    }
  })
})
