import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { ask } from '../harness/load.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

type Release = { revision: number; is_serving: boolean; is_image_available: boolean | null; commit: { git_commit_id: string } | null }
type Preview = { changes: string[]; objects: { object: string; action: string; lines: string[] }[] | null; notes: string[] }
type Diff = { from: number; to: number; changes: string[]; not_undone: string[]; is_image_available: boolean | null }

/** Looked for everywhere it must not be. */
const CANARY = 'canary-2b61d0'

let server: TestServer
let place: Place
let app: Service
let url: string
let repository: Repository
const base = (): string => `/application/${app.id}`
const push = (): Promise<string> => repository.push(remoteUrl(server, place.environmentId, 'hello'))
const releases = (): Promise<Release[]> => server.client.list<Release>(`${base()}/release`)
const body = async (path = '/'): Promise<string> => (await ask(url, server.info.caFile, { path })).body
const environment = (): string => ground.exec(ground.instances(app)[0] ?? '', app, 'env')

beforeAll(async () => {
  server = await TestServer.start({ BERTH_KEPT_RELEASES: '2' })
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId)
  await server.client.put(`${base()}/advancedSettings`, quick)
  url = (await server.client.list<{ url: string }>(`${base()}/link`))[0]?.url ?? ''
  repository = Repository.hello('releases')
  await server.client.post('/variable', {
    key: 'COLOUR',
    value: 'green',
    is_secret: false,
    variable_scope: 'APPLICATION',
    variable_parent_id: app.id,
  })
  await push()
  expect(await settled(server.client, app.id)).toBe('DEPLOYED')
})
afterAll(() => server.remove())

describe('releases', () => {
  test('are numbered, and each knows its commit and whether its image is there', async () => {
    expect(await releases()).toMatchObject([{ revision: 1, is_serving: true, is_image_available: true }])
  })

  test('a dry run tells what deploying would change and changes nothing; no value of a secret is in it', async () => {
    const before = ground.lives(app)
    const same = await server.client.post<Preview>(`${base()}/deploy?dryRun=true`)
    expect(same.changes).toEqual([])
    expect(same.notes.join()).toContain('Nothing would change')
    await server.client.put(base(), { healthchecks: {}, memory: 160 })
    const [variable] = await server.client
      .list<{ id: string; key: string }>(`/variable?parent_id=${app.id}&scope=APPLICATION`)
      .then((all) => all.filter((one) => one.key === 'COLOUR'))
    await server.client.put(`/variable/${variable?.id}`, { key: 'COLOUR', value: 'red' })
    await server.client.post('/variable', {
      key: 'TOKEN',
      value: CANARY,
      is_secret: true,
      variable_scope: 'APPLICATION',
      variable_parent_id: app.id,
    })
    const told = await server.client.post<Preview>(`${base()}/deploy?dryRun=true`)
    expect(told.changes).toContain('~ variables.COLOUR: "green" → "red"')
    expect(told.changes.find((line) => line.startsWith('~ memoryMib'))).toContain('160')
    expect(told.changes.find((line) => line.startsWith('+ variables.TOKEN'))).toContain('***')
    if (ground.engine === 'kubernetes') {
      const deployment = told.objects?.find((one) => one.object.startsWith('Deployment '))
      expect(deployment?.lines.join('\n')).toContain('160Mi')
      expect(told.objects?.find((one) => one.object.startsWith('Secret '))).toMatchObject({ action: 'create' })
    }
    expect(JSON.stringify(told)).not.toContain(CANARY)
    expect(JSON.stringify(told)).not.toContain(Buffer.from(CANARY).toString('base64'))
    expect(ground.lives(app)).toEqual(before)
    expect(await releases()).toHaveLength(1)
  })

  test('going back brings image, configuration and variables together, after a diff that says what stays', async () => {
    repository.commit({ 'hello.pl': repository.git('show', 'HEAD:hello.pl').replace('Hello from Berth!', 'second') })
    await push()
    expect(await settled(server.client, app.id), await deploymentLog(server.client, place.environmentId)).toBe('DEPLOYED')
    await until('the second release to answer', 10, async () => (await body()) === 'second')
    expect(environment()).toContain('COLOUR=red')
    expect(await releases()).toMatchObject([
      { revision: 2, is_serving: true },
      { revision: 1, is_serving: false, is_image_available: true },
    ])
    const diff = await server.client.get<Diff>(`${base()}/release/1/diff`)
    expect(diff).toMatchObject({ from: 2, to: 1, is_image_available: true })
    expect(diff.changes).toContain('~ variables.COLOUR: "red" → "green"')
    expect(diff.changes).toContain('- variables.TOKEN')
    expect(diff.not_undone.join()).toContain('The configuration that you edit stays')
    expect(JSON.stringify(diff)).not.toContain(CANARY)
    await server.client.post(`${base()}/release/1/deploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    await until('the first release to answer', 10, async () => (await body()) === 'Hello from Berth!')
    const now = environment()
    expect(now).toContain('COLOUR=green')
    expect(now).not.toContain('TOKEN=')
    expect(await releases()).toMatchObject([
      { revision: 2, is_serving: false },
      { revision: 1, is_serving: true },
    ])
  })

  test('the next deployment takes the edited configuration up again, as the release that was made of it', async () => {
    await server.client.post(`${base()}/deploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(await releases()).toMatchObject([{ revision: 2, is_serving: true }, { revision: 1 }])
    expect(environment()).toContain('COLOUR=red')
  })

  test('one that does not exist, or is another application’s, is not found', async () => {
    await expect(server.client.get(`${base()}/release/99`)).rejects.toThrow(/no release 99/)
    await expect(server.client.post(`${base()}/release/x/deploy`)).rejects.toThrow(/no release x/)
    await expect(server.client.get(`/container/${app.id}/release`)).rejects.toThrow(/no container/)
  })

  test('that are older than the kept ones lose their image, and say so before anybody goes back to them', async () => {
    const available = async (): Promise<(boolean | null)[]> => (await releases()).map((one) => one.is_image_available)
    repository.commit({ 'hello.pl': repository.git('show', 'HEAD:hello.pl').replace('second', 'third') })
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    // What was built within the hour stays, whatever needs it: a release of it may be about to be written.
    expect(await available()).toEqual([true, true, true])
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    await client.query("update build set created_at = now() - interval '2 hours'")
    await client.end()
    await server.client.post(`${base()}/restart-service`)
    await until('the oldest image to be gone', 60, async () => (await available()).join() === 'true,true,false')
    expect(await server.client.get<Diff>(`${base()}/release/1/diff`)).toMatchObject({ is_image_available: false })
    await expect(server.client.post(`${base()}/release/1/deploy`)).rejects.toThrow(/image/)
    await server.client.post(`${base()}/release/2/deploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    await until('the second release to answer', 10, async () => (await body()) === 'second')
  })
})
