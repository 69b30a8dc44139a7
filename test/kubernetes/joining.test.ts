import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { narrowAccount } from '../harness/account.ts'
import { builderImage, kubeconfig, kubectl, registryName, removeNamespaces } from '../harness/cluster.ts'
import { createHello, settled } from '../harness/deploy.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'
import { parseKubeconfig, kubeconfigOf } from '../../src/model/kubeconfig.ts'

type Finding = { what: string; found: string; ok: boolean; remedy: string }
type Cluster = { id: string; name: string; status: string }

let server: TestServer
let memory: Place
let cluster: Cluster
const bin = resolve(import.meta.dirname, '../../bin/berth')
const base = (): string => `/organization/${memory.organizationId}/cluster`
const add = (more: Record<string, unknown>): Promise<Cluster> =>
  server.client.post<Cluster>(base(), {
    region: 'on-premise',
    cloud_provider: 'ON_PREMISE',
    engine: 'kubernetes',
    domain: 'apps.test',
    ...more,
  })

function berth(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...server.environment, BERTH_URL: server.client.apiUrl, BERTH_TOKEN: server.token }
  return new Promise((done) => {
    execFile(bin, argv, { env }, (error, out, err) => done({ code: error ? Number(error.code) : 0, out, err }))
  })
}

beforeAll(async () => {
  server = await TestServer.start()
  memory = await server.place('memory')
})
afterAll(() => server.remove())

describe('a cluster joins', () => {
  test('by one command, which ends with the address of its gateway', async () => {
    const file = join(server.home, 'kubeconfig')
    writeFileSync(file, kubeconfig())
    const added = await berth(
      'cluster',
      'add',
      '--name',
      'real',
      '--kubeconfig',
      file,
      '--domain',
      'apps.test',
      '--registry',
      registryName,
      '--registry-insecure',
      '--builder-image',
      builderImage,
      '--wait',
    )
    expect(added).toMatchObject({
      code: 0,
      out: expect.stringMatching(/answers at 10\.90\.0\.\d+: let \*\.apps\.test point there/) as string,
    })
    const found = (await server.client.list<Cluster>(base())).find((one) => one.name === 'real')
    expect(found?.status).toBe('DEPLOYED')
    if (found) cluster = found
    server.leftovers.push(() => removeNamespaces(cluster.id))
  })

  test('and deploying it again changes nothing', async () => {
    const version = (): string =>
      kubectl('get', 'gateway', 'berth', '--namespace', `berth-z${cluster.id.slice(0, 8)}`, '--output', 'jsonpath={.metadata.generation}')
    const before = version()
    expect((await berth('cluster', 'deploy', 'real', '--wait')).code).toBe(0)
    expect(version()).toBe(before)
  })

  test('check shows in one table what it has and lacks, each with what to do', async () => {
    const rows = await server.client.list<Finding>(`${base()}/${cluster.id}/check`)
    const by = new Map(rows.map((row) => [row.what, row]))
    for (const what of ['kubernetes', 'rights', 'nodes', 'metrics-server', 'gateway class', 'gateway', 'certificates', 'storage', 'builds'])
      expect(by.get(what), what).toMatchObject({ ok: true })
    expect(by.get('storage')?.found).toContain('fast-ssd, cannot grow')
    expect((await berth('cluster', 'check', 'real')).out).toMatch(/ok\s+kubernetes\s+v1\.\d+/)
  })

  test('its kubeconfig is given to administrators only, and each time is on record', async () => {
    const roles = await server.client.list<{ id: string; name: string }>(`/organization/${memory.organizationId}/availableRole`)
    const role = roles.find((one) => /developer/i.test(one.name))
    const { token } = await server.client.post<{ token: string }>(`/organization/${memory.organizationId}/apiToken`, {
      name: 'dev',
      role_id: role?.id,
    })
    const get = (auth: string) =>
      fetch(`${server.client.apiUrl}${base()}/${cluster.id}/kubeconfig`, { headers: { authorization: `Token ${auth}` } })
    expect((await get(token)).status).toBe(403)
    const answer = await get(server.token)
    expect(answer.headers.get('content-type')).toContain('yaml')
    expect(parseKubeconfig(await answer.text())).toEqual(parseKubeconfig(kubeconfig()))
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    const found = await client.query("select 1 from event where action = 'EXPORT' and target_kind = 'CLUSTER'")
    const stored = await client.query<{ text: string }>('select (c.*)::text as text from cluster c')
    await client.end()
    expect(found.rows).toHaveLength(1)
    const secret = parseKubeconfig(kubeconfig()).token ?? ''
    expect(secret.length).toBeGreaterThan(10)
    expect(JSON.stringify(stored.rows)).not.toContain(secret)
    expect(server.log).not.toContain(secret)
  })

  test('an account that lacks rights is told which', async () => {
    kubectl('create', 'namespace', `weak-${cluster.id.slice(0, 8)}`)
    server.leftovers.push(() => void kubectl('delete', 'namespace', `weak-${cluster.id.slice(0, 8)}`, '--wait=false'))
    kubectl('create', 'serviceaccount', 'weak', '--namespace', `weak-${cluster.id.slice(0, 8)}`)
    const token = kubectl('create', 'token', 'weak', '--namespace', `weak-${cluster.id.slice(0, 8)}`)
    const weak = await add({ name: 'weak', kubeconfig: kubeconfigOf({ ...parseKubeconfig(kubeconfig()), token }, 'weak') })
    const rows = await server.client.list<Finding>(`${base()}/${weak.id}/check`)
    expect(rows.find((row) => row.what === 'rights')).toMatchObject({
      ok: false,
      found: expect.stringContaining('create deployments') as string,
      remedy: expect.stringContaining('kubernetes-role.yaml') as string,
    })
    await server.client.delete(`${base()}/${weak.id}?deleteMode=DELETE_QOVERY_CONFIG`)
  })

  test('an address that is not public and not allowed is refused, and a dead cluster slows nobody', async () => {
    const at = (address: string): string => kubeconfigOf({ ...parseKubeconfig(kubeconfig()), server: address }, 'x')
    await expect(add({ name: 'forbidden', kubeconfig: at('https://192.168.77.1:6443') })).rejects.toThrow(/BERTH_EGRESS_ALLOW/)
    const dead = await add({ name: 'dead', kubeconfig: at('https://127.0.0.1:1') })
    const rows = await server.client.list<Finding>(`${base()}/${dead.id}/check`)
    expect(rows).toMatchObject([{ what: 'kubernetes', ok: false, found: expect.stringContaining('cannot be reached') as string }])
    const app = await createHello(server.client, memory.environmentId)
    const begun = Date.now()
    await new Repository('joining', { Dockerfile: 'FROM scratch\n' }).push(remoteUrl(server, memory.environmentId, 'hello'))
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(Date.now() - begun).toBeLessThan(15_000)
    expect((await berth('cluster', 'delete', 'dead', '--yes')).code).not.toBe(0)
    expect((await berth('cluster', 'delete', 'dead', '--yes', '--forget')).code).toBe(0)
  })

  test('a gateway class that the cluster does not have is told when it is deployed', async () => {
    const odd = await add({ name: 'odd', kubeconfig: kubeconfig(), gateway_class: 'nowhere' })
    const { code, out, err } = await berth('cluster', 'deploy', 'odd', '--wait')
    expect(code).not.toBe(0)
    expect(out + err).toContain('no GatewayClass nowhere that is accepted')
    await server.client.delete(`${base()}/${odd.id}?deleteMode=DELETE_QOVERY_CONFIG`)
  })

  test('what it must not be is refused with the field', async () => {
    await expect(add({ name: 'x', kubeconfig: '' })).rejects.toThrow(/kubeconfig: expected a kubeconfig/)
    await expect(add({ name: 'x', kubeconfig: kubeconfig(), domain: 'UPPER' })).rejects.toThrow(/^domain: /)
    await expect(add({ name: 'x', kubeconfig: kubeconfig(), registry: 'https://x' })).rejects.toThrow(/^registry: /)
    await expect(add({ name: 'x', kubeconfig: kubeconfig(), gateway_class: 'a b' })).rejects.toThrow(/^gateway_class: /)
  })

  test('the role of the reference is enough for all of it: joining, deploying, looking, leaving', async () => {
    const narrow = await narrowAccount(server)
    const added = await add({
      name: 'narrow',
      kubeconfig: narrow,
      domain: 'narrow.test',
      registry: registryName,
      registry_insecure: true,
      builder_image: builderImage,
    })
    server.leftovers.push(() => removeNamespaces(added.id))
    expect(await berth('cluster', 'deploy', 'narrow', '--wait')).toMatchObject({ code: 0 })
    expect((await server.client.list<Finding>(`${base()}/${added.id}/check`)).filter((row) => !row.ok)).toEqual([])
    const environment = await server.client.post<{ id: string }>(`/project/${memory.projectId}/environment`, {
      name: 'narrow',
      cluster: added.id,
    })
    const app = await createHello(server.client, environment.id, {
      max_running_instances: 2,
      storage: [],
      ports: [
        { internal_port: 8080, publicly_accessible: true, protocol: 'HTTP' },
        { internal_port: 9000, publicly_accessible: true, protocol: 'TCP', external_port: 19_999 },
      ],
    })
    await Repository.hello('narrow').push(remoteUrl(server, environment.id, 'hello'))
    expect(await settled(server.client, app.id, 120)).toBe('DEPLOYED')
    expect(kubectl('get', 'pods', '--all-namespaces', '--selector', `berth/cluster=${added.id},berth/build=idle`, '--output=name')).toMatch(
      /^pod\/build-/,
    )
    const shell = await berth('app', 'shell', 'hello', '--environment', environment.id, '--', 'echo', 'from inside')
    expect(shell.out).toContain('from inside')
    expect((await berth('app', 'logs', 'hello', '--environment', environment.id)).out).toContain('Listening')
    expect((await berth('app', 'diff', 'hello', '--environment', environment.id)).out).toContain('Nothing would change')
    await server.client.delete(`/environment/${environment.id}`)
    await until('the environment to be gone', 60, () =>
      Promise.resolve(kubectl('get', 'namespaces', '--selector', `berth/environment=${environment.id}`, '--output', 'name') === ''),
    )
    await until('the environment to be forgotten', 30, () =>
      server.client.get(`/environment/${environment.id}`).then(
        () => false,
        () => true,
      ),
    )
    expect(await berth('cluster', 'delete', 'narrow', '--yes')).toMatchObject({ code: 0 })
  }, 240_000)

  test('and leaves: what Berth brought onto it is gone', async () => {
    expect((await berth('cluster', 'delete', 'real', '--yes')).code).toBe(0)
    expect(kubectl('get', 'namespaces', '--selector', `berth/cluster=${cluster.id}`, '--output', 'name')).toBe('')
  })
})
