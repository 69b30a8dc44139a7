import { execFileSync } from 'node:child_process'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { ask, underLoad } from '../harness/load.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

/** Rollouts under load: few here, many with `bin/test --long`. */
const ROLLOUTS = process.env['LONG'] ? 50 : 5

let server: TestServer
let place: Place
let app: Service
let url: string
let repository: Repository

const lives = (): string[] => ground.lives(app)
const explain = () =>
  server.client.get<{
    state: string
    health: string
    explanation: { reason: string; message: string } | null
    conditions: { type: string; status: boolean; reason: string }[]
  }>(`/service/${app.id}/explain`)
const push = (): Promise<string> => repository.push(remoteUrl(server, place.environmentId, 'hello'))
const say = (text: string): string => repository.commit({ 'hello.pl': original.replace('Hello from Berth!', text) })
let original = ''
let dockerfile = ''

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId)
  await server.client.put(`/application/${app.id}/advancedSettings`, quick)
  const [link] = await server.client.list<{ url: string }>(`/application/${app.id}/link`)
  url = link?.url ?? ''
  repository = Repository.hello('git-push')
  original = repository.git('show', 'HEAD:hello.pl')
  dockerfile = repository.git('show', 'HEAD:Dockerfile')
})
afterAll(() => server.remove())

describe('a Git repository becomes a live application', () => {
  test('a push builds it, runs it and answers over HTTPS with a certificate of the local authority', async () => {
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(await ask(url, server.info.caFile)).toEqual({ status: 200, body: 'Hello from Berth!' })
    expect(await deploymentLog(server.client, place.environmentId)).toContain(
      'No readiness probe is set: a TCP connection to the first port counts as ready',
    )
  })

  test('plain HTTP is redirected to HTTPS', async () => {
    const { http, address } = ground.edge(server)
    const answer = await new Promise<{ status: number; location: string }>((resolve, reject) => {
      const outgoing = request({ host: address, port: http, path: '/x?y', headers: { host: new URL(url).hostname } }, (response) => {
        response.resume()
        resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '' })
      })
      outgoing.once('error', reject).end()
    })
    expect([301, 308]).toContain(answer.status)
    expect(answer.location).toMatch(/^https:\/\//)
  })

  test('its environment has the variables that were set and those that are built in', async () => {
    const environment = ground.exec(ground.instances(app)[0] ?? '', app, 'env')
    expect(environment).toContain(`QOVERY_APPLICATION_ID=${app.id}`)
    expect(environment).toContain('QOVERY_ENVIRONMENT_NAME=test')
  })

  test(`${ROLLOUTS} pushes in a row fail no request`, async () => {
    const load = await underLoad(url, server.info.caFile, async () => {
      for (let n = 1; n <= ROLLOUTS; n++) {
        say(`version ${n}`)
        await push()
      }
    })
    expect(load.failures).toEqual([])
    expect(load.requests).toBeGreaterThan(100)
    expect([...load.bodies]).toContain(`version ${ROLLOUTS}`)
  })

  test('a redeploy without a change restarts nothing', async () => {
    const before = lives()
    await server.client.post(`/application/${app.id}/redeploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(lives()).toEqual(before)
    expect(await deploymentLog(server.client, place.environmentId)).toContain('Nothing changed')
  })

  test('the same source is not built twice', async () => {
    repository.commit({})
    await push()
    expect(await deploymentLog(server.client, place.environmentId)).toContain('was built before')
  })

  test('a restart replaces the instances and fails no request', async () => {
    const before = lives()
    const load = await underLoad(url, server.info.caFile, async () => {
      await server.client.post(`/application/${app.id}/restart-service`)
      expect(await settled(server.client, app.id)).toBe('RESTARTED')
    })
    expect(load.failures).toEqual([])
    expect(lives()).not.toEqual(before)
  })

  test('a build that fails says why and leaves the old release serving', async () => {
    const { body } = await ask(url, server.info.caFile)
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nRUN echo about to fail; exit 3\n' })
    await push()
    expect(await settled(server.client, app.id)).toBe('BUILD_ERROR')
    expect((await explain()).explanation?.message).toContain('The build failed')
    expect(await ask(url, server.info.caFile)).toEqual({ status: 200, body })
  })

  test('a release that crashes fails fast with its exit code and leaves the old one serving', async () => {
    const { body } = await ask(url, server.info.caFile)
    const load = await underLoad(url, server.info.caFile, async () => {
      repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nCMD ["perl", "-e", "exit 42"]\n' })
      await push()
      expect(await settled(server.client, app.id)).toBe('DEPLOYMENT_ERROR')
    })
    expect((await explain()).explanation).toMatchObject({ message: expect.stringContaining('exit code 42') as string })
    expect(load.failures).toEqual([])
    expect([...load.bodies]).toEqual([body])
    expect(lives()).toHaveLength(1)
  })

  test('a command that does not exist is told as that', async () => {
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nENTRYPOINT ["/no/such/program"]\n' })
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYMENT_ERROR')
    expect((await explain()).explanation?.message).toMatch(/no such file|not found|could not/i)
  })

  test('canceling brings back what served', async () => {
    const { body } = await ask(url, server.info.caFile)
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nRUN sleep 60\n' })
    repository.git('push', '--quiet', remoteUrl(server, place.environmentId, 'hello'), 'main:refs/heads/other')
    const commit = repository.git('rev-parse', 'HEAD').trim()
    await server.client.post(`/application/${app.id}/deploy`, { git_commit_id: commit })
    await until('the build to begin', 20, async () => (await deploymentLog(server.client, place.environmentId)).includes('RUN sleep 60'))
    await server.client.post(`/environment/${place.environmentId}/cancelDeployment`, {})
    expect(await settled(server.client, app.id, 15)).toBe('CANCELED')
    expect(await ask(url, server.info.caFile)).toEqual({ status: 200, body })
  })

  test('a build that takes too long is stopped, with its processes', async () => {
    await server.client.put(`/application/${app.id}/advancedSettings`, { 'build.timeout_max_sec': 3 })
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nRUN sleep 61\n' })
    await push()
    expect((await explain()).explanation?.message).toContain('took longer than 3 s')
    await until('the build to end', 10, () =>
      Promise.resolve(
        !execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
          .split('\n')
          .some((line) => line.trim() === 'sleep 61'),
      ),
    )
    await server.client.put(`/application/${app.id}/advancedSettings`, { 'build.timeout_max_sec': null })
  })

  test('a build that needs more memory than it may have is told as that', async () => {
    await server.client.put(`/application/${app.id}/advancedSettings`, { 'build.ram_max_in_gib': 1 })
    repository.commit({ Dockerfile: `FROM debian:bookworm-slim\nRUN perl -e 'my @a; push @a, "x" x 10000000 for 1..300'\n` })
    await push()
    expect((await explain()).explanation?.message).toContain('ram_max_in_gib')
    await server.client.put(`/application/${app.id}/advancedSettings`, { 'build.ram_max_in_gib': null })
  })

  test('an instance killed by hand shows within 2 s, is started again, and the reason is named', async () => {
    say('back again')
    repository.commit({ Dockerfile: dockerfile })
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    // What was seen of the rollout may be told a moment later: it is not to be taken for what the kill does.
    await until('it to run', 5, async () => (await explain()).health === 'running')
    ground.kill(ground.instances(app)[0] ?? '', app)
    const killed = Date.now()
    await until(
      'the status to say so',
      2,
      async () =>
        (await explain()).health !== 'running' || (await explain()).conditions.some((one) => one.type === 'Stable' && !one.status),
    )
    expect(Date.now() - killed).toBeLessThan(2000)
    await until('it to run again', 15, async () => (await explain()).health === 'running')
    expect((await explain()).conditions.find((one) => one.type === 'Stable')).toMatchObject({ status: false, reason: 'KilledFromOutside' })
    expect((await explain()).state).toBe('DEPLOYED')
    expect((await ask(url, server.info.caFile)).status).toBe(200)
  })

  test('an instance that is removed by hand comes back', async () => {
    const [id = ''] = lives()
    ground.remove(ground.instances(app)[0] ?? '', app)
    await until('it to be back', 20, async () => lives().length === 1 && lives()[0] !== id && (await explain()).health === 'running')
    await until('it to answer', 10, async () => (await ask(url, server.info.caFile)).status === 200)
  })

  test('applications answer while Berth is down, and its return restarts nothing', async () => {
    const before = lives()
    await server.stop()
    expect((await ask(url, `${server.home}/certificates/authority.pem`)).status).toBe(200)
    await server.up()
    await until('the status to be known again', 10, async () => (await explain()).health === 'running')
    expect(lives()).toEqual(before)
  })

  test('auto-deploy off only stores what is pushed', async () => {
    await server.client.put(`/application/${app.id}`, { healthchecks: {}, auto_deploy: false })
    const before = lives()
    say('stored only')
    await push()
    expect(lives()).toEqual(before)
  })

  test('stop ends the instances, deploy brings them back', async () => {
    await server.client.post(`/application/${app.id}/stop`)
    expect(await settled(server.client, app.id)).toBe('STOPPED')
    expect(lives()).toEqual([])
    expect((await ask(url, server.info.caFile)).status).toBe(503)
    await server.client.post(`/application/${app.id}/deploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    await until('it to answer', 10, async () => (await ask(url, server.info.caFile)).body === 'stored only')
  })

  test('delete leaves nothing behind', async () => {
    await server.client.delete(`/environment/${place.environmentId}`)
    await until(
      'everything to be gone',
      30,
      async () =>
        (await server.client.get(`/environment/${place.environmentId}`).then(
          () => false,
          () => true,
        )) && lives().length === 0,
    )
    await until('the environment to be gone from the engine', 30, () => Promise.resolve(ground.isEmpty(place.environmentId)))
  })
})
