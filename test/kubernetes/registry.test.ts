import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { narrowAccount } from '../harness/account.ts'
import { builderImage, ctr, kubectl, kubectlJson, removeNamespaces } from '../harness/cluster.ts'
import { createHello, deployCluster, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { registryImage } from '../harness/image.ts'
import { answersAt, ask } from '../harness/load.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

const domain = 'registry.test'
let server: TestServer
let place: Place
let app: Service
let url: string
let repository: Repository
const namespace = (): string => `berth-z${place.clusterId.slice(0, 8)}`
const base = (): string => `/organization/${place.organizationId}/cluster/${place.clusterId}`
const loopback = (): string => `127.0.0.1:${20_000 + (Number.parseInt(place.clusterId.slice(0, 8), 16) % 10_000)}`
const builds = async () =>
  (await server.client.list<{ what: string; found: string; ok: boolean }>(`${base()}/check`)).find((one) => one.what === 'builds')
const edit = (more: Record<string, unknown>): Promise<{ registry: string | null; own_registry: unknown }> =>
  server.client.put(base(), { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', ...more })
const push = async (): Promise<string> => {
  await repository.push(remoteUrl(server, place.environmentId, 'hello'))
  return settled(server.client, app.id, 120)
}
const image = (): string => ground.imageOf(ground.instances(app)[0] ?? '', app)
const inRegistry = (...command: string[]): string =>
  kubectl('exec', 'deployment/berth-registry', '--namespace', namespace(), '--', ...command)

beforeAll(async () => {
  registryImage('localhost/registry:1')
  server = await TestServer.start({ BERTH_KEPT_RELEASES: '1' })
  place = await server.place('kubernetes', { kubeconfig: await narrowAccount(server), domain, builder_image: builderImage })
  server.leftovers.push(() => removeNamespaces(place.clusterId))
})
afterAll(() => server.remove())

// Its images are put onto the test cluster's own node.
describe.skipIf(process.env['KUBECONFIG_FOR_TESTS'])('a registry that Berth runs on the cluster', () => {
  test('is brought where it is asked for, and check says whether nodes can pull from it', async () => {
    expect(await builds()).toMatchObject({ found: 'no registry', ok: false })
    await expect(edit({ own_registry: {} })).rejects.toThrow(/own_registry\.size: expected how many GiB/)
    await edit({ own_registry: { size: 2, image: 'localhost/registry:1', proxy_image: 'localhost/envoy:1' } })
    expect(await builds()).toMatchObject({ found: 'the own registry is missing', ok: false })
    await deployCluster(server.client, place)
    answersAt(domain, kubectl('get', 'gateway', 'berth', '--namespace', namespace(), '--output=jsonpath={.status.addresses[0].value}'))
    expect(await builds()).toMatchObject({ found: `pushed to the own registry (${loopback()}), by ${builderImage}`, ok: true })
    const secret = kubectl('get', 'secret', 'berth-registry', '--namespace', namespace(), '--output=jsonpath={.data.password}')
    await deployCluster(server.client, place)
    expect(kubectl('get', 'secret', 'berth-registry', '--namespace', namespace(), '--output=jsonpath={.data.password}')).toBe(secret)
  })

  test('takes what is built, and nodes pull it from their own loopback', async () => {
    app = await createHello(server.client, place.environmentId)
    await server.client.put(`/application/${app.id}/advancedSettings`, quick)
    url = (await server.client.list<{ url: string }>(`/application/${app.id}/link`))[0]?.url ?? ''
    repository = Repository.hello('own-registry')
    expect(await push()).toBe('DEPLOYED')
    expect(image()).toMatch(new RegExp(`^${loopback()}/${app.id}@sha256:[0-9a-f]{64}$`))
    expect((await ask(url, server.info.caFile)).body).toBe('Hello from Berth!')
    expect(await server.client.list(`/application/${app.id}/release`)).toMatchObject([{ is_image_available: true }])
  })

  test('gives it again to a node that has lost it', async () => {
    const reference = image()
    await server.client.post(`/application/${app.id}/stop`)
    expect(await settled(server.client, app.id)).toBe('STOPPED')
    const [, digest = ''] = reference.split('@')
    const known = ctr('images', 'list')
      .split('\n')
      .filter((line) => line.includes(digest))
    ctr('images', 'remove', ...known.map((line) => line.split(/\s+/)[0] ?? ''))
    await server.client.post(`/application/${app.id}/deploy`)
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect((await ask(url, server.info.caFile)).status).toBe(200)
  })

  test('gives nothing to who has no password, and takes nothing from a node', async () => {
    const { spec } = kubectlJson<{ spec: { clusterIP: string } }>('get', 'service', 'berth-registry', '--namespace', namespace())
    const manifest = `/v2/${app.id}/manifests/${image().split('@')[1]}`
    expect((await fetch(`http://${spec.clusterIP}:5000${manifest}`)).status).toBe(401)
    expect((await fetch(`http://${loopback()}${manifest}`, { method: 'DELETE' })).status).toBe(403)
    expect((await fetch(`http://${loopback()}/v2/${app.id}/blobs/uploads/`, { method: 'POST' })).status).toBe(403)
    const password = kubectl(
      'get',
      'secret',
      'berth-registry',
      '--namespace',
      namespace(),
      '--output=go-template={{.data.password | base64decode}}',
    )
    expect(password).toHaveLength(43)
    expect(kubectl('get', 'pods,deployments,daemonsets', '--namespace', namespace(), '--output=yaml')).not.toContain(password)
  })

  test('loses what no kept release needs, and its room', async () => {
    const blobs = (): number => Number(inRegistry('sh', '-c', 'find /data -path "*/blobs/*" -name data | wc -l'))
    const before = image()
    repository.commit({ 'hello.pl': repository.git('show', 'HEAD:hello.pl').replace('Hello from Berth!', 'second') })
    expect(await push()).toBe('DEPLOYED')
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    await client.query("update build set created_at = now() - interval '2 hours'")
    await client.end()
    await server.client.post(`/application/${app.id}/restart-service`)
    const gone = async (): Promise<boolean> =>
      (
        await fetch(`http://${loopback()}/v2/${app.id}/manifests/${before.split('@')[1]}`, {
          headers: { accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json' },
        })
      ).status === 404
    await until('the image to be gone', 60, gone)
    const full = blobs()
    // It is looked at twice a day, and when a server takes the cluster up.
    await server.restart()
    await until('its room to be given back', 60, () => Promise.resolve(blobs() < full))
    expect((await ask(url, server.info.caFile)).body).toBe('second')
    repository.commit({ 'hello.pl': repository.git('show', 'HEAD:hello.pl').replace('second', 'third') })
    expect(await push()).toBe('DEPLOYED')
  })

  test('builds nothing beside the cleaning that a killed server had begun', async () => {
    const pod = (): string => kubectl('get', 'pods', '--namespace', namespace(), '--selector=app=berth-registry', '--output=name')
    const before = pod()
    // As the killed one left it, and a cleaning that goes on.
    kubectl('annotate', before, 'berth/cleaned-since=2026-01-01T00:00:00Z', '--namespace', namespace())
    await server.kill()
    await server.up()
    repository.commit({ 'after-the-kill': 'x' })
    expect(await push()).toBe('DEPLOYED')
    expect(pod()).not.toBe(before)
    expect(kubectl('get', pod(), '--namespace', namespace(), '--output=jsonpath={.metadata.annotations}')).not.toContain('cleaned-since')
    expect((await ask(url, server.info.caFile)).status).toBe(200)
  })

  test('goes where another is named, and its volume stays', async () => {
    const changed = await edit({ registry: '10.88.0.1:5055', registry_insecure: true })
    expect(changed).toMatchObject({ registry: '10.88.0.1:5055', own_registry: null })
    await deployCluster(server.client, place)
    const left = kubectl('get', 'deployments,daemonsets,secrets,persistentvolumeclaims', '--namespace', namespace(), '--output=name')
    expect(left.match(/\S*berth-registry\S*/g)).toEqual(['persistentvolumeclaim/berth-registry'])
    await expect(edit({ registry: '10.88.0.1:5055', own_registry: { size: 2 } })).rejects.toThrow(
      /registry: expected none beside own_registry/,
    )
  })
})
