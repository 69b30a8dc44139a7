import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kubectl, kubectlApply, kubectlJson, registryName } from '../harness/cluster.ts'
import { act as actOn, createWeb, deploymentLog, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { pushImage } from '../harness/image.ts'
import { ask } from '../harness/load.ts'
import { TestServer, until, type Place } from '../harness/server.ts'
import { resolve } from 'node:path'

type Managed = {
  metadata: { uid: string; managedFields: { manager: string; operation: string; fieldsV1: object }[] }
  spec: { replicas: number }
}

let server: TestServer
let place: Place
let app: Service
let namespace: string
let name: string
let url: string
const body = async (): Promise<string> => (await ask(url, server.info.caFile)).body
const path = (): string => `/container/${app.id}`
const state = async (): Promise<string> => (await server.client.get<{ state: string }>(`${path()}/status`)).state
const get = <T>(kind: string): T => kubectlJson<T>('get', kind, name, '--namespace', namespace)
const has = (kind: string): boolean => kubectl('get', kind, name, '--namespace', namespace, '--ignore-not-found', '--output', 'name') !== ''

const act = (verb: string, expected: string, seconds = 90): Promise<void> =>
  actOn(server.client, { ...app, ...place }, { verb, expected, seconds })

async function change(more: Record<string, unknown>): Promise<void> {
  const now = await server.client.get<Record<string, unknown>>(path())
  await server.client.put(path(), { ...now, ...more })
  await act('deploy', 'DEPLOYED')
}

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  pushImage(resolve(import.meta.dirname, '../harness/images'), { registry: registryName, name: 'team/changes', tag: '1' })
  const image = `${registryName}/team/changes:1`
  app = await createWeb(server.client, { ...place, image }, { name: 'changes', min_running_instances: 2, max_running_instances: 2 })
  url = (await server.client.list<{ url: string }>(`${path()}/link`))[0]?.url ?? ''
  await act('deploy', 'DEPLOYED')
  namespace = kubectl(
    'get',
    'namespaces',
    '--selector',
    `berth/environment=${place.environmentId}`,
    '--output',
    'jsonpath={.items[0].metadata.name}',
  )
  name = kubectl('get', 'deployments', '--namespace', namespace, '--output', 'jsonpath={.items[0].metadata.name}')
  // What is told as deployed answers: the gateway itself said that it knows the instances.
  expect(await body()).toBe('hello')
})
afterAll(() => server.remove())

describe('what somebody else does behind our back', () => {
  test.each(['service', 'poddisruptionbudget', 'deployment'])('a removed %s is there again within seconds', async (kind) => {
    const before = get<Managed>(kind).metadata.uid
    kubectl('delete', kind, name, '--namespace', namespace)
    await until('it to be back', 20, () => Promise.resolve(has(kind) && get<Managed>(kind).metadata.uid !== before))
  })

  test('a removed route, and the variables of what serves', async () => {
    const route = kubectl('get', 'httproutes', '--namespace', namespace, '--output', 'jsonpath={.items[0].metadata.name}')
    kubectl('delete', 'httproute', route, '--namespace', namespace)
    kubectl('delete', 'secret', '--namespace', namespace, `${name}-env-r1`)
    await until('both to be back', 20, () =>
      Promise.resolve(
        kubectl(
          'get',
          `httproute/${route}`,
          `secret/${name}-env-r1`,
          '--namespace',
          namespace,
          '--ignore-not-found',
          '--output',
          'name',
        ).split('\n').length === 2,
      ),
    )
    await until('it to answer', 30, async () => (await body()) === 'hello')
  })

  test('a changed image and a changed count are put back', async () => {
    kubectl('set', 'image', `deployment/${name}`, 'application=registry.invalid/x', '--namespace', namespace)
    kubectl('scale', 'deployment', name, '--replicas', '5', '--namespace', namespace)
    type Spec = { spec: { replicas: number; template: { spec: { containers: { image: string }[] } } } }
    await until('both to be back', 20, () => {
      const { spec } = get<Spec>('deployment')
      return Promise.resolve(spec.replicas === 2 && (spec.template.spec.containers[0]?.image.includes('team/changes') ?? false))
    })
  })

  test('every field has one owner of ours, and the count one of its own', () => {
    const applied = kubectlJson<Managed>(
      'get',
      'deployment',
      name,
      '--namespace',
      namespace,
      '--show-managed-fields',
    ).metadata.managedFields.filter((one) => one.operation === 'Apply')
    expect(applied.map((one) => one.manager).sort()).toEqual(['berth', 'berth-scale'])
    const fields = (manager: string): string => JSON.stringify(applied.find((one) => one.manager === manager)?.fieldsV1)
    expect(fields('berth-scale')).toBe('{"f:spec":{"f:replicas":{}}}')
    expect(fields('berth')).not.toContain('f:replicas')
  })
})

/** Whose volume answers is not a question of luck then. */
const one = { min_running_instances: 1, max_running_instances: 1 }

describe('from one shape to another', () => {
  test('a fixed number, an autoscaler, and back: the count does not drop', async () => {
    await change({ min_running_instances: 2, max_running_instances: 4 })
    expect(kubectlJson<{ spec: object }>('get', 'hpa', name, '--namespace', namespace).spec).toMatchObject({
      minReplicas: 2,
      maxReplicas: 4,
    })
    expect(get<Managed>('deployment').spec.replicas).toBe(2)
    kubectl('scale', 'deployment', name, '--replicas', '3', '--namespace', namespace)
    await change({ memory: 72 })
    expect(get<Managed>('deployment').spec.replicas).toBeGreaterThanOrEqual(2)
    await change({ min_running_instances: 1, max_running_instances: 1 })
    expect(has('hpa')).toBe(false)
    expect(get<Managed>('deployment').spec.replicas).toBe(1)
  }, 240_000)

  test('a volume makes it a StatefulSet, and taking the volume away makes it a Deployment again; the data stays until it is deleted', async () => {
    await change({ storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
    expect(has('statefulset')).toBe(true)
    expect(has('deployment')).toBe(false)
    expect((await ask(url, server.info.caFile, { path: '/count' })).body).toBe('1')
    await change({ storage: [] })
    expect(has('statefulset')).toBe(false)
    expect(has('deployment')).toBe(true)
    expect(ground.volumes(app)).toHaveLength(1)
  }, 240_000)

  test('a class that cannot grow volumes says so, and what served still does', async () => {
    await change({ storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
    const now = await server.client.get<{ storage: object[] }>(path())
    await server.client.put(path(), { ...now, storage: now.storage.map((one) => ({ ...one, size: 8 })) })
    await server.client.post(`${path()}/deploy`)
    await until('it to fail', 60, async () => /ERROR/.test(await state()))
    const { explanation } = await server.client.get<{ explanation: { message: string } }>(`/service/${app.id}/explain`)
    expect(explanation.message).toContain('cannot grow volumes')
    expect(await body()).toBe('hello')
    await change({ storage: [] })
  }, 240_000)

  test('a volume of a class that can grow grows in place and keeps its data; making room is the class’s own work', async () => {
    kubectlApply({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'growing' },
      provisioner: 'rancher.io/local-path',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    })
    const base = `/organization/${place.organizationId}/cluster/${place.clusterId}`
    const use = (storage_class: string) =>
      server.client.put(base, { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', storage_class })
    try {
      await use('growing')
      await change({ ...one, storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
      expect((await ask(url, server.info.caFile, { path: '/count' })).body).toBe('1')
      const { storage } = await server.client.get<{ storage: object[] }>(path())
      await change({ storage: storage.map((volume) => ({ ...volume, size: 8 })) })
      const claims = kubectl(
        'get',
        'persistentvolumeclaims',
        `--namespace=${namespace}`,
        `--selector=berth/application=${app.id}`,
        '--output=jsonpath={range .items[?(@.spec.storageClassName=="growing")]}{.spec.resources.requests.storage} {end}',
      )
      expect(claims.trim()).toBe('8Gi')
      expect((await ask(url, server.info.caFile, { path: '/count' })).body).toBe('2')
      await change({ storage: [] })
    } finally {
      await use('')
      kubectl('delete', 'storageclass', 'growing')
    }
  }, 240_000)

  test('another volume joins: the first keeps its data', async () => {
    await change({ ...one, storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
    expect((await ask(url, server.info.caFile, { path: '/count' })).body).toBe('1')
    const { storage } = await server.client.get<{ storage: object[] }>(path())
    await change({ storage: [...storage, { type: 'FAST_SSD', size: 4, mount_point: '/more' }] })
    type Set = { spec: { volumeClaimTemplates: object[] } }
    expect(get<Set>('statefulset').spec.volumeClaimTemplates).toHaveLength(2)
    expect((await ask(url, server.info.caFile, { path: '/count' })).body).toBe('2')
    await change({ storage: [] })
  }, 240_000)

  test('rolling updates become recreation, and recreation rolling updates', async () => {
    const strategy = async (type: string): Promise<{ type: string; rollingUpdate?: object }> => {
      const settings = await server.client.get<object>(`${path()}/advancedSettings`)
      await server.client.put(`${path()}/advancedSettings`, { ...settings, 'deployment.update_strategy.type': type })
      await act('deploy', 'DEPLOYED')
      return get<{ spec: { strategy: { type: string; rollingUpdate?: object } } }>('deployment').spec.strategy
    }
    expect(await strategy('Recreate')).toEqual({ type: 'Recreate' })
    expect((await strategy('RollingUpdate')).rollingUpdate).toBeDefined()
    expect(await body()).toBe('hello')
  }, 240_000)

  test('a public TCP port comes with its load balancer, and the load balancer goes with it', async () => {
    const { ports } = await server.client.get<{ ports: object[] }>(path())
    await change({
      ports: [...ports, { internal_port: 9000, publicly_accessible: true, protocol: 'TCP', external_port: 19_000 }],
    })
    expect(ground.streamAddress(app, 'tcp')).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
    await change({ ports })
    expect(ground.streamAddress(app, 'tcp')).toBe('')
  }, 240_000)

  test('another name changes nothing that runs, and no name on the cluster', async () => {
    const before = ground.lives(app)
    await server.client.put(path(), { ...(await server.client.get<object>(path())), name: 'renamed' })
    expect(ground.lives(app)).toEqual(before)
    await act('deploy', 'DEPLOYED')
    expect(kubectl('get', 'deployments', '--namespace', namespace, '--output', 'jsonpath={.items[*].metadata.name}')).toBe(name)
  })

  test('HTTP becomes gRPC: the one route goes before the other comes', async () => {
    const { ports } = await server.client.get<{ ports: object[] }>(path())
    await change({ ports: ports.map((one) => ({ ...one, protocol: 'GRPC' })) })
    expect(kubectl('get', 'httproutes,grpcroutes', '--namespace', namespace, '--output', 'name')).toMatch(/^grpcroute[^\n]*$/)
    await change({ ports })
    expect(kubectl('get', 'httproutes,grpcroutes', '--namespace', namespace, '--output', 'name')).toMatch(/^httproute[^\n]*$/)
  }, 240_000)
})

describe('removing', () => {
  test('takes exactly what is ours, and names a finalizer that holds something', async () => {
    kubectlApply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'foreign', namespace, labels: { 'berth/application': app.id } },
      data: {},
    })
    kubectl(
      'patch',
      'service',
      name,
      '--namespace',
      namespace,
      '--type',
      'merge',
      '--patch',
      '{"metadata":{"finalizers":["example.com/hold"]}}',
    )
    await server.client.delete(path())
    await until('it to be told', 100, async () => (await deploymentLog(server.client, place.environmentId)).includes('example.com/hold'))
    kubectl('patch', 'service', name, '--namespace', namespace, '--type', 'merge', '--patch', '{"metadata":{"finalizers":null}}')
    await until('the deployment to end', 30, async () => /ERROR/.test(await state().catch(() => 'gone')))
    await server.client.delete(path())
    await until('it to be gone', 60, () =>
      server.client.get(path()).then(
        () => false,
        () => true,
      ),
    )
    const left = kubectl(
      'get',
      'all,secrets,persistentvolumeclaims,httproutes,poddisruptionbudgets',
      '--namespace',
      namespace,
      '--selector',
      `berth/application=${app.id}`,
      '--output',
      'name',
    )
    expect(left).toBe('')
    expect(kubectl('get', 'configmap', 'foreign', '--namespace', namespace, '--output', 'name')).toBe('configmap/foreign')
  }, 240_000)
})
