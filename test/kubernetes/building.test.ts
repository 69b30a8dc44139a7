import { quantity } from '../../src/engine/kubernetes/usage.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { debianImage, kubectl, kubectlJson, registryName } from '../harness/cluster.ts'
import { act, createHello, createWeb, deploymentLog, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { rootlessBuilder } from '../harness/image.ts'
import { ask } from '../harness/load.ts'
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

let version = 10

/** Pushes something new of the same size, and returns what the log says of the builder. */
async function push(to: Service, from: Repository): Promise<string> {
  const program = from.git('show', 'HEAD:hello.pl').replace(/'(Hello from Berth!|version \d+)'/, `'version ${++version}'`)
  from.commit({ 'hello.pl': program })
  await from.push(remoteUrl(server, place.environmentId, to.name))
  const state = await settled(server.client, to.id)
  const log = await deploymentLog(server.client, place.environmentId)
  expect(state, log).toBe('DEPLOYED')
  const line = /^(Starting|Going on with) the builder .*$/m.exec(log)
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

/** MiB that the node can still promise to pods. */
function freeMemory(): number {
  type Pod = { status: { phase: string }; spec: { containers: { resources: { requests?: { memory?: string } } }[] } }
  const node = kubectlJson<{ items: { status: { allocatable: { memory: string } } }[] }>('get', 'nodes').items[0]
  const pods = kubectlJson<{ items: Pod[] }>('get', 'pods', '--all-namespaces').items.filter((one) =>
    /Running|Pending/.test(one.status.phase),
  )
  const asked = pods.flatMap((one) => one.spec.containers.map(({ resources }) => quantity(resources.requests?.memory ?? '0')))
  return Math.floor((quantity(node?.status.allocatable.memory ?? '0') - asked.reduce((sum, one) => sum + one, 0)) / 2 ** 20)
}

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
      '/work/docker',
      '/work/output',
      '-mindepth',
      '1',
    )
    expect(left).toBe('')
    expect(await push(app, repository)).toBe(`Going on with the builder ${name}`)
    expect(builders('idle')).toEqual([waiting])
    const [link] = await server.client.list<{ url: string }>(`/application/${app.id}/link`)
    await until('it to answer', 10, async () => (await ask(link?.url ?? '', server.info.caFile)).body === `version ${version}`)
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

  test('that writes more than it may is ended, and the build says so', async () => {
    const greedy = new Repository('greedy', {
      Dockerfile: `FROM debian:bookworm-slim\nRUN perl -e 'open my $f, ">", "/x"; print $f "x" x 1048576 for 1..1500; close $f; sleep 100'\n`,
    })
    const other = await createHello(server.client, place.environmentId, { name: 'greedy' })
    await server.client.put(`/application/${other.id}/advancedSettings`, { 'build.ephemeral_storage_in_gib': 1 })
    await greedy.push(remoteUrl(server, place.environmentId, 'greedy'))
    expect(await settled(server.client, other.id, 90)).toBe('BUILD_ERROR')
    const { explanation } = await server.client.get<{ explanation: { message: string } }>(`/service/${other.id}/explain`)
    expect(explanation.message).toContain('build.ephemeral_storage_in_gib')
  })

  test('makes room for an instance that fits on no node beside it', async () => {
    expect(builders('idle')).toHaveLength(2)
    const of = { ...place, image: `${debianImage.repository}:${debianImage.tag}` }
    const big = await createWeb(server.client, of, {
      name: 'big',
      ports: [],
      memory: freeMemory() + 100,
      entrypoint: 'perl',
      arguments: ['-e', 'sleep 1 while 1'],
    })
    await act(server.client, { ...big, ...place }, { verb: 'deploy', expected: 'DEPLOYED', seconds: 30 })
    expect(builders('idle')).toEqual([])
    await act(server.client, { ...big, ...place }, { verb: 'stop', expected: 'STOPPED' })
  })

  test('needs no privileges where the nodes let everybody have user namespaces', async () => {
    const base = `/organization/${place.organizationId}/cluster/${place.clusterId}`
    const options = { builder_image: rootlessBuilder(registryName), rootless_builds: true }
    await server.client.put(base, { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', ...options })
    await server.client.put(`/application/${app.id}/advancedSettings`, { ...quick, 'build.ephemeral_storage_in_gib': null })
    repository.commit({ Dockerfile: `${repository.git('show', 'HEAD:Dockerfile')}\nRUN perl -e 1\n` })
    const name = /^Starting the builder (.*)$/.exec(await push(app, repository))?.[1] ?? ''
    const namespace = `berth-z${place.clusterId.slice(0, 8)}`
    const [container] = kubectlJson<{ spec: { containers: { securityContext: object }[] } }>('get', 'pod', name, '--namespace', namespace)
      .spec.containers
    expect(container?.securityContext).toMatchObject({ runAsUser: 1000 })
    expect(container?.securityContext).not.toHaveProperty('privileged')
  })
})
