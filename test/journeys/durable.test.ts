import { chmodSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { ask } from '../harness/load.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { TestServer, until, workFolder, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let app: Service
let url: string
let caFile: string
let repository: Repository

type EnvironmentStatus = { last_deployment_id: string | null }
const newest = async (): Promise<string | null> =>
  (await server.client.get<EnvironmentStatus>(`/environment/${place.environmentId}/status`)).last_deployment_id
/** The log of the deployment that came after `before`; '' while there is none. */
const logAfter = async (before: string | null): Promise<string> =>
  (await newest()) === before ? '' : deploymentLog(server.client, place.environmentId)

const instances = (): string[] => ground.instances(app)

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId, { min_running_instances: 2, max_running_instances: 2 })
  await server.client.put(`/application/${app.id}/advancedSettings`, {
    ...quick,
    'deployment.update_strategy.rolling_update.max_surge_percent': 50,
  })
  url = (await server.client.list<{ url: string }>(`/application/${app.id}/link`))[0]?.url ?? ''
  caFile = server.info.caFile
  repository = Repository.hello('durable')
  await repository.push(remoteUrl(server, place.environmentId, 'hello'))
  expect(await settled(server.client, app.id)).toBe('DEPLOYED')
})
afterAll(() => server.remove())

const byItself = ['Commit', 'the builder', 'exporting', 'Rolling out', 'Applying', 'Waiting until', 'is running']

/** The steps of this deployment, in the order in which the log shows that they began: after each of them the server is killed once. */
const boundaries =
  ground.engine === 'kubernetes'
    ? byItself
    : [
        'Commit',
        'exporting',
        'Rolling out',
        'Starting instance',
        'Waiting until',
        'Stopping instance',
        'Starting instance',
        'Waiting until',
        'Stopping instance',
        'is running',
      ]

/** Kills: few here, many with `bin/test --long`. */
const KILLS = process.env['LONG'] ? 100 : 10

describe('a server that is killed continues where it stopped', () => {
  test(`${KILLS} kills at every step of a deployment: each ends final, nothing runs twice, the application answers meanwhile`, async () => {
    for (let n = 0; n < KILLS; n++) {
      const boundary = boundaries[n % boundaries.length] ?? ''
      const seen = boundaries.slice(0, n % boundaries.length).filter((one) => one === boundary).length + 1
      repository.commit({
        'version.txt': String(n),
        'hello.pl': repository.git('show', 'HEAD:hello.pl').replace(/'(Hello from Berth!|version \d+)'/, `'version ${n}'`),
      })
      const before = await newest()
      const pushed = repository.push(remoteUrl(server, place.environmentId, 'hello')).catch(() => 'the pusher was cut off')
      await until(`"${boundary}" in the log`, 30, async () => {
        const log = await logAfter(before).catch(() => '')
        return log.split('\n').filter((line) => line.includes(boundary)).length >= seen
      })
      await server.kill()
      await pushed
      expect((await ask(url, caFile)).status).toBe(200)
      await server.up()
      expect(await settled(server.client, app.id, 60)).toBe('DEPLOYED')
      expect(instances()).toHaveLength(2)
      expect(new Set(instances().map((name) => name.replace(/-[^-]+$/, ''))).size).toBe(1)
      await until('the new version to answer', 10, async () => (await ask(url, caFile)).body === `version ${n}`)
    }
  })

  test('a kill during a failing rollout still ends in the old release', async () => {
    const { body } = await ask(url, caFile)
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nCMD ["perl", "-e", "sleep 1; exit 7"]\n' })
    const before = await newest()
    const pushed = repository.push(remoteUrl(server, place.environmentId, 'hello')).catch(() => '')
    await until('the rollout to begin', 30, async () => (await logAfter(before)).includes('Waiting until'))
    await server.kill()
    await pushed
    await server.up()
    expect(await settled(server.client, app.id, 60)).toBe('DEPLOYMENT_ERROR')
    expect(await ask(url, caFile)).toEqual({ status: 200, body })
    await until('only the old instances to be there', 10, () => Promise.resolve(instances().length === 2))
  })

  test('a kill during a stop ends stopped', async () => {
    await server.client.post(`/application/${app.id}/stop`)
    await server.kill()
    await server.up()
    expect(await settled(server.client, app.id, 60)).toBe('STOPPED')
    expect(instances()).toEqual([])
  })
})

describe('two servers share one database', () => {
  test('either answers, whoever holds a cluster carries out what was asked of the other, and when it is killed the other takes over', async () => {
    const folder = workFolder('shared-database')
    chmodSync(folder, 0o711)
    const database = await startEmbeddedPostgres(folder)
    const shared = {
      DATABASE_URL: `postgresql://berth@localhost/postgres?host=${encodeURIComponent(`${folder}/postgres/run`)}`,
      BERTH_MASTER_KEY_FILE: `${folder}/master.key`,
      BERTH_GIT_DIR: `${folder}/git`,
    }
    const servers = [await TestServer.start(shared), await TestServer.start(shared)]
    const [first, second] = servers
    if (!first || !second) return
    const memory = await first.place('memory')
    const one = await createHello(first.client, memory.environmentId)
    await new Repository('shared', { Dockerfile: 'FROM scratch\n' }).push(remoteUrl(second, memory.environmentId, 'hello'))
    expect(await settled(second.client, one.id)).toBe('DEPLOYED')
    const holder = await holderOf(folder)
    const other = servers.find((server) => server.info.pid !== holder) ?? second
    await servers.find((server) => server !== other)?.kill()
    await other.client.post(`/application/${one.id}/restart-service`)
    expect(await settled(other.client, one.id, 40)).toBe('RESTARTED')
    expect(await holderOf(folder)).toBe(other.info.pid)
    for (const server of servers) await server.remove()
    await database.stop()
  })

  /** The process that holds the only cluster. */
  async function holderOf(folder: string): Promise<number> {
    const client = new pg.Client({ host: `${folder}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    const found = await client.query<{ holder: string }>('select holder from cluster')
    await client.end()
    return Number(found.rows[0]?.holder.split('/')[1])
  }
})

describe('what seals the secrets', () => {
  test('a server with another master key does not start', async () => {
    const home = await TestServer.start()
    await home.stop()
    const { writeFileSync } = await import('node:fs')
    writeFileSync(`${home.home}/master.key`, '00'.repeat(32))
    await expect(home.up()).rejects.toThrow(/master key does not open this database/)
    await home.remove()
  })
})
