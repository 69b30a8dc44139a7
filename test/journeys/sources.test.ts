import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gitBackend } from '../../src/source/git/own.ts'
import { createRegistry, deploymentLog, settled, type Service, type Status } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { pushImage } from '../harness/image.ts'
import { ask } from '../harness/load.ts'
import { startRegistry, type Registry } from '../harness/registry.ts'
import { Repository } from '../harness/repository.ts'
import { freePort, TestServer, until, workFolder, type Place } from '../harness/server.ts'

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
      cpu: 50,
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

describe('an image that its registry gives out to one user only', () => {
  const [first, second] = ['canary-7f20c1', 'canary-7f20c2']
  let locked: Registry
  let registryId: string
  let container: Service
  const base = (): string => `/organization/${place.organizationId}/containerRegistry`
  const body = (more: Record<string, unknown>) => ({ name: 'locked', kind: 'GENERIC_CR', url: `http://127.0.0.1:${locked.port}`, ...more })
  const deployed = async (): Promise<{ state: string; why: string }> => {
    await server.client.post(`/container/${container.id}/deploy`)
    await until('it to end', 90, async () => {
      const { state } = await server.client.get<Status>(`/container/${container.id}/status`)
      return /^(DEPLOYED|\w+_ERROR)$/.test(state)
    })
    const { state } = await server.client.get<Status>(`/container/${container.id}/status`)
    const { explanation } = await server.client.get<{ explanation: { message: string } | null }>(`/service/${container.id}/explain`)
    return { state, why: explanation?.message ?? '' }
  }

  /** All rows of a table, as somebody sees them who has a copy of the database. */
  const stored = async (table: 'registry' | 'event' | 'release'): Promise<string> => {
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    const { rows } = await client.query(`select * from ${table}`)
    await client.end()
    expect(rows.length).toBeGreaterThan(0)
    return JSON.stringify(rows)
  }

  beforeAll(async () => {
    locked = await startRegistry('127.0.0.1', { name: 'robot', password: first })
    const config = workFolder('docker-config')
    const auth = Buffer.from(`robot:${first}`).toString('base64')
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [`127.0.0.1:${locked.port}`]: { auth } } }))
    pushImage(images, { registry: `127.0.0.1:${locked.port}`, name: 'team/locked', tag: '1', config })
  })
  afterAll(() => locked.stop())

  test('is refused with a sentence while nobody is named, or the password is wrong', async () => {
    registryId = (await server.client.post<{ id: string }>(base(), body({ config: {} }))).id
    container = await server.client.post<Service>(`/environment/${place.environmentId}/container`, {
      name: 'locked',
      registry_id: registryId,
      image_name: 'team/locked',
      tag: '1',
      healthchecks: {},
      cpu: 50,
      ports: [{ internal_port: 8080, publicly_accessible: true }],
    })
    expect(await deployed()).toMatchObject({ state: 'BUILD_ERROR', why: expect.stringContaining('asks for credentials') as string })
    await server.client.put(`${base()}/${registryId}`, body({ config: { username: 'robot', password: 'wrong' } }))
    expect(await deployed()).toMatchObject({
      state: 'BUILD_ERROR',
      why: expect.stringContaining('to robot: its password may be wrong') as string,
    })
  })

  test('runs once its password is known, which no answer, log or object tells', async () => {
    const changed = await server.client.put<{ config: unknown }>(
      `${base()}/${registryId}`,
      body({ config: { username: 'robot', password: first } }),
    )
    expect(changed.config).toEqual({ username: 'robot' })
    expect(await deployed()).toEqual({ state: 'DEPLOYED', why: '' })
    expect(await answerOf('container', container)).toBe('hello')
    const told = [
      JSON.stringify(await server.client.get(base())),
      await stored('registry'),
      await stored('event'),
      await stored('release'),
      await deploymentLog(server.client, place.environmentId),
      ground.facts(container),
      server.log,
    ].join()
    for (const text of [first, Buffer.from(`robot:${first}`).toString('base64')]) expect(told).not.toContain(text)
  })

  test('is pulled with the next password after the next deployment', async () => {
    locked.setPassword(second)
    await server.client.put(`${base()}/${registryId}`, body({ config: { username: 'robot', password: second } }))
    expect(await deployed()).toEqual({ state: 'DEPLOYED', why: '' })
    const releases = await server.client.list<{ revision: number }>(`/container/${container.id}/release`)
    expect(releases.map((one) => one.revision)).toEqual([2, 1])
    expect(await deployed()).toEqual({ state: 'DEPLOYED', why: '' })
    expect(await server.client.list(`/container/${container.id}/release`)).toHaveLength(2)
  })

  test('keeps its password where it is not sent again, but never for another address', async () => {
    await server.client.put(`${base()}/${registryId}`, body({ description: 'the same', config: { username: 'robot' } }))
    expect(await deployed()).toEqual({ state: 'DEPLOYED', why: '' })
    const moved = body({ url: 'http://127.0.0.1:1', config: { username: 'robot' } })
    await expect(server.client.put(`${base()}/${registryId}`, moved)).rejects.toThrow(/config\.password: expected the password again/)
    await expect(server.client.post(base(), { ...body({ config: { region: 'x' } }), name: 'other' })).rejects.toThrow(/config\.region/)
    await server.client.put(`${base()}/${registryId}`, body({ config: {} }))
    expect((await deployed()).state).toBe('BUILD_ERROR')
    expect(await answerOf('container', container)).toBe('hello')
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
      cpu: 50,
      ports: [{ internal_port: 8080, publicly_accessible: true }],
    })
    const deploy = async (): Promise<string> => {
      await server.client.post(`/application/${app.id}/deploy`)
      const state = await settled(server.client, app.id)
      const log = await deploymentLog(server.client, place.environmentId)
      expect(state, log).toBe('DEPLOYED')
      return log
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
