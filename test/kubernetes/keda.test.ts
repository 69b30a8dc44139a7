import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { manifestsOf, publish } from '../harness/catalog.ts'
import { kubeconfig, kubectl, kubectlApply, kubectlJson, removeNamespaces } from '../harness/cluster.ts'
import { TestServer, until, workFolder, type Place } from '../harness/server.ts'

type Finding = { what: string; found: string; ok: boolean }

const folder = workFolder('keda')
const theirs = 'keda-somebody'
let server: TestServer
let place: Place
const base = (): string => `/organization/${place.organizationId}/cluster/${place.clusterId}`

/** Asks for KEDA as clients of the contract do, and deploys the cluster; returns the log of it. */
async function deploy(enabled: boolean): Promise<string> {
  const body = { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', keda: { enabled } }
  expect((await server.client.put<{ keda: object }>(base(), body)).keda).toEqual({ enabled })
  await server.client.post(`${base()}/deploy`)
  const status = async (): Promise<string> => (await server.client.get<{ status: string }>(`${base()}/status`)).status
  await until('the cluster to be deployed', 240, async () => (await status()) !== 'DEPLOYING')
  const { lines, error } = await server.client.get<{ lines: string[]; error: string | null }>(`${base()}/deployLog`)
  expect(error).toBeNull()
  return lines.join('\n')
}

beforeAll(async () => {
  const { definitions, parts } = manifestsOf('keda')
  publish(folder, { name: 'keda', version: '2.21.0', files: { 'definitions.yaml': definitions, 'keda.yaml': parts } })
  server = await TestServer.start({ BERTH_ADDONS: folder })
  place = await server.place('kubernetes', { kubeconfig: kubeconfig(), domain: 'keda.test' })
  server.leftovers.push(() => removeNamespaces(place.clusterId))
})
afterAll(async () => {
  // After a failure, so that a second try begins as the first one did.
  if (kubectl('api-versions').includes('keda.sh')) {
    kubectl('delete', 'scaledobjects.keda.sh', '--all', '--namespace', theirs, '--timeout=30s')
    await deploy(false)
  }
  await server.remove()
  kubectl('delete', 'namespace', theirs, '--ignore-not-found', '--timeout=60s')
})

describe('KEDA', () => {
  test('comes where `keda.enabled` asks for it, and scales', async () => {
    expect(await deploy(true)).toContain('keda 2.21.0 runs')
    const rows = await server.client.list<Finding>(`${base()}/check`)
    expect(rows.find((one) => one.what === 'keda')?.found).toBe('there')
    expect(rows.find((one) => one.what === 'add-on keda')).toMatchObject({ found: '2.21.0, brought by Berth', ok: true })
    const labels = { app: 'sleeper' }
    const metadata = { name: 'sleeper', namespace: theirs }
    const template = {
      metadata: { labels },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'one', image: 'localhost/tools:1', command: ['sleep', '100000'] }] },
    }
    const always = { timezone: 'Etc/UTC', start: '0 0 * * *', end: '59 23 * * *', desiredReplicas: '2' }
    kubectl('create', 'namespace', theirs)
    kubectlApply(
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 0, selector: { matchLabels: labels }, template } },
      {
        apiVersion: 'keda.sh/v1alpha1',
        kind: 'ScaledObject',
        metadata,
        spec: {
          scaleTargetRef: { name: 'sleeper' },
          pollingInterval: 1,
          minReplicaCount: 0,
          triggers: [{ type: 'cron', metadata: always }],
        },
      },
    )
    type Deployment = { status: { readyReplicas?: number } }
    const ready = (): number => kubectlJson<Deployment>('get', 'deployment', 'sleeper', '--namespace', theirs).status.readyReplicas ?? 0
    await until('it to scale from nothing to two', 60, () => Promise.resolve(ready() === 2))
  })

  test('stays while somebody scales by it, whose objects could not go without it; and goes afterwards', async () => {
    expect(await deploy(false)).toContain(`keda 2.21.0 is not asked for any more, and stays: ScaledObject ${theirs}/sleeper needs it.`)
    kubectl('delete', 'scaledobject', 'sleeper', '--namespace', theirs, '--timeout=30s')
    expect(await deploy(false)).toContain('keda is removed')
    expect(kubectl('api-versions')).not.toContain('keda.sh')
    expect(kubectl('get', 'namespaces', '--output=name').split('\n')).not.toContain('namespace/keda')
    expect(kubectl('get', 'apiservices', '--output=name')).not.toContain('external.metrics')
  })
})
