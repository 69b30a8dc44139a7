import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { ask } from '../harness/load.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { freePort, TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
/** One that stays, for what concerns all. */
let shared: Service
const images = resolve(import.meta.dirname, '../harness/images')
const files = { Dockerfile: readFileSync(join(images, 'Dockerfile'), 'utf8'), 'server.pl': readFileSync(join(images, 'server.pl'), 'utf8') }

const names = (app: Service): string[] => ground.instances(app)
const urlOf = async (app: Service): Promise<string> =>
  (await server.client.list<{ url: string; is_default: boolean }>(`/application/${app.id}/link`)).find((link) => link.is_default)?.url ?? ''
const get = async (app: Service, path = '/'): Promise<string> => (await ask(await urlOf(app), server.info.caFile, { path })).body
const explain = (app: Service) =>
  server.client.get<{ health: string; explanation: { reason: string; message: string; remedy: string } | null }>(
    `/service/${app.id}/explain`,
  )

/** Creates, pushes and waits; the state it came to rest in. */
async function deploy(
  name: string,
  more: Record<string, unknown>,
  advanced: Record<string, unknown> = {},
  environmentId = place.environmentId,
): Promise<{ app: Service; state: string }> {
  const app = await createHello(server.client, environmentId, { name, ...more })
  await server.client.put(`/application/${app.id}/advancedSettings`, { ...quick, ...advanced })
  await new Repository(name, files).push(remoteUrl(server, environmentId, name))
  return { app, state: await settled(server.client, app.id) }
}

/** An environment of its own, for what takes long: environments are deployed beside each other. */
async function elsewhere(name: string): Promise<string> {
  return (await server.client.post<Service>(`/project/${place.projectId}/environment`, { name, cluster: place.clusterId })).id
}

const redeploy = async (app: Service, change: Record<string, unknown>): Promise<string> => {
  await server.client.put(`/application/${app.id}`, { healthchecks: {}, ...change })
  await server.client.post(`/application/${app.id}/deploy`)
  return settled(server.client, app.id)
}

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
})
afterAll(() => server.remove())

describe('instances', () => {
  test('several instances share the traffic', async () => {
    const { app, state } = await deploy('several', { min_running_instances: 3, max_running_instances: 3 })
    expect(state).toBe('DEPLOYED')
    expect(names(app)).toHaveLength(3)
    shared = app
    const seen = new Set<string>()
    for (let n = 0; n < 30; n++) seen.add(await get(app, '/who'))
    expect(seen.size).toBe(3)
  })

  test('another application of the environment reaches them by the internal host name', async () => {
    const { app } = await deploy('caller', {})
    const [target] = (
      await server.client.list<{ key: string; value: string; service_name?: string }>(`/variable?parent_id=${app.id}&scope=APPLICATION`)
    ).filter((one) => one.key.endsWith('_HOST_INTERNAL') && one.service_name === 'several')
    expect(await get(app, `/env/${target?.key}`)).toBe(target?.value)
    expect(await get(app, `/call/${target?.value}/8080`)).toBe('reached: hello')
  })
})

describe('probes', () => {
  const http = (path: string, more: Record<string, unknown> = {}) => ({
    type: { http: { path, port: 8080, scheme: 'HTTP' } },
    initial_delay_seconds: 0,
    period_seconds: 1,
    timeout_seconds: 1,
    success_threshold: 1,
    failure_threshold: 2,
    ...more,
  })

  test('an instance gets traffic only once its readiness probe succeeds, and loses it when it fails', async () => {
    const { app, state } = await deploy('probed', { healthchecks: { readiness_probe: http('/ready', { failure_threshold: 10 }) } })
    expect(state).toBe('DEPLOYED')
    expect(await get(app)).toBe('hello')
    const fast = await redeploy(app, { healthchecks: { readiness_probe: http('/ready'), liveness_probe: null } })
    expect(fast).toBe('DEPLOYED')
    // The instance that was replaced may be asked for a moment yet.
    await until('the status to say so', 10, async () => {
      await get(app, '/unready')
      return (await explain(app)).health === 'error'
    })
    expect((await explain(app)).explanation?.message).toContain('answered 503')
    await until('the edge to have no instance left', 5, async () => (await ask(await urlOf(app), server.info.caFile)).status === 503)
  })

  test('a failing liveness probe restarts the instance', async () => {
    const { app } = await deploy('alive', { healthchecks: { liveness_probe: http('/live') } })
    await get(app, '/dead')
    const live = async (): Promise<number> => (await ask(await urlOf(app), server.info.caFile, { path: '/live' })).status
    expect(await live()).toBe(503)
    await until('it to be restarted', 20, async () => (await live()) === 200)
    type Conditions = { conditions: { type: string; status: boolean; reason: string; message: string }[] }
    const stable = async () =>
      (await server.client.get<Conditions>(`/service/${app.id}/explain`)).conditions.find((one) => one.type === 'Stable')
    // Kubernetes may tell of the restart before it tells of the probe.
    await until('the restart to be counted, and why', 10, async () => (await stable())?.reason === 'LivenessFailed')
    expect(await stable()).toMatchObject({
      reason: 'LivenessFailed',
      message: expect.stringMatching(/its liveness probe failed: .*answered 503/) as string,
    })
  })
})

describe.concurrent('what an application asks for', () => {
  test('CPU, memory, arguments and a read-only root hold', async () => {
    const { app, state } = await deploy(
      'limits',
      { cpu: 250, memory: 128, entrypoint: 'perl', arguments: ['/app/server.pl'] },
      { 'security.read_only_root_filesystem': true },
      await elsewhere('limits'),
    )
    expect(state).toBe('DEPLOYED')
    expect(ground.limits(names(app)[0] ?? '', app)).toEqual({
      cpuMilli: 250,
      memoryMib: 128,
      command: ['perl'],
      arguments: ['/app/server.pl'],
    })
    expect(await get(app, '/write')).toContain('refused: Read-only file system')
  })

  test('an application that needs more memory than it has is told as out of memory', async () => {
    const program = { entrypoint: 'perl', arguments: ['-e', 'my @a; push @a, "x" x 1000000 while 1'] }
    const { app, state } = await deploy('hungry', { memory: 32, ports: [], ...program }, {}, await elsewhere('hungry'))
    expect(state).toBe('DEPLOYMENT_ERROR')
    expect((await explain(app)).explanation).toMatchObject({ reason: 'OutOfMemory', remedy: expect.stringContaining('memory') as string })
    await server.client.delete(`/application/${app.id}`)
  })
})

describe.concurrent('probes of other kinds', () => {
  test('by TCP and by a command work too, and a release that never becomes ready ends at the deadline that was told', async () => {
    const exec = {
      type: { exec: { command: ['perl', '-e', 'exit !-e "/app/server.pl"'] } },
      initial_delay_seconds: 0,
      period_seconds: 1,
      timeout_seconds: 2,
    }
    const environmentId = await elsewhere('exec')
    const healthchecks = { readiness_probe: exec, liveness_probe: { ...exec, type: { tcp: { port: 8080 } } } }
    const { app, state } = await deploy('exec', { healthchecks }, {}, environmentId)
    expect(state).toBe('DEPLOYED')
    const never = { ...exec, type: { exec: { command: ['perl', '-e', 'exit 1'] } }, failure_threshold: 1, timeout_seconds: 1 }
    expect(await redeploy(app, { healthchecks: { readiness_probe: never } })).toBe('DEPLOYMENT_ERROR')
    expect(await deploymentLog(server.client, environmentId)).toMatch(/for 33 s at most/)
    expect((await explain(app)).explanation?.message).toContain('Not ready within 33 s')
    expect(await get(app)).toBe('hello')
  })
})

describe.concurrent('volumes', () => {
  test('they are one per instance, kept over deploys and stops, and removed on delete', async () => {
    const environmentId = await elsewhere('stateful')
    const storage = [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }]
    const { app } = await deploy('stateful', { min_running_instances: 2, max_running_instances: 2, storage }, {}, environmentId)
    const volumes = (): string[] => ground.volumes(app)
    expect(volumes()).toHaveLength(2)
    for (let n = 0; n < 6; n++) await get(app, '/count')
    expect(await redeploy(app, { memory: 140 })).toBe('DEPLOYED')
    expect(await deploymentLog(server.client, environmentId)).toContain('replaced one by one, stop first')
    expect(Number(await get(app, '/count'))).toBeGreaterThan(1)
    await server.client.post(`/application/${app.id}/stop`)
    expect(await settled(server.client, app.id)).toBe('STOPPED')
    expect(volumes()).toHaveLength(2)
    await server.client.post(`/application/${app.id}/deploy`)
    await settled(server.client, app.id)
    expect(Number(await get(app, '/count'))).toBeGreaterThan(1)
    await server.client.delete(`/application/${app.id}`)
    await until('the volumes to be gone', 30, () => Promise.resolve(volumes().length === 0))
  })

  test('a release that fails gives the volume back to the old one; the pre-stop command ran before it let go', async () => {
    const preStop = ['perl', '-e', 'open my $f, ">", "/data/count"; print $f 100']
    const { app } = await deploy(
      'returning',
      { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] },
      { 'deployment.lifecycle.pre_stop_exec_command': preStop },
      await elsewhere('returning'),
    )
    expect(await get(app, '/count')).toBe('1')
    expect(await redeploy(app, { entrypoint: 'perl', arguments: ['-e', 'exit 5'] })).toBe('DEPLOYMENT_ERROR')
    expect(await get(app, '/count')).toBe('101')
  })
})

describe('ports', () => {
  test('several public ports have names of their own; TCP and UDP have listeners', async () => {
    const [tcpPort, udpPort] = [await freePort(), await freePort()]
    const ports = [
      { internal_port: 8080, publicly_accessible: true, protocol: 'HTTP', name: 'web', is_default: true },
      { internal_port: 9000, publicly_accessible: true, protocol: 'TCP', external_port: tcpPort },
      { internal_port: 9001, publicly_accessible: true, protocol: 'UDP', external_port: udpPort },
    ]
    const { app, state } = await deploy('ports', { ports })
    expect(state).toBe('DEPLOYED')
    const links = await server.client.list<{ url: string }>(`/application/${app.id}/link`)
    expect((await ask(links.find((link) => link.url.startsWith('https://web-'))?.url ?? '', server.info.caFile)).body).toBe('hello')
    expect(await overTcp(ground.streamAddress(app, 'tcp'), tcpPort)).toBe('tcp:ping')
    expect(await overUdp(ground.streamAddress(app, 'udp'), udpPort)).toBe('udp:ping')
    const taken = server.client.post(`/environment/${place.environmentId}/application`, {
      name: 'taken',
      git_repository: { url: 'https://example.com/a.git', provider: 'GITHUB' },
      healthchecks: {},
      ports: [{ internal_port: 1, publicly_accessible: true, protocol: 'TCP', external_port: tcpPort }],
    })
    await expect(taken).rejects.toThrow(/is taken on this cluster/)
  })

  test.runIf(ground.engine === 'docker')(
    'a port that the edge cannot open is told in its own words, and keeps nobody else from being deployed',
    async () => {
      const { createServer } = await import('node:net')
      const port = await freePort()
      const occupied = createServer().listen(port, '0.0.0.0')
      const { app, state } = await deploy('occupied', {
        ports: [{ internal_port: 9000, publicly_accessible: true, protocol: 'TCP', external_port: port }],
      })
      expect(state).toBe('DEPLOYMENT_ERROR')
      expect((await explain(app)).explanation?.message).toMatch(/edge rejected.*(bind|in use)/is)
      occupied.close()
      const other = await deploy('unharmed', {})
      expect(other.state).toBe('DEPLOYED')
      expect(await get(other.app)).toBe('hello')
      const own = server.client.post(`/environment/${place.environmentId}/application`, {
        name: 'own',
        git_repository: { url: 'https://example.com/a.git', provider: 'GITHUB' },
        healthchecks: {},
        ports: [{ internal_port: 1, publicly_accessible: true, protocol: 'TCP', external_port: server.httpsPort }],
      })
      await expect(own).rejects.toThrow(/the edge itself listens/)
    },
  )

  test('a name that nobody has answers 404, not somebody else', async () => {
    const domain = ground.engine === 'docker' ? 'test.localhost' : new URL(await urlOf(shared)).hostname.split('.').slice(1).join('.')
    const answer = await ask(`https://nobody.${domain}:${ground.edge(server).https}`, server.info.caFile)
    expect(answer.status).toBe(404)
    if (ground.engine === 'docker') expect(answer.body).toBe('No application answers to this name.')
  })
})

function overTcp(host: string, port: number): Promise<string> {
  return new Promise((done, reject) => {
    const socket = connect(port, host, () => socket.write('ping'))
    socket.once('data', (data: Buffer) => {
      socket.destroy()
      done(data.toString())
    })
    socket.once('error', reject)
  })
}

function overUdp(host: string, port: number): Promise<string> {
  return new Promise((done, reject) => {
    const socket = createSocket('udp4')
    const timer = setTimeout(() => reject(new Error('no UDP answer within 5 s')), 5000)
    socket.once('message', (data) => {
      clearTimeout(timer)
      socket.close()
      done(data.toString())
    })
    socket.send('ping', port, host)
  })
}
