import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { Client } from '../../src/cli/client.ts'
import { kubeconfigOf, parseKubeconfig } from '../../src/model/kubeconfig.ts'
import {
  builderImage,
  kubeconfig,
  kubeconfigFile,
  kubectl,
  kubectlApply,
  kubectlJson,
  registryName,
  removeNamespaces,
} from '../harness/cluster.ts'
import { createHello, quick, settled, type Status } from '../harness/deploy.ts'
import { ownImage } from '../harness/image.ts'
import { answersAt, underLoad } from '../harness/load.ts'
import { postgresAt, type Postgres } from '../harness/postgres.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { until, workFolder } from '../harness/server.ts'

type Part = { kind: string; metadata: { name: string }; data: Record<string, string>; spec: Record<string, unknown> }

const root = resolve(import.meta.dirname, '../..')
const token = `berth_${randomBytes(24).toString('base64url')}`
const folder = workFolder('itself')
const domain = 'itself.test'
let postgres: Postgres
let client: Client
let cluster: { id: string }
const leftovers: (() => void)[] = []

const berth = (...argv: string[]): Promise<string> =>
  new Promise((done, fail) => {
    const env = { PATH: process.env['PATH'], HOME: folder, BERTH_URL: client.apiUrl, BERTH_TOKEN: token }
    execFile(join(root, 'bin/berth'), argv, { env }, (error, out, err) => (error ? fail(new Error(err)) : done(out)))
  })

/** `deploy/kubernetes.yaml` as somebody would adapt it: another image, and a volume of the one node that there is. */
function manifest(image: string, url: string): Part[] {
  const objects = parseAllDocuments(readFileSync(join(root, 'deploy/kubernetes.yaml'), 'utf8')).map((one) => one.toJS() as Part)
  for (const one of objects) {
    if (one.kind === 'PersistentVolumeClaim') one.spec['accessModes'] = ['ReadWriteOnce']
    if (one.kind === 'ConfigMap') Object.assign(one.data, { BERTH_API_URL: url, BERTH_EGRESS_ALLOW: 'kubernetes.default.svc,10.88.0.0/16' })
    if (one.kind === 'Deployment') {
      const { template } = one.spec as { template: { spec: { containers: { image: string }[] } } }
      for (const container of template.spec.containers) container.image = image
    }
  }
  return objects
}

const pods = (): string[] => kubectl('get', 'pods', '--namespace=berth', '--selector=app=berth', '--output=name').split('\n')
/** Beside the requests of the tests, which a kubectl that is waited for would hold up. */
const rolledOut = async (): Promise<void> => {
  const argv = ['--kubeconfig', kubeconfigFile, 'rollout', 'status', 'deployment/berth', '--namespace=berth', '--timeout=120s']
  await promisify(execFile)('kubectl', argv)
}

beforeAll(async () => {
  postgres = await postgresAt('10.88.0.1')
  kubectl('delete', 'namespace', 'berth', '--ignore-not-found')
  const image = ownImage(registryName)
  kubectlApply(...manifest(image, '').filter((one) => ['Namespace', 'Service'].includes(one.kind)))
  const { spec } = kubectlJson<{ spec: { clusterIP: string } }>('get', 'service', 'berth', '--namespace=berth')
  client = new Client(`http://${spec.clusterIP}`, token)
  const literals = { 'database-url': postgres.url, 'master-key': randomBytes(32).toString('hex'), token }
  const from = Object.entries(literals).map(([key, value]) => `--from-literal=${key}=${value}`)
  kubectl('create', 'secret', 'generic', 'berth', '--namespace=berth', ...from)
  kubectlApply(...manifest(image, client.apiUrl))
}, 600_000)
afterAll(async () => {
  for (const take of leftovers) take()
  kubectl('delete', 'namespace', 'berth', '--wait=false')
  await postgres.stop()
})

describe('Berth runs on Kubernetes itself', () => {
  test('as two servers with one PostgreSQL, that start together and need no rights, no root and no writable image', async () => {
    await rolledOut()
    expect(pods()).toHaveLength(2)
    expect(kubectl('auth', 'can-i', '--list', '--as=system:serviceaccount:berth:berth', '--namespace=berth')).not.toContain('pods')
    const logs = pods().map((pod) => kubectl('logs', pod, '--namespace=berth'))
    for (const log of logs) expect(log).toContain('Berth is running')
    for (const secret of [token, postgres.url]) expect(logs.join('\n')).not.toContain(secret)
  })

  test('its first cluster is the one that it runs on, by the role of the reference', async () => {
    kubectl('apply', '--filename', join(root, 'docs/reference/kubernetes-role.yaml'))
    leftovers.push(() => void kubectl('delete', '--wait=false', 'namespace/berth-access', 'clusterrole/berth', 'clusterrolebinding/berth'))
    let secret = ''
    await until('the token', 20, async () => {
      secret = kubectl('get', 'secret', 'berth-token', '--namespace=berth-access', '--output=jsonpath={.data.token}')
      return Promise.resolve(secret !== '')
    })
    const narrow = {
      ...parseKubeconfig(kubeconfig()),
      server: 'https://kubernetes.default.svc',
      token: Buffer.from(secret, 'base64').toString(),
    }
    const file = join(folder, 'kubeconfig')
    writeFileSync(file, kubeconfigOf(narrow, 'berth'))
    const argv = ['--name', 'here', '--kubeconfig', file, '--domain', domain, '--wait', '--json']
    const build = ['--registry', registryName, '--registry-insecure', '--builder-image', builderImage]
    cluster = JSON.parse(await berth('cluster', 'add', ...argv, ...build)) as { id: string }
    leftovers.push(() => removeNamespaces(cluster.id))
    await berth('project', 'create', 'main')
    await berth('environment', 'create', 'production', '--cluster', 'here')
    const namespace = `--namespace=berth-z${cluster.id.slice(0, 8)}`
    answersAt(domain, kubectl('get', 'gateway', 'berth', namespace, '--output=jsonpath={.status.addresses[0].value}'))
  })

  test('a push to it is built, deployed and served; a deployment goes on whichever server is killed, and the application serves on', async () => {
    const environment = (JSON.parse(await berth('environment', 'list', '--json')) as { id: string }[])[0]?.id ?? ''
    const app = await createHello(client, environment, { min_running_instances: 2, max_running_instances: 2 })
    await client.put(`/application/${app.id}/advancedSettings`, quick)
    await Repository.hello('itself').push(remoteUrl({ client, token }, environment, 'hello'))
    expect(await settled(client, app.id, 120)).toBe('DEPLOYED')
    const ca = join(folder, 'ca.pem')
    writeFileSync(ca, kubectl('exec', 'deployment/berth', '--namespace=berth', '--', 'cat', '/data/berth/certificates/authority.pem'))
    const [link] = await client.list<{ url: string }>(`/application/${app.id}/link`)
    const state = async (): Promise<string> => (await client.get<Status>(`/application/${app.id}/status`)).state
    const { requests, failures } = await underLoad(link?.url ?? '', ca, async () => {
      for (const pod of pods()) {
        await client.post(`/application/${app.id}/restart-service`)
        await until('the restart to begin', 20, async () => (await state()) === 'RESTARTING')
        kubectl('delete', pod, '--namespace=berth', '--grace-period=0', '--force')
        await until('it to be over', 120, async () => ['DEPLOYED', 'RESTARTED'].includes(await state().catch(() => '')))
        await rolledOut()
      }
    })
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(50)
  })

  test('another version of it takes over without a request to its API that fails', async () => {
    const failures: string[] = []
    let [going, requests] = [true, 0]
    const asking = (async () => {
      for (; going; requests++) {
        await client.get('/organization').catch((error: unknown) => failures.push(String(error)))
        await pause(20)
      }
    })()
    kubectl('rollout', 'restart', 'deployment/berth', '--namespace=berth')
    await rolledOut()
    await until('the old servers to be gone', 60, () => Promise.resolve(pods().length === 2))
    going = false
    await asking
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(100)
  })
})
