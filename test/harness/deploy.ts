import type { Client } from '../../src/cli/client.ts'
import { until } from './server.ts'

export type Service = { id: string; name: string }
export type Status = { id: string; state: string; service_deployment_status: string; execution_id?: string }

const final = /^(DEPLOYED|RESTARTED|STOPPED|DELETED|CANCELED|READY|.*_ERROR)$/

/** The state an application comes to rest in. */
export async function settled(client: Client, application: string, seconds = 60): Promise<string> {
  let state = ''
  await until(`${application} to come to rest (${state})`, seconds, async () => {
    state = (await client.get<Status>(`/application/${application}/status`)).state
    return final.test(state)
  })
  return state
}

/** The test cluster's node has two cores for everything. */
const small = process.env['ENGINE'] === 'kubernetes' ? { cpu: 40, memory: 128 } : {}

/** An application of Berth's own remote with one HTTP port. */
export async function createHello(client: Client, environmentId: string, more: Record<string, unknown> = {}): Promise<Service> {
  const name = typeof more['name'] === 'string' ? more['name'] : 'hello'
  return client.post<Service>(`/environment/${environmentId}/application`, {
    name,
    git_repository: { url: `${client.apiUrl}/git/${environmentId}/${name}.git`, provider: 'GITHUB', branch: 'main' },
    ports: [{ internal_port: 8080, publicly_accessible: true, protocol: 'HTTP' }],
    healthchecks: {},
    ...small,
    ...more,
  })
}

/** A registry without TLS or credentials, `host[:port]`, made known to an organization; returns its id. */
export async function createRegistry(client: Client, organizationId: string, host: string): Promise<string> {
  const name = `registry ${Math.random().toString(36).slice(2)}`
  const body = { name, kind: 'GENERIC_CR', url: `http://${host}`, config: {} }
  return (await client.post<{ id: string }>(`/organization/${organizationId}/containerRegistry`, body)).id
}

/** Brings what Berth needs onto a Kubernetes cluster; the error has the log of it. */
export async function deployCluster(client: Client, of: { organizationId: string; clusterId: string }): Promise<void> {
  const base = `/organization/${of.organizationId}/cluster/${of.clusterId}`
  await client.post(`${base}/deploy`)
  await until('the cluster to be deployed', 120, async () => {
    const { status } = await client.get<{ status: string }>(`${base}/status`)
    if (status === 'DEPLOYMENT_ERROR') throw new Error(JSON.stringify(await client.get(`${base}/deployLog`)))
    return status === 'DEPLOYED'
  })
}

/** An application of an image, `host/path:tag` of a registry without TLS, with one public HTTP port; small. */
export async function createWeb(
  client: Client,
  of: { organizationId: string; environmentId: string; image: string },
  more: Record<string, unknown> = {},
): Promise<Service> {
  const [, host = '', path, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(of.image) ?? []
  const app = await client.post<Service>(`/environment/${of.environmentId}/container`, {
    name: 'web',
    registry_id: await createRegistry(client, of.organizationId, host),
    image_name: path,
    tag,
    healthchecks: {},
    cpu: 20,
    memory: 64,
    ports: [{ internal_port: 8080, publicly_accessible: true, protocol: 'HTTP' }],
    ...more,
  })
  await client.put(`/container/${app.id}/advancedSettings`, quick)
  return app
}

/** Acts on a container and waits for the state that it must end in; the error has the log of the deployment. */
export async function act(
  client: Client,
  app: { id: string; environmentId: string },
  of: { verb: string; expected: string; seconds?: number },
): Promise<void> {
  await client.post(`/container/${app.id}/${of.verb}`)
  await until(`${of.verb} to end in ${of.expected}`, of.seconds ?? 90, async () => {
    const { state } = await client.get<Status>(`/container/${app.id}/status`)
    if (state.endsWith('_ERROR')) throw new Error(`${state}: ${await deploymentLog(client, app.environmentId)}`)
    return state === of.expected
  })
}

export const deploymentLog = async (client: Client, environmentId: string): Promise<string> =>
  (await client.get<{ message: { safe_message: string } | null }[]>(`/environment/${environmentId}/logs`))
    .map((line) => line.message?.safe_message ?? '')
    .join('\n')

/** The settings that make instances end quickly in tests. */
export const quick = { 'deployment.termination_grace_period_seconds': 3 }
