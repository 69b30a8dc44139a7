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

export const deploymentLog = async (client: Client, environmentId: string): Promise<string> =>
  (await client.get<{ message: { safe_message: string } | null }[]>(`/environment/${environmentId}/logs`))
    .map((line) => line.message?.safe_message ?? '')
    .join('\n')

/** The settings that make instances end quickly in tests. */
export const quick = { 'deployment.termination_grace_period_seconds': 3 }
