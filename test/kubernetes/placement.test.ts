import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kubectl, kubectlApply } from '../harness/cluster.ts'
import { deploymentLog } from '../harness/deploy.ts'
import { until } from '../harness/server.ts'
import { ownArchitecture, simulateNodes } from '../harness/simulated.ts'
import { Trials, type App } from '../harness/trials.ts'

const needed = { 'example.com/room': 'little' }
const there = { 'deployment.affinity.node.required': needed }
/** Nodes that kwok plays. */
const [WITH_GPU, LITTLE] = ['with-gpu', 'little']

let trials: Trials
let kept: App
let removeNodes: (() => void) | undefined

const podsOf = (app: App, path: string): string =>
  kubectl(
    'get',
    'pods',
    '--namespace',
    trials.namespace(app),
    '--selector',
    `berth/application=${app.id}`,
    '--output',
    `jsonpath={.items[*].${path}}`,
  )

const unrestOf = async (app: App) => (await trials.explain(app)).conditions.find((one) => one.type === 'Stable')

describe.skipIf(process.env['KUBECONFIG_FOR_TESTS'])('a cluster of several nodes', () => {
  beforeAll(async () => {
    trials = await Trials.begin()
    const own = { 'kubernetes.io/arch': ownArchitecture }
    kept = await trials.create('kept', { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
    expect(await trials.deploy(kept), await deploymentLog(trials.server.client, kept.environmentId)).toBe('DEPLOYED')
    removeNodes = simulateNodes(
      { name: WITH_GPU, labels: own, room: { 'nvidia.com/gpu': '1' } },
      { name: LITTLE, labels: { ...own, ...needed }, room: { pods: '2' } },
    )
  })
  afterAll(async () => {
    await trials.end()
    removeNodes?.()
  })

  describe('of which some have room', () => {
    test.concurrent(
      'gives the GPU of a node to an instance; says what a second one waits for, and who has to make room for a third',
      async () => {
        const app = await trials.create('gpu', { gpu: 1 }, { 'deployment.update_strategy.rolling_update.max_surge_percent': 100 })
        expect(await trials.deploy(app)).toBe('DEPLOYED')
        expect(podsOf(app, 'spec.nodeName')).toBe(WITH_GPU)
        expect(podsOf(app, 'spec.containers[0].resources.limits')).toContain('"nvidia.com/gpu":"1"')
        const { explanation } = await trials.failing('second', { gpu: 1 })
        expect(explanation).toMatchObject({
          reason: 'NoGpu',
          message: expect.stringContaining('of 3 nodes') as string,
          remedy: expect.stringContaining('max surge') as string,
        })
        expect(await trials.explain(app)).toMatchObject({ health: 'running', explanation: null })

        const important = 'placement-important'
        const resources = { limits: { 'nvidia.com/gpu': '1' } }
        kubectlApply(
          { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: important }, value: 1000 },
          {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name: important, namespace: 'default' },
            spec: { priorityClassName: important, containers: [{ name: 'important', image: 'none', resources }] },
          },
        )
        try {
          await until('it to have made room', 30, async () => (await unrestOf(app))?.reason === 'Preempted')
          expect((await trials.explain(app)).health).toBe('error')
        } finally {
          kubectl('delete', `pod/${important}`, `priorityclass/${important}`, '--namespace', 'default')
        }
        await until('it to run again', 60, async () => (await trials.explain(app)).health === 'running')
        await trials.remove(app)
      },
    )

    test.concurrent('says of a node that has the labels but no room for another pod that it is full', async () => {
      const { explanation } = await trials.failing('crowd', { min_running_instances: 3, max_running_instances: 3 }, there)
      expect(explanation).toMatchObject({ reason: 'TooManyPods', message: expect.stringContaining('1 of 3 nodes') as string })
    })

    test.concurrent('says that a volume is on a node which takes nothing new, and goes on once it does', async () => {
      const node = podsOf(kept, 'spec.nodeName')
      kubectl('cordon', node)
      try {
        kubectl('drain', node, '--pod-selector', `berth/application=${kept.id}`, '--ignore-daemonsets', '--timeout=60s')
        await until('people to know that it had to go', 30, async () => (await unrestOf(kept))?.reason === 'Drained')
        await until('it to be told', 60, async () => (await trials.explain(kept)).explanation?.reason === 'VolumeElsewhere')
      } finally {
        kubectl('uncordon', node)
      }
      await until('it to run again', 60, async () => (await trials.explain(kept)).health === 'running')
      await trials.remove(kept)
    })
  })

  describe('of which none has what it takes', () => {
    test.concurrent('says why: by a taint, or because they are closed', async () => {
      const nodes = kubectl('get', 'nodes', '--output=jsonpath={.items[*].metadata.name}').split(' ')
      const taint = (nodes: string[], how: string): string => kubectl('taint', 'nodes', ...nodes, `example.com/kept=${how}`)
      taint(nodes, 'back:NoSchedule')
      try {
        expect((await trials.failing('tainted', {})).explanation).toMatchObject({
          reason: 'NodesTainted',
          message: expect.stringContaining('3 of 3 nodes') as string,
        })
      } finally {
        taint(nodes, 'back:NoSchedule-')
      }
      kubectl('cordon', ...nodes)
      try {
        expect((await trials.failing('closed', {})).explanation?.reason).toBe('NodesClosed')
      } finally {
        kubectl('uncordon', ...nodes)
      }
    })

    test.concurrent('says that it has no storage class for volumes that name none', async () => {
      const standard = (is: boolean): string =>
        kubectl('annotate', 'storageclass', 'fast-ssd', '--overwrite', `storageclass.kubernetes.io/is-default-class=${is}`)
      standard(false)
      try {
        const { explanation } = await trials.failing('classless', { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
        expect(explanation).toMatchObject({ reason: 'NoStorageClass', remedy: expect.stringContaining('--storage-class') as string })
      } finally {
        standard(true)
      }
    })
  })
})
