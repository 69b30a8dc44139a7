import { randomUUID } from 'node:crypto'
import type { ApplyContext } from '../../src/engine/port.ts'
import type { KubernetesEngine } from '../../src/engine/kubernetes/engine.ts'
import type { Place, Workload } from '../../src/model/workload.ts'
import { namespacesOf, removeNamespaces } from './cluster.ts'
import { kubernetesEngine } from './kubernetes-engine.ts'
import { until } from './server.ts'
import { foreignArchitecture, simulateNodes } from './simulated.ts'
import { place, workload } from './workload.ts'

/** Pods of a simulated node, of which the scheduler fills some more than others. */
const PER_NODE = 100
/** Applications per namespace, and how many are applied at the same time, as environments are. */
const PER_NAMESPACE = 50
const AT_ONCE = 8

export type Scale = {
  applySeconds: number
  callsPerApplication: number
  seenSeconds: number
  relistSeconds: number
  cpuSeconds: number
  heapMib: number
}

/** Seconds that `work` takes. */
async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

/** Applies so many applications, whose pods are on simulated nodes, and sees them run: by who applied them, and by an engine that has just started. */
export async function applyMany(count: number): Promise<Scale> {
  const clusterId = randomUUID()
  const run = randomUUID().slice(0, 8)
  const all = Array.from({ length: count }, (_, index): Workload => {
    const applicationId = randomUUID()
    return workload({
      place: place({
        namespace: `scale-${run}-${Math.floor(index / PER_NAMESPACE)}`,
        applicationId,
        name: `app-z${applicationId.slice(0, 8)}-scale`,
      }),
      cpuMilli: 10,
      memoryMib: 16,
      architecture: foreignArchitecture,
      scaling: { kind: 'fixed', instances: 1 },
    })
  })
  const removeNodes = simulateNodes(
    ...Array.from({ length: Math.ceil(count / PER_NODE) }, (_, index) => ({ name: `scale-${run}-${index}`, room: { pods: '200' } })),
  )
  const stop = new AbortController()
  const context: ApplyContext = { signal: stop.signal, note: () => undefined, keep: () => Promise.resolve() }
  const first = kubernetesEngine(clusterId)
  const second = kubernetesEngine(clusterId)
  try {
    follow(first.engine, stop.signal)
    const before = first.client.calls
    const applySeconds = await timed(async () => {
      const rest = [...all]
      const worker = async (): Promise<void> => {
        for (let one = rest.shift(); one; one = rest.shift()) {
          const target = { revision: one.revision, generation: one.generation, index: 0 }
          await first.engine.apply({ kind: 'prepare', workload: one }, context)
          await first.engine.apply({ kind: 'apply', workload: one, targets: [target] }, context)
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, worker))
    })
    const callsPerApplication = (first.client.calls - before) / count
    const places = all.map((one) => one.place)
    const seenSeconds = await timed(() => untilSeen(first.engine, places))
    const relistSeconds = await timed(async () => {
      follow(second.engine, stop.signal)
      await untilSeen(second.engine, places)
    })
    return {
      applySeconds,
      callsPerApplication,
      seenSeconds,
      relistSeconds,
      cpuSeconds: process.cpuUsage().user / 1e6,
      heapMib: process.memoryUsage().heapUsed / 2 ** 20,
    }
  } finally {
    stop.abort()
    removeNamespaces(clusterId)
    // Not before: a pod of a node that is gone takes a while to go.
    await until('the namespaces to be gone', 300, () => Promise.resolve(namespacesOf(clusterId) === ''))
    removeNodes()
  }
}

function follow(engine: KubernetesEngine, signal: AbortSignal): void {
  void (async () => {
    for await (const _ of engine.watch(signal)) continue
  })()
}

/** Until the one instance of each is ready. */
const untilSeen = (engine: KubernetesEngine, places: Place[]): Promise<void> => {
  const rest = [...places]
  return until('all to be seen', 300, async () => {
    for (let one = rest.at(-1); one; one = rest.at(-1)) {
      const { instances } = await engine.observe(one, undefined)
      if (instances[0]?.state !== 'ready') return false
      rest.pop()
    }
    return true
  })
}
