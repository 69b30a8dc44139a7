import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

/** Looked for everywhere it must not be. */
const CANARY = 'canary-7f3a9c51e2'

let server: TestServer
let place: Place
let app: Service
let repository: Repository
const push = (): Promise<string> => repository.push(remoteUrl(server, place.environmentId, 'hello'))

/** Every answer that could show it. */
async function answers(): Promise<string> {
  const paths = [
    `/application/${app.id}`,
    `/variable?parent_id=${app.id}&scope=APPLICATION`,
    `/application/${app.id}/secret`,
    `/application/${app.id}/environmentVariable`,
    `/environment/${place.environmentId}/logs`,
    `/application/${app.id}/deploymentHistoryV2`,
    `/service/${app.id}/explain`,
    `/environment/${place.environmentId}/statusesWithStages`,
  ]
  return (await Promise.all(paths.map((path) => server.client.get(path)))).map((one) => JSON.stringify(one)).join('\n')
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() && statSync(path).size < 2 ** 27 ? [path] : []
  })
}

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId)
  await server.client.put(`/application/${app.id}/advancedSettings`, quick)
  await server.client.post('/variable', {
    key: 'TOKEN',
    value: CANARY,
    is_secret: true,
    variable_scope: 'APPLICATION',
    variable_parent_id: app.id,
  })
  repository = Repository.hello('secrets')
})
afterAll(() => server.remove())

describe('a secret', () => {
  test('reaches the application', async () => {
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(ground.exec(ground.instances(app)[0] ?? '', app, 'env')).toContain(`TOKEN=${CANARY}`)
  })

  test('that is declared as ARG is refused, with what to do instead', async () => {
    repository.commit({ Dockerfile: 'FROM debian:bookworm-slim\nARG TOKEN\nRUN echo $TOKEN\n' })
    await push()
    expect(await settled(server.client, app.id)).toBe('BUILD_ERROR')
    expect(await deploymentLog(server.client, place.environmentId)).toContain('--mount=type=secret,id=TOKEN')
  })

  test('works in a build by --mount=type=secret, and is redacted where the build prints it', async () => {
    repository.commit({
      Dockerfile: `FROM debian:bookworm-slim\nRUN echo ${Date.now()}\nWORKDIR /app\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && test -s /run/secrets/TOKEN\nCOPY hello.pl .\nCMD ["perl", "hello.pl"]\n`,
    })
    const shown = await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYED')
    expect(shown).not.toContain(CANARY)
    expect(await deploymentLog(server.client, place.environmentId)).toContain('***')
  })

  test('is redacted in the last lines of a program that wrote it and failed', async () => {
    repository.commit({
      Dockerfile: 'FROM debian:bookworm-slim\nCMD ["perl", "-e", "$|=1; print qq(my token is $ENV{TOKEN}\\n); exit 3"]\n',
    })
    await push()
    expect(await settled(server.client, app.id)).toBe('DEPLOYMENT_ERROR')
    const { explanation } = await server.client.get<{ explanation: { evidence: string[] } }>(`/service/${app.id}/explain`)
    expect(explanation.evidence).toContain('Log: my token is ***')
  })

  test('declared ARGs get variables, others do not', async () => {
    await server.client.post('/variable', {
      key: 'COLOUR',
      value: 'green',
      is_secret: false,
      variable_scope: 'APPLICATION',
      variable_parent_id: app.id,
    })
    repository.commit({
      Dockerfile: `FROM debian:bookworm-slim\nRUN echo ${Date.now()}\nARG COLOUR\nARG QOVERY_ENVIRONMENT_NAME\nRUN echo "colour=$COLOUR env=$QOVERY_ENVIRONMENT_NAME project=[$QOVERY_PROJECT_ID]"\nWORKDIR /app\nCOPY hello.pl .\nCMD ["perl", "hello.pl"]\n`,
    })
    await push()
    expect(await deploymentLog(server.client, place.environmentId)).toContain('colour=green env=test project=[]')
  })

  test('is in no answer, log, argument list, label, image layer or file of Berth', async () => {
    expect(await answers()).not.toContain(CANARY)
    expect(server.log).not.toContain(CANARY)
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(CANARY)
    expect(ground.facts(app)).not.toContain(CANARY)
    await server.stop()
    for (const file of filesBelow(server.home)) expect(readFileSync(file).includes(CANARY), file).toBe(false)
    await server.up()
  })
})

describe('the streams', () => {
  const open = (path: string, options: { protocols?: string[]; token?: boolean } = {}): Promise<{ first: unknown; socket: WebSocket }> =>
    new Promise((resolve, reject) => {
      const headers = options.token === false ? {} : { authorization: `Token ${server.token}` }
      const socket = new WebSocket(`${server.client.apiUrl.replace('http', 'ws')}${path}`, options.protocols ?? [], { headers })
      socket.once('message', (data: Buffer) => resolve({ first: JSON.parse(data.toString()) as unknown, socket }))
      socket.once('error', reject)
      socket.once('close', (code, reason) => reject(new Error(`${code} ${reason.toString()}`)))
    })
  const where = (): string =>
    `organization=${place.organizationId}&cluster=${place.clusterId}&project=${place.projectId}&environment=${place.environmentId}`

  test('deployment logs come as arrays, the whole backlog first', async () => {
    const { first, socket } = await open(`/deployment/logs?${where()}`)
    socket.terminate()
    expect(Array.isArray(first)).toBe(true)
    expect((first as { details: { execution_id: string } }[])[0]?.details.execution_id).toMatch(new RegExp(`^${place.environmentId}-\\d+$`))
  })

  test('deployment status, service status and pods say what is', async () => {
    const status = await open(`/deployment/status?${where()}`)
    status.socket.terminate()
    expect(status.first).toMatchObject({ environment: { id: place.environmentId }, stages: expect.any(Array) as unknown })
    await until('the application to run again', 20, async () => {
      const running = await open(`/service/status?${where()}`)
      running.socket.terminate()
      return (
        (running.first as { environments: { applications: { state: string }[] }[] }).environments[0]?.applications[0]?.state === 'RUNNING'
      )
    })
    const pods = await open(`/service/pods?${where()}&service=${app.id}`)
    pods.socket.terminate()
    expect(pods.first).toMatchObject({ pods: [{ ports: [8080] }] })
  })

  test('runtime logs come line by line with a time in milliseconds, and by REST', async () => {
    const { first, socket } = await open(`/service/logs?${where()}&service=${app.id}`)
    socket.terminate()
    expect(first).toMatchObject({ message: 'Listening on port 8080', severity_text: 'info', created_at: expect.any(Number) as unknown })
    expect((await server.client.list<{ message: string }>(`/application/${app.id}/log`))[0]?.message).toBe('Listening on port 8080')
  })

  test('a browser authenticates by subprotocol and gets only v1 back', async () => {
    const { socket } = await open(`/service/pods?${where()}&service=${app.id}`, {
      protocols: ['v1', `auth.bearer.${server.token}`],
      token: false,
    })
    expect(socket.protocol).toBe('v1')
    socket.terminate()
    await expect(open(`/service/pods?${where()}&service=${app.id}`, { token: false })).rejects.toThrow(/401/)
  })

  test('a stream of something that is not there closes with a reason', async () => {
    await expect(open(`/service/pods?${where()}&service=${place.projectId}`)).rejects.toThrow(/1008/)
  })
})
