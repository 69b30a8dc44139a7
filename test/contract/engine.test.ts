import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DockerClient } from '../../src/engine/docker/client.ts'
import { DockerEngine } from '../../src/engine/docker/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/engine.ts'
import type { ApplyContext, Engine } from '../../src/engine/port.ts'
import { defaultSettings } from '../../src/model/settings.ts'
import type { Image } from '../../src/model/image.ts'
import type { Observation } from '../../src/model/observation.ts'
import { Secret } from '../../src/model/secret.ts'
import type { Place, Target, Workload } from '../../src/model/workload.ts'
import { ctr, debianImage, digestOf, hasCluster, kubectlJson } from '../harness/cluster.ts'
import { kubernetesEngine } from '../harness/kubernetes-engine.ts'
import { until } from '../harness/server.ts'

type Subject = {
  name: string
  /** Whether there is what it needs; where not, its tests are counted as skipped (`test/all.ts` says why). */
  here: boolean
  make: () => Promise<{ engine: Engine; image: Image; kill: (place: Place, target: Target) => Promise<void> }>
}

const docker = new DockerClient('/var/run/docker.sock')
const routed: Target[][] = []

/** Every engine, with nothing but what `server.ts` would give it. */
const subjects: Subject[] = [
  {
    name: 'memory',
    here: true,
    make: () => {
      const engine = new MemoryEngine()
      return Promise.resolve({
        engine,
        image: { kind: 'local', clusterId: 'c', imageId: 'memory:x', platform: 'memory' },
        kill: (place, target) => Promise.resolve(engine.kill(place, target)),
      })
    },
  },
  {
    name: 'docker',
    here: true,
    make: async () => {
      const clusterId = randomUUID()
      const addresses = new Map<string, string>()
      const book = {
        subnet: () => Promise.resolve('10.219.7.0/24'),
        address: (_environment: string, _subnet: string, instance: string) =>
          Promise.resolve(addresses.get(instance) ?? addresses.set(instance, `10.219.7.${10 + addresses.size}`).get(instance) ?? ''),
        release: () => Promise.resolve(),
      }
      const engine = new DockerEngine(docker, clusterId, {
        addresses: book,
        routes: { set: (_place, targets) => Promise.resolve(void routed.push(targets)) },
      })
      const found = await docker.call<{ Id: string }>('GET', `/images/${encodeURIComponent('debian:bookworm-slim')}/json`)
      const kill = async (place: Place, target: Target): Promise<void> =>
        void (await docker.call('POST', `/containers/${place.name}-r${target.revision}-${target.generation}-${target.index}/kill`))
      return { engine, image: { kind: 'local', clusterId, imageId: found.Id, platform: 'linux/amd64' }, kill }
    },
  },
  {
    name: 'kubernetes',
    here: hasCluster(),
    make: async () => {
      const clusterId = randomUUID()
      const { engine } = kubernetesEngine(clusterId)
      const digest = await digestOf(debianImage)
      const kill = (place: Place): Promise<void> => {
        const found = kubectlJson<{
          items: { metadata: { deletionTimestamp?: string }; status: { containerStatuses: { containerID: string }[] } }[]
        }>('get', 'pods', '--namespace', place.namespace, '--selector', `berth/application=${place.applicationId}`)
        const pod = found.items.find((one) => one.metadata.deletionTimestamp === undefined)
        ctr('tasks', 'kill', '--signal', 'SIGKILL', pod?.status.containerStatuses[0]?.containerID.replace('containerd://', '') ?? '')
        return Promise.resolve()
      }
      return { engine, image: { kind: 'registry', repository: debianImage.repository, digest, platform: 'linux/amd64' }, kill }
    },
  },
]

describe.each(subjects)('the $name engine', ({ make, here }) => {
  if (!here) return test.skip('needs a cluster', () => undefined)
  const notes: string[] = []
  const kept: string[] = []
  const stop = new AbortController()
  const context: ApplyContext = {
    signal: new AbortController().signal,
    note: (line) => void notes.push(line),
    keep: (record) => Promise.resolve(void kept.push(record.instance)),
  }
  const id = randomUUID()
  const place: Place = {
    organizationId: randomUUID(),
    projectId: randomUUID(),
    environmentId: randomUUID(),
    environmentName: 'contract',
    namespace: `contract-${id.slice(0, 8)}`,
    applicationId: id,
    name: `app-z${id.slice(0, 8)}-contract`,
    addressLabel: `contract-${id.slice(0, 6)}`,
  }
  const touched: string[] = []
  let subject: Awaited<ReturnType<Subject['make']>>
  let workload: Workload

  const targets = (revision: number, count: number): Target[] =>
    Array.from({ length: count }, (_, index) => ({ revision, generation: revision, index }))
  const observe = (): Promise<Observation> => subject.engine.observe(place, undefined)
  const states = async (): Promise<string[]> => (await observe()).instances.map((one) => `${one.revision}/${one.index} ${one.state}`)
  const ready = (expected: string[]) =>
    until(expected.join(), 60, async () => JSON.stringify(await states()) === JSON.stringify(expected.map((one) => `${one} ready`)))

  beforeAll(async () => {
    subject = await make()
    workload = {
      place,
      revision: 1,
      generation: 1,
      image: subject.image,
      access: null,
      environment: { PLAIN: 'x', HIDDEN: new Secret('y') },
      entrypoint: 'perl',
      arguments: ['-e', '$SIG{TERM} = sub { exit 0 }; sleep 1 while 1'],
      cpuMilli: 50,
      memoryMib: 64,
      ephemeralGib: null,
      gpu: 0,
      architecture: null,
      scaling: { kind: 'fixed', instances: 2 },
      ports: [],
      volumes: [],
      readiness: null,
      liveness: null,
      settings: { ...defaultSettings, gracePeriod: 2 },
    }
    void (async () => {
      for await (const one of subject.engine.watch(stop.signal)) touched.push(one)
    })()
  })
  afterAll(async () => {
    await subject.engine.apply({ kind: 'retire', place, keep: [] }, context)
    await subject.engine.removeEnvironment(place.environmentId)
    stop.abort()
  })

  test('says what it can do, and gives the reason for what it cannot', async () => {
    for (const can of Object.values(await subject.engine.capabilities())) expect(can === true || can.length > 20).toBe(true)
  })

  test('knows nothing of an application that was never applied', async () => {
    expect((await observe()).instances).toEqual([])
    expect((await subject.engine.inventory()).map((one) => one.applicationId)).not.toContain(id)
  })

  test('starts the instances it is told, and says when they are ready', async () => {
    await subject.engine.apply({ kind: 'prepare', workload }, context)
    await subject.engine.apply({ kind: 'apply', workload, targets: targets(1, 2) }, context)
    await ready(['1/0', '1/1'])
    expect(touched).toContain(id)
    expect((await subject.engine.inventory()).map((one) => one.applicationId)).toContain(id)
  })

  test('a step that is entered again changes nothing', async () => {
    const before = (await observe()).instances.map((one) => one.startedAt)
    await subject.engine.apply({ kind: 'prepare', workload }, context)
    await subject.engine.apply({ kind: 'apply', workload, targets: targets(1, 2) }, context)
    expect((await observe()).instances.map((one) => one.startedAt)).toEqual(before)
  })

  test('the next release starts beside the old one, which stays until it is retired', async () => {
    const next = { ...workload, revision: 2, generation: 2 }
    await subject.engine.apply({ kind: 'apply', workload: next, targets: targets(2, 1) }, context)
    if (subject.engine.rollsOut === 'step-by-step') await ready(['1/0', '1/1', '2/0'])
    else await until('the next release to be ready', 60, async () => (await states()).includes('2/0 ready'))
    await subject.engine.apply({ kind: 'route', place, targets: targets(2, 1), ports: [], redirect: true }, context)
    await subject.engine.apply({ kind: 'retire', place, keep: targets(2, 1) }, context)
    await ready(['2/0'])
    if (subject.engine.rollsOut === 'step-by-step') expect(kept).toHaveLength(2)
  })

  test('an instance that is killed is told as exited by hand, and runs again when it is revived', async () => {
    const [target] = targets(2, 1)
    if (!target) return
    touched.length = 0
    await subject.kill(place, target)
    await until('the exit to be seen', 20, async () => (await observe()).instances[0]?.lastExit?.code === 137)
    if (subject.engine.rollsOut === 'step-by-step') expect((await observe()).instances[0]?.state).toBe('exited')
    expect((await observe()).instances[0]?.lastExit).toMatchObject({ code: 137, byHand: true })
    expect(touched).toContain(id)
    await subject.engine.revive(place, target)
    await ready(['2/0'])
    const [instance] = (await observe()).instances
    expect(instance?.restarts).toBe(1)
    expect(instance?.lastExit?.code).toBe(137)
    expect((await observe()).evidence.at(-1)?.message).toContain('137')
  })

  test('removing takes everything, and removing again is no error', async () => {
    await subject.engine.apply({ kind: 'retire', place, keep: [] }, context)
    for (let n = 0; n < 2; n++) await subject.engine.apply({ kind: 'remove', place }, context)
    expect((await observe()).instances).toEqual([])
    for (let n = 0; n < 2; n++) await subject.engine.removeEnvironment(place.environmentId)
  })

  test('no secret is in what it tells', () => {
    expect(JSON.stringify([notes, workload])).not.toContain('"y"')
  })
})
