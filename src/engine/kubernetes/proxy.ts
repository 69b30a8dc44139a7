import { setTimeout as pause } from 'node:timers/promises'
import { systemNamespace } from '../../model/cluster.ts'
import type { KubeClient } from './client.ts'
import { openForward } from './forward.ts'
import { selector } from './label.ts'
import { pathOf, type KubeObject } from './object.ts'
import { GATEWAY } from './render/name.ts'

/** Port of Envoy's administration, which listens in its pod only. */
const ADMIN = 19_000
/** Milliseconds that the proxies may take to know the instances that are there; after that it is told, and nobody waits any longer. */
const LIMIT = 10_000
const LOOK = 100
const ANSWER_LIMIT = 3000

type Clusters = {
  cluster_statuses?: {
    name: string
    host_statuses?: { address?: { socket_address?: { address: string } }; health_status?: { eds_health_status?: string } }[]
  }[]
}

/**
 * Waits until Envoy itself sends requests for these routes to exactly these addresses: an accepted route says only that its controller has read it. True when
 * it does. Null where nobody can tell: another gateway than Envoy Gateway, or no right to ask.
 */
export async function awaitProxies(
  client: KubeClient,
  of: { clusterId: string; routes: KubeObject[]; addresses: () => string[]; signal: AbortSignal },
): Promise<boolean | null> {
  const until = Date.now() + LIMIT
  try {
    const proxies = await proxiesOf(client, of.clusterId)
    if (proxies.length === 0 || of.routes.length === 0) return null
    while (Date.now() < until) {
      const known = await Promise.all(proxies.map((proxy) => clustersIn(client, proxy, of.signal)))
      const wanted = of.addresses().sort().join()
      if (known.every((clusters) => of.routes.every((route) => targetsOf(clusters, route).sort().join() === wanted))) return true
      await pause(LOOK, undefined, { signal: of.signal })
    }
    return false
  } catch {
    of.signal.throwIfAborted()
    return null
  }
}

/** The proxies that Envoy Gateway runs for our gateway, in whatever namespace it keeps them. */
async function proxiesOf(client: KubeClient, clusterId: string): Promise<KubeObject[]> {
  const labels = selector({
    'gateway.envoyproxy.io/owning-gateway-name': GATEWAY,
    'gateway.envoyproxy.io/owning-gateway-namespace': systemNamespace(clusterId.slice(0, 8)),
  })
  const { items } = await client.call<{ items: KubeObject[] }>('GET', `${pathOf('Pod')}?labelSelector=${labels}`, { patience: 2000 })
  return items.filter((pod) => (pod['status'] as { phase?: string }).phase === 'Running' && !pod.metadata.deletionTimestamp)
}

/** Envoy Gateway names a cluster after its route: `httproute/<namespace>/<name>/rule/0`. */
function targetsOf(clusters: Clusters, route: KubeObject): string[] {
  const name = `${route.kind.toLowerCase()}/${route.metadata.namespace}/${route.metadata.name}/rule/0`
  const found = clusters.cluster_statuses?.find((one) => one.name === name)
  return (found?.host_statuses ?? [])
    .filter((host) => (host.health_status?.eds_health_status ?? 'HEALTHY') === 'HEALTHY')
    .flatMap((host) => host.address?.socket_address?.address ?? [])
}

/** One HTTP request to a proxy's administration, through the API server. */
async function clustersIn(client: KubeClient, proxy: KubeObject, signal: AbortSignal): Promise<Clusters> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT)])
  const stream = await openForward(client, proxy, { port: ADMIN, signal: limited })
  try {
    stream.write('GET /clusters?format=json HTTP/1.0\r\nhost: envoy\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Clusters
  } finally {
    stream.destroy()
  }
}
