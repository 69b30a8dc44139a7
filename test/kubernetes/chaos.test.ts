import { execFile, execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kubeconfigOf, parseKubeconfig } from '../../src/model/kubeconfig.ts'
import { kubeconfig, kubectl, processOf, registryName, removeNamespaces } from '../harness/cluster.ts'
import { act, createWeb, deployCluster, deploymentLog, type Service, type Status } from '../harness/deploy.ts'
import { faultyApi } from '../harness/faulty.ts'
import { ground } from '../harness/ground.ts'
import { pushImage } from '../harness/image.ts'
import { ask, underLoad } from '../harness/load.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

type Explained = { health: string; conditions: { type: string; reason: string }[]; explanation: { reason: string; message: string } | null }

let server: TestServer
let place: Place
let app: Service
let url: string
const image = `${registryName}/team/chaos:1`
const body = async (): Promise<string> => (await ask(url, server.info.caFile)).body
const explain = (): Promise<Explained> => server.client.get<Explained>(`/service/${app.id}/explain`)

/** Starts what does not run of the test cluster. */
const mend = (): Promise<unknown> => promisify(execFile)(resolve(import.meta.dirname, '../cluster/up'))

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  pushImage(resolve(import.meta.dirname, '../harness/images'), { registry: registryName, name: 'team/chaos', tag: '1' })
  app = await createWeb(server.client, { ...place, image }, { min_running_instances: 2, max_running_instances: 2 })
  url = (await server.client.list<{ url: string }>(`/container/${app.id}/link`))[0]?.url ?? ''
  await act(server.client, { ...app, ...place }, { verb: 'deploy', expected: 'DEPLOYED' })
})
afterAll(async () => {
  await mend()
  await server.remove()
})

// A cluster of yours is not broken by tests.
describe.skipIf(process.env['KUBECONFIG_FOR_TESTS'])('the cluster itself breaks', () => {
  test.each(['etcd', 'kube-apiserver'])(
    '%s is killed in the middle of a deployment and comes back: it ends well',
    async (name) => {
      const acting = act(server.client, { ...app, ...place }, { verb: 'restart-service', expected: 'RESTARTED', seconds: 150 })
      const state = async (): Promise<string> => (await server.client.get<Status>(`/container/${app.id}/status`)).state
      await until('the restart to begin', 20, async () => (await state()) === 'RESTARTING')
      await until('the rollout to be under way', 30, async () =>
        (await deploymentLog(server.client, place.environmentId)).includes('Waiting until'),
      )
      process.kill(processOf(name), 'SIGKILL')
      // It is away for a while.
      await pause(4000)
      await mend()
      await acting
      expect(ground.instances(app)).toHaveLength(2)
      // Deployed means that the gateway knows: no request is lost from here on.
      const { failures, requests } = await underLoad(url, server.info.caFile, () => pause(2000))
      expect(failures).toEqual([])
      expect(requests).toBeGreaterThan(10)
    },
    240_000,
  )

  test('its API server does not answer for a while: it is waited for', async () => {
    const pid = processOf('kube-apiserver')
    process.kill(pid, 'SIGSTOP')
    const resume = setTimeout(() => process.kill(pid, 'SIGCONT'), 8000)
    try {
      await act(server.client, { ...app, ...place }, { verb: 'restart-service', expected: 'RESTARTED', seconds: 120 })
    } finally {
      clearTimeout(resume)
      process.kill(pid, 'SIGCONT')
    }
    expect(await body()).toBe('hello')
  })

  test('its gateway hears of nothing for a while: a deployment is over only when it does', async () => {
    const controller = Number(execFileSync('pgrep', ['--full', '^envoy-gateway server'], { encoding: 'utf8' }))
    const log = (): Promise<string> => deploymentLog(server.client, place.environmentId)
    const waiting = 'Waiting until the gateway sends to these instances alone, for 60 s at most'
    process.kill(controller, 'SIGSTOP')
    const acting = act(server.client, { ...app, ...place }, { verb: 'restart-service', expected: 'RESTARTED', seconds: 90 })
    try {
      await until('it to be waited for', 60, async () => (await log()).includes(waiting))
      await pause(1000)
      expect((await server.client.get<Status>(`/container/${app.id}/status`)).state).toBe('RESTARTING')
    } finally {
      process.kill(controller, 'SIGCONT')
    }
    await acting
    const { failures, requests } = await underLoad(url, server.info.caFile, () => pause(1000))
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(10)
  })

  test('its autoscalers do not learn what instances use: people are told, and when the most instances run that may', async () => {
    const busy = { min_running_instances: 1, max_running_instances: 2, ports: [], entrypoint: 'perl', arguments: ['-e', '1 while 1'] }
    const metrics = (count: number): void =>
      void kubectl('scale', 'deployment', 'metrics-server', '--namespace=kube-system', `--replicas=${count}`)
    metrics(0)
    try {
      const other = await createWeb(server.client, { ...place, image }, { name: 'busy', ...busy })
      await act(server.client, { ...other, ...place }, { verb: 'deploy', expected: 'DEPLOYED' })
      const scaling = async (): Promise<string | undefined> =>
        (await server.client.get<Explained>(`/service/${other.id}/explain`)).conditions.find((one) => one.type === 'Scaling')?.reason
      await until('it to be told', 60, async () => (await scaling()) === 'NoMetrics')
      metrics(1)
      await until('it to run as many as it may', 120, async () => (await scaling()) === 'AtMaximum')
      expect(ground.instances(other)).toHaveLength(2)
      await act(server.client, { ...other, ...place }, { verb: 'stop', expected: 'STOPPED' })
    } finally {
      metrics(1)
    }
  })

  test('its load balancers get no address for a while: people are told, and nobody waits for it', async () => {
    process.kill(processOf('loadbalancer'), 'SIGSTOP')
    const ports = [{ internal_port: 9000, publicly_accessible: true, protocol: 'TCP', external_port: 19_100 }]
    try {
      const other = await createWeb(server.client, { ...place, image }, { name: 'stream', ports })
      await act(server.client, { ...other, ...place }, { verb: 'deploy', expected: 'DEPLOYED' })
      expect(await deploymentLog(server.client, place.environmentId)).toContain("has no address yet: the cluster's provider makes one")
      process.kill(processOf('loadbalancer'), 'SIGCONT')
      await until('it to have an address', 30, () => Promise.resolve(ground.streamAddress(other, 'tcp') !== ''))
    } finally {
      process.kill(processOf('loadbalancer'), 'SIGCONT')
    }
  })

  test('its node does not answer: people are told, and that it is over', async () => {
    process.kill(processOf('kubelet'), 'SIGKILL')
    try {
      await until('it to be told', 150, async () => (await explain()).explanation?.reason === 'NodeNotReady')
    } finally {
      await mend()
    }
    await until('it to be well', 120, async () => (await explain()).health === 'running')
    expect((await explain()).explanation).toBeNull()
    await until('it to answer', 30, async () => (await body()) === 'hello')
  }, 360_000)

  test('its API refuses, fails or drops a third of all calls, cuts every watch and forgets where some were: it takes longer and ends well', async () => {
    const { access, faults, stop } = await faultyApi(parseKubeconfig(kubeconfig()))
    try {
      const troubled = await server.place('kubernetes', { kubeconfig: kubeconfigOf(access, 'faulty'), domain: 'faulty.test' })
      server.leftovers.push(() => removeNamespaces(troubled.clusterId))
      await deployCluster(server.client, troubled)
      const other = await createWeb(server.client, { ...troubled, image }, { min_running_instances: 2, max_running_instances: 2 })
      await act(server.client, { ...other, ...troubled }, { verb: 'deploy', expected: 'DEPLOYED', seconds: 150 })
      await act(server.client, { ...other, ...troubled }, { verb: 'restart-service', expected: 'RESTARTED', seconds: 150 })
      expect(Math.min(faults.refused, faults.broken, faults.dropped, faults.expired)).toBeGreaterThan(5)
      await server.client.delete(`/environment/${troubled.environmentId}`)
      await until('it to be gone', 90, () =>
        Promise.resolve(kubectl('get', 'namespaces', '--selector', `berth/environment=${troubled.environmentId}`, '--output=name') === ''),
      )
    } finally {
      stop()
    }
  }, 480_000)
})
