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

/** An application of an image, `host/path:tag` of a registry without TLS, with one public HTTP port; small. */
export async function createWeb(
  client: Client,
  of: { organizationId: string; environmentId: string; image: string },
  more: Record<string, unknown> = {},
): Promise<Service> {
  const [, host, path, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(of.image) ?? []
  const registry = await client.post<{ id: string }>(`/organization/${of.organizationId}/containerRegistry`, {
    name: `registry ${Math.random().toString(36).slice(2)}`,
    kind: 'GENERIC_CR',
    url: `http://${host}`,
    config: {},
  })
  const app = await client.post<Service>(`/environment/${of.environmentId}/container`, {
    name: 'web',
    registry_id: registry.id,
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
