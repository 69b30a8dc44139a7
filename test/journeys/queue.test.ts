import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, settled, type Service } from '../harness/deploy.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
const apps: Service[] = []

type Entry = {
  identifier: { execution_id: string }
  trigger_action: string
  status: string
  stages: { name: string; status: string; services: { identifier: { name: string }; status: string }[] }[]
}
const history = (): Promise<Entry[]> => server.client.list<Entry>(`/environment/${place.environmentId}/deploymentHistoryV2`)
const idle = () =>
  until(
    'the queue to be empty',
    30,
    async () => (await server.client.list(`/environment/${place.environmentId}/deploymentQueue`)).length === 0,
  )

beforeAll(async () => {
  server = await TestServer.start()
  place = await server.place('memory')
  for (const name of ['one', 'two']) {
    apps.push(await createHello(server.client, place.environmentId, { name }))
    await new Repository(`queue-${name}`, { Dockerfile: 'FROM scratch\n' }).push(remoteUrl(server, place.environmentId, name))
  }
  await idle()
})
afterAll(() => server.remove())

describe('the queue of an environment', () => {
  test('has one deployment running at a time; equal requests of one person become one', async () => {
    const before = (await history()).length
    await Promise.all(Array.from({ length: 20 }, () => server.client.post(`/environment/${place.environmentId}/deploy`)))
    const rows = await server.client.list<{ status: string }>(`/environment/${place.environmentId}/deploymentQueue`)
    expect(rows.filter((row) => !row.status.endsWith('_QUEUED')).length).toBeLessThanOrEqual(1)
    await idle()
    expect((await history()).length - before).toBeLessThan(20)
    for (const app of apps) expect(await settled(server.client, app.id)).toBe('DEPLOYED')
  })

  test('gives the same deployment to the same Idempotency-Key', async () => {
    const send = () =>
      fetch(`${server.client.apiUrl}/application/${apps[0]?.id}/deploy`, {
        method: 'POST',
        headers: { authorization: `Token ${server.token}`, 'idempotency-key': 'once' },
      }).then((answer) => answer.json() as Promise<{ execution_id: string }>)
    const first = await send()
    await idle()
    expect((await send()).execution_id).toBe(first.execution_id)
  })

  test('runs stages in their order, and skips the later ones when one fails', async () => {
    const stage = await server.client.post<{ id: string }>(`/environment/${place.environmentId}/deploymentStage`, { name: 'LAST' })
    const [one, two] = apps
    await server.client.put(`/deploymentStage/${stage.id}/service/${two?.id}`, { is_skipped: false })
    await server.client.put(`/application/${one?.id}`, { healthchecks: {}, dockerfile_path: 'missing' })
    await server.client.post(`/environment/${place.environmentId}/deploy`)
    await idle()
    const [newest] = await history()
    expect(newest?.stages.map((item) => [item.name, item.status])).toEqual([
      ['APPLICATION DEFAULT', 'ERROR'],
      ['LAST', 'SKIPPED'],
    ])
    expect(newest?.status).toBe('BUILD_ERROR')
    await server.client.put(`/application/${one?.id}`, { healthchecks: {}, dockerfile_path: 'Dockerfile' })
  })

  test('leaves skipped services out of what concerns the whole environment', async () => {
    const [one, two] = apps
    const [stage] = await server.client
      .list<{ id: string; services: { service_id: string }[] }>(`/environment/${place.environmentId}/deploymentStage`)
      .then((all) => all.filter((item) => item.services.some((service) => service.service_id === two?.id)))
    await server.client.put(`/deploymentStage/${stage?.id}/service/${two?.id}`, { is_skipped: true })
    await server.client.post(`/environment/${place.environmentId}/deploy`)
    await idle()
    expect((await history())[0]?.stages.flatMap((item) => item.services.map((service) => service.identifier.name))).toEqual([one?.name])
  })

  test('deploys chosen services, each in its version, and stops chosen ones', async () => {
    const [one, two] = apps
    await server.client.post(`/environment/${place.environmentId}/service/deploy`, {
      applications: [{ application_id: one?.id }, { application_id: two?.id }],
      containers: [],
      databases: [],
    })
    await idle()
    await server.client.post(`/environment/${place.environmentId}/service/stop`, { application_ids: [two?.id] })
    expect(await settled(server.client, two?.id ?? '')).toBe('STOPPED')
    expect(await settled(server.client, one?.id ?? '')).toBe('DEPLOYED')
    await expect(
      server.client.post(`/environment/${place.environmentId}/service/stop`, { application_ids: [place.projectId] }),
    ).rejects.toThrow(/application_ids\[0\]/)
  })

  test('refuses what cannot be done, with the reason', async () => {
    await expect(server.client.post(`/application/${apps[1]?.id}/restart-service`)).rejects.toThrow(/does not run/)
    await expect(server.client.post(`/environment/${place.environmentId}/cancelDeployment`, {})).rejects.toThrow(/nothing to cancel/)
  })
})
