import * as qovery from 'qovery-typescript-axios'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { officialClient } from '../harness/qovery.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let official: Awaited<ReturnType<typeof officialClient>>
const ids = { application: '', container: '', variable: '', stage: '' }

beforeAll(async () => {
  server = await TestServer.start()
  place = await server.place('memory')
  official = await officialClient(server.client.apiUrl, server.token)
})
afterAll(() => server.remove())

const settle = async (id: string): Promise<string> => {
  const api = official.make(qovery.ApplicationMainCallsApi)
  let state = ''
  await until('the application to settle', 30, async () => {
    state = (await api.getApplicationStatus(id)).data.state
    return /^(DEPLOYED|RESTARTED|STOPPED|DELETED|CANCELED|.*_ERROR)$/.test(state)
  })
  return state
}

describe('the official TypeScript client drives Berth unmodified', () => {
  test('it lists the account, its organization, project, environment and cluster', async () => {
    expect((await official.make(qovery.AccountInfoApi).getAccountInformation()).data.nickname).toBe('admin')
    expect((await official.make(qovery.OrganizationMainCallsApi).listOrganization()).data.results).toHaveLength(1)
    expect((await official.make(qovery.ProjectsApi).listProject(place.organizationId)).data.results?.[0]?.name).toBe('main')
    expect((await official.make(qovery.EnvironmentsApi).listEnvironment(place.projectId)).data.results?.[0]?.cluster_id).toBe(
      place.clusterId,
    )
    expect((await official.make(qovery.ClustersApi).listOrganizationCluster(place.organizationId)).data.results?.[0]?.name).toBe('local')
    expect((await official.make(qovery.ClustersApi).getClusterStatus(place.organizationId, place.clusterId)).data.is_deployed).toBe(true)
  })

  test('a new environment has four stages in their order', async () => {
    const stages =
      (await official.make(qovery.DeploymentStageMainCallsApi).listEnvironmentDeploymentStage(place.environmentId)).data.results ?? []
    expect(stages.map((stage) => stage.name)).toEqual(['DATABASE DEFAULT', 'JOB DEFAULT', 'CONTAINER DEFAULT', 'APPLICATION DEFAULT'])
  })

  test('an organization starts with Docker Hub as its registry', async () => {
    const [registry] = (await official.make(qovery.ContainerRegistriesApi).listContainerRegistry(place.organizationId)).data.results ?? []
    expect(registry).toMatchObject({ kind: 'DOCKER_HUB', url: 'https://docker.io' })
  })

  test('it creates an application, whose address exists at once', async () => {
    const created = (
      await official.make(qovery.ApplicationsApi).createApplication(place.environmentId, {
        name: 'api',
        git_repository: {
          url: `${server.client.apiUrl}/git/${place.environmentId}/api.git`,
          provider: 'GITHUB',
          branch: 'main',
        } as qovery.ApplicationGitRepositoryRequest,
        healthchecks: {},
        ports: [
          { internal_port: 8080, publicly_accessible: true, protocol: 'HTTP' },
          { internal_port: 9090, publicly_accessible: true, protocol: 'GRPC', name: 'rpc' },
        ],
      })
    ).data
    ids.application = created.id
    expect(created).toMatchObject({ name: 'api', cpu: 500, memory: 512, min_running_instances: 1, service_type: 'APPLICATION' })
    const links = (await official.make(qovery.ApplicationMainCallsApi).listApplicationLinks(created.id)).data.results ?? []
    expect(links.map((link) => link.is_default)).toEqual([true, false, false])
    expect((await official.make(qovery.ApplicationMainCallsApi).getApplicationStatus(created.id)).data.state).toBe('READY')
  })

  test('a deploy is queued before the answer leaves and ends deployed', async () => {
    const repository = new Repository('official', { Dockerfile: 'FROM scratch\nEXPOSE 8080\n' })
    await repository.push(remoteUrl(server, place.environmentId, 'api'))
    await settle(ids.application)
    const queued = (await official.make(qovery.ApplicationActionsApi).deployApplication(ids.application)).data
    expect(queued.state).toMatch(/QUEUED|BUILDING|DEPLOYING|DEPLOYED/)
    expect(await settle(ids.application)).toBe('DEPLOYED')
    const read = (await official.make(qovery.ApplicationMainCallsApi).getApplication(ids.application)).data
    expect(read.git_repository?.deployed_commit_id).toMatch(/^[0-9a-f]{40}$/)
  })

  test('it reads statuses by service and by stage', async () => {
    const api = official.make(qovery.EnvironmentMainCallsApi)
    const statuses = (await api.getEnvironmentStatuses(place.environmentId)).data
    expect(statuses.environment.last_deployment_state).toBe('DEPLOYED')
    expect(statuses.applications[0]).toMatchObject({ state: 'DEPLOYED', service_deployment_status: 'UP_TO_DATE' })
    const staged = (await api.getEnvironmentStatusesWithStages(place.environmentId)).data
    expect(staged.stages?.flatMap((stage) => stage.applications ?? []).map((one) => one.id)).toEqual([ids.application])
  })

  test('redeploy, restart and stop end in their own states', async () => {
    const api = official.make(qovery.ApplicationActionsApi)
    await api.redeployApplication(ids.application)
    expect(await settle(ids.application)).toBe('DEPLOYED')
    await api.rebootApplication(ids.application)
    expect(await settle(ids.application)).toBe('RESTARTED')
    await api.stopApplication(ids.application)
    expect(await settle(ids.application)).toBe('STOPPED')
  })

  test('the history tells them in both generations', async () => {
    const api = official.make(qovery.ApplicationDeploymentHistoryApi)
    const v2 = (await api.listApplicationDeploymentHistoryV2(ids.application)).data.results ?? []
    expect(v2.map((one) => one.status).slice(0, 3)).toEqual(['STOPPED', 'RESTARTED', 'DEPLOYED'])
    const v1 = (await api.listApplicationDeploymentHistory(ids.application)).data.results ?? []
    expect(v1).toHaveLength(v2.length)
    const environment = official.make(qovery.EnvironmentDeploymentHistoryApi)
    expect((await environment.listEnvironmentDeploymentHistoryV2(place.environmentId)).data.results?.[0]).toMatchObject({
      trigger_action: 'STOP',
      action_status: 'SUCCESS',
    })
    expect((await environment.listEnvironmentDeploymentHistory(place.environmentId)).data.results?.length).toBe(v2.length)
  })

  test('deployment logs have strictly increasing times', async () => {
    const history =
      (await official.make(qovery.EnvironmentDeploymentHistoryApi).listEnvironmentDeploymentHistoryV2(place.environmentId)).data.results ??
      []
    const first = history.at(-1)?.identifier.execution_id
    const lines = (await official.make(qovery.EnvironmentLogsApi).listEnvironmentLogs(place.environmentId, first)).data
    const times = lines.map((line) => line.timestamp)
    expect(times.length).toBeGreaterThan(3)
    expect(times).toEqual([...new Set(times)].sort())
  })

  test('an edit keeps what is absent and matches ports by id', async () => {
    const api = official.make(qovery.ApplicationMainCallsApi)
    const before = (await api.getApplication(ids.application)).data
    const after = (
      await api.editApplication(ids.application, {
        name: 'api',
        description: 'edited',
        healthchecks: {},
        ports: before.ports?.slice(0, 1) ?? [],
      })
    ).data
    expect(after).toMatchObject({ description: 'edited', cpu: 500, git_repository: { url: before.git_repository?.url } })
    expect(after.ports).toEqual([before.ports?.[0]])
    expect((await api.getApplicationStatus(ids.application)).data.service_deployment_status).toBe('OUT_OF_DATE')
  })

  test('advanced settings merge, and null goes back to the default', async () => {
    const api = official.make(qovery.ApplicationConfigurationApi)
    const defaults = (await official.http.get<Record<string, unknown>>(`${server.client.apiUrl}/defaultApplicationAdvancedSettings`)).data
    expect(Object.keys(defaults).length).toBeGreaterThan(80)
    await official.http.put(`${server.client.apiUrl}/application/${ids.application}/advancedSettings`, {
      'hpa.cpu.average_utilization_percent': 70,
    })
    await official.http.put(`${server.client.apiUrl}/application/${ids.application}/advancedSettings`, { 'build.timeout_max_sec': 60 })
    const read = (await api.getAdvancedSettings(ids.application)).data as Record<string, unknown>
    expect(read).toMatchObject({ 'hpa.cpu.average_utilization_percent': 70, 'build.timeout_max_sec': 60 })
    const reset = (
      await official.http.put<Record<string, unknown>>(`${server.client.apiUrl}/application/${ids.application}/advancedSettings`, {
        'build.timeout_max_sec': null,
      })
    ).data
    expect(reset['build.timeout_max_sec']).toBe(1800)
  })

  test('variables and secrets work in both generations, and a secret is never given back', async () => {
    const api = official.make(qovery.VariableMainCallsApi)
    const created = (
      await api.createVariable({
        key: 'GREETING',
        value: 'hi',
        is_secret: false,
        variable_scope: 'APPLICATION',
        variable_parent_id: ids.application,
      })
    ).data
    await official.make(qovery.ApplicationSecretApi).createApplicationSecret(ids.application, { key: 'PASSWORD', value: 'hunter22' })
    await official
      .make(qovery.ProjectEnvironmentVariableApi)
      .createProjectEnvironmentVariable(place.projectId, { key: 'SHARED', value: 'yes' })
    const all = (await api.listVariables(ids.application, 'APPLICATION')).data.results ?? []
    expect(all.find((one) => one.key === 'PASSWORD')).toMatchObject({ value: null, is_secret: true, description: '' })
    expect(all.find((one) => one.key === 'SHARED')?.scope).toBe('PROJECT')
    expect(all.some((one) => one.key === `QOVERY_APPLICATION_Z${ids.application.slice(0, 8).toUpperCase()}_HOST_INTERNAL`)).toBe(true)
    expect((await api.editVariable(created.id, { key: 'GREETING', value: 'hello' })).data.value).toBe('hello')
    await api.deleteVariable(created.id)
    expect(
      (
        await official.make(qovery.ApplicationEnvironmentVariableApi).listApplicationEnvironmentVariable(ids.application)
      ).data.results?.some((one) => one.key === 'GREETING'),
    ).toBe(false)
    expect(JSON.stringify(all)).not.toContain('hunter22')
  })

  test('a container is the same noun in another spelling', async () => {
    const [registry] = (await official.make(qovery.ContainerRegistriesApi).listContainerRegistry(place.organizationId)).data.results ?? []
    const body = {
      name: 'web',
      registry_id: registry?.id ?? '',
      image_name: 'library/nginx',
      tag: '1.27',
      healthchecks: {},
      ports: [{ internal_port: 80, publicly_accessible: true }],
    }
    const created = (await official.make(qovery.ContainersApi).createContainer(place.environmentId, body)).data
    ids.container = created.id
    expect(created).toMatchObject({ service_type: 'CONTAINER', image_name: 'library/nginx', registry: { kind: 'DOCKER_HUB' } })
    expect((await official.make(qovery.ContainerMainCallsApi).listContainerLinks(created.id)).data.results?.[0]?.url).toMatch(
      /^https:\/\/web-/,
    )
    const services = (
      await official.http.get<{ results: { service_type: string }[] }>(
        `${server.client.apiUrl}/environment/${place.environmentId}/services`,
      )
    ).data.results
    expect(services.map((one) => one.service_type).sort()).toEqual(['APPLICATION', 'CONTAINER'])
    await expect(official.http.get(`${server.client.apiUrl}/application/${created.id}`)).rejects.toMatchObject({
      response: { status: 404 },
    })
  })

  test('a name that is taken is a conflict across both spellings, whatever its case', async () => {
    const again = official.make(qovery.ApplicationsApi).createApplication(place.environmentId, {
      name: 'WEB',
      git_repository: {
        url: `${server.client.apiUrl}/git/${place.environmentId}/x.git`,
        provider: 'GITHUB',
      } as qovery.ApplicationGitRepositoryRequest,
      healthchecks: {},
    })
    await expect(again).rejects.toMatchObject({ response: { status: 409, data: { error: 'Conflict' } } })
  })

  test('API tokens are shown once, work under both schemes, and end when deleted', async () => {
    const api = official.make(qovery.OrganizationApiTokenApi)
    const made = (await api.createOrganizationApiToken(place.organizationId, { name: 'ci', role_id: null as unknown as string })).data
    expect(made.token).toMatch(/^berth_/)
    for (const scheme of ['Token', 'Bearer'])
      expect((await fetch(`${server.client.apiUrl}/organization`, { headers: { authorization: `${scheme} ${made.token}` } })).status).toBe(
        200,
      )
    expect(JSON.stringify((await api.listOrganizationApiTokens(place.organizationId)).data)).not.toContain(made.token)
    await api.deleteOrganizationApiToken(place.organizationId, made.id)
    expect((await fetch(`${server.client.apiUrl}/organization`, { headers: { authorization: `Token ${made.token}` } })).status).toBe(401)
  })

  test('lists of nouns that Berth does not have are empty, not missing', async () => {
    for (const noun of ['job', 'database', 'helm', 'terraform'])
      expect((await official.http.get(`${server.client.apiUrl}/environment/${place.environmentId}/${noun}`)).data).toEqual({ results: [] })
  })

  test('deleting the environment deletes everything in it and ends in 404', async () => {
    await official.make(qovery.EnvironmentMainCallsApi).deleteEnvironment(place.environmentId)
    await until(
      'the environment to be gone',
      30,
      async () =>
        (await official.http.get(`${server.client.apiUrl}/environment/${place.environmentId}/status`, { validateStatus: () => true }))
          .status === 404,
    )
    expect(
      (await official.http.get(`${server.client.apiUrl}/application/${ids.application}/status`, { validateStatus: () => true })).status,
    ).toBe(404)
  })

  test('every answer agreed with the published contract and with our own document', () => {
    expect(official.problems).toEqual([])
    for (const check of official.checks) expect(check.seen).toBeGreaterThan(40)
  })
})
