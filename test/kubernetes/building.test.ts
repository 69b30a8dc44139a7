import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kubectl } from '../harness/cluster.ts'
import { createHello, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let app: Service
let repository: Repository

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId)
  repository = Repository.hello('building')
  await push(app, repository)
})
afterAll(() => server.remove())

/** Pushes something new, and returns what the log says of the builder. */
async function push(to: Service, from: Repository): Promise<string> {
  from.commit({ 'version.txt': String(Math.random()) })
  await from.push(remoteUrl(server, place.environmentId, to.name))
  expect(await settled(server.client, to.id)).toBe('DEPLOYED')
  const line = /^(Starting|Going on with) the builder .*$/m.exec(await deploymentLog(server.client, place.environmentId))
  return line?.[0] ?? ''
}

const builders = (state: string): string[] =>
  kubectl(
    'get',
    'pods',
    '--all-namespaces',
    '--selector',
    `berth/cluster=${place.clusterId},berth/build=${state}`,
    '--output',
    'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}',
  )
    .split(' ')
    .filter((name) => name !== '')

describe('a builder on the cluster', () => {
  test('waits for the next build of its application, with nothing in it that the last one was given', async () => {
    const [waiting = ''] = builders('idle')
    const [namespace = '', name = ''] = waiting.split('/')
    const left = kubectl(
      'exec',
      name,
      '--namespace',
      namespace,
      '--',
      'find',
      '/work/source',
      '/work/secrets',
      '/work/output',
      '-mindepth',
      '1',
    )
    expect(left).toBe('')
    expect(await push(app, repository)).toBe(`Going on with the builder ${name}`)
    expect(builders('idle')).toEqual([waiting])
  })

  test('is taken up again by a server that was killed and started', async () => {
    const [waiting = ''] = builders('idle')
    await server.kill()
    await server.up()
    expect(await push(app, repository)).toBe(`Going on with the builder ${waiting.split('/')[1]}`)
  })

  test('builds for no other application', async () => {
    const other = await createHello(server.client, place.environmentId, { name: 'other' })
    expect(await push(other, Repository.hello('other'))).toMatch(/^Starting the builder/)
    expect(builders('idle')).toHaveLength(2)
  })

  test('with other limits is another one; one that has a limit to its disk ends with its build', async () => {
    const before = builders('idle')
    await server.client.put(`/application/${app.id}/advancedSettings`, { ...quick, 'build.ephemeral_storage_in_gib': 8 })
    expect(await push(app, repository)).toMatch(/^Starting the builder/)
    await until('it to be gone', 10, () => Promise.resolve(builders('busy').length === 0))
    expect(builders('idle')).toEqual(before)
  })
})
