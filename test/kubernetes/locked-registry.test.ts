import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import pg from 'pg'
import { builderImage, kubeconfig, kubectl, registryName, removeNamespaces, trustRegistry } from '../harness/cluster.ts'
import { createHello, deployCluster, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { answersAt, ask } from '../harness/load.ts'
import { startRegistry, type Registry } from '../harness/registry.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

const domain = 'locked.test'
const [first, second] = ['canary-51d3a1', 'canary-51d3a2']
let server: TestServer
let place: Place
let locked: Registry
let name: string
let app: Service
let repository: Repository
let forget: () => void
let registryId: string
const registries = (): string => `/organization/${place.organizationId}/containerRegistry`
const known = (password: string, scheme = 'http') => ({
  name: 'locked',
  kind: 'GENERIC_CR',
  url: `${scheme}://${name}`,
  config: { username: 'robot', password },
})
const image = (): string => ground.imageOf(ground.instances(app)[0] ?? '', app)

/** Pushes another version; returns what became of it, and why. */
async function push(): Promise<{ state: string; why: string }> {
  repository.commit({ version: String(Math.random()) })
  await repository.push(remoteUrl(server, place.environmentId, 'hello'))
  const state = await settled(server.client, app.id, 120)
  const { explanation } = await server.client.get<{ explanation: { message: string } | null }>(`/service/${app.id}/explain`)
  return { state, why: explanation?.message ?? '' }
}

const statusOf = async (reference: string, password: string): Promise<number> => {
  const [repository = '', digest] = reference.split('@')
  const answer = await fetch(`http://${name}/v2/${repository.slice(name.length + 1)}/manifests/${digest}`, {
    headers: {
      accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
      authorization: `Basic ${Buffer.from(`robot:${password}`).toString('base64')}`,
    },
  })
  return answer.status
}

beforeAll(async () => {
  const [address = ''] = registryName.split(':')
  locked = await startRegistry(address, { name: 'robot', password: first })
  name = `${address}:${locked.port}`
  forget = trustRegistry(name)
  server = await TestServer.start({ BERTH_KEPT_RELEASES: '1' })
  const to = { kubeconfig: kubeconfig(), domain, registry: `${name}/team`, registry_insecure: true, builder_image: builderImage }
  place = await server.place('kubernetes', to)
  server.leftovers.push(() => removeNamespaces(place.clusterId))
  await deployCluster(server.client, place)
  const namespace = `--namespace=berth-z${place.clusterId.slice(0, 8)}`
  answersAt(domain, kubectl('get', 'gateway', 'berth', namespace, '--output=jsonpath={.status.addresses[0].value}'))
  app = await createHello(server.client, place.environmentId)
  await server.client.put(`/application/${app.id}/advancedSettings`, quick)
  repository = Repository.hello('locked')
})
afterAll(async () => {
  await server.remove()
  locked.stop()
  forget()
})

// The test cluster's own node is told about it.
describe.skipIf(process.env['KUBECONFIG_FOR_TESTS'])('a registry of the cluster that asks who pushes', () => {
  test('takes nothing while nobody is named, or the password is wrong: the build says so', async () => {
    const unnamed = { state: 'BUILD_ERROR', why: expect.stringContaining('it asks who pushes') as string }
    expect(await push()).toMatchObject(unnamed)
    // The right one, but not meant to be sent without TLS.
    registryId = (await server.client.post<{ id: string }>(registries(), known(first, 'https'))).id
    expect(await push()).toMatchObject(unnamed)
    await server.client.put(`${registries()}/${registryId}`, known('wrong'))
    expect(await push()).toMatchObject({
      state: 'BUILD_ERROR',
      why: expect.stringContaining('it does not let robot write there') as string,
    })
  })

  test('takes what is built, and gives it to the nodes, once the organization knows its password', async () => {
    await server.client.put(`${registries()}/${registryId}`, known(first))
    expect(await push()).toEqual({ state: 'DEPLOYED', why: '' })
    expect(image()).toMatch(new RegExp(`^${name}/team/${app.id}@sha256:`))
    const [link] = await server.client.list<{ url: string }>(`/application/${app.id}/link`)
    expect((await ask(link?.url ?? '', server.info.caFile)).body).toBe('Hello from Berth!')
    expect(await server.client.list(`/application/${app.id}/release`)).toMatchObject([{ is_image_available: true }])
  })

  test('and its password is in no log, and in no object but the secret that nodes pull with', async () => {
    const everywhere = kubectl('get', 'pods,deployments,configmaps,events', '--all-namespaces', '--output=yaml')
    const told = [everywhere, server.log, await deploymentLog(server.client, place.environmentId)].join()
    for (const text of [first, Buffer.from(`robot:${first}`).toString('base64')]) expect(told).not.toContain(text)
  })

  test('has the next password when it has changed, and loses what no kept release needs', async () => {
    const before = image()
    locked.setPassword(second)
    await server.client.put(`${registries()}/${registryId}`, known(second))
    expect(await push()).toEqual({ state: 'DEPLOYED', why: '' })
    expect(await statusOf(before, second)).toBe(200)
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    await client.query("update build set created_at = now() - interval '2 hours'")
    await client.end()
    expect(await push()).toEqual({ state: 'DEPLOYED', why: '' })
    await until('the image to be gone', 60, async () => (await statusOf(before, second)) === 404)
    expect(await statusOf(image(), second)).toBe(200)
  })

  test('is not forgotten while a cluster builds to it', async () => {
    await expect(server.client.delete(`${registries()}/${registryId}`)).rejects.toThrow(/The cluster local builds to this registry/)
  })
})
