import { setTimeout as pause } from 'node:timers/promises'
import { systemNamespace } from '../../model/cluster.ts'
import { AppError } from '../../model/error.ts'
import { askPod } from './ask-pod.ts'
import type { KubeClient } from './client.ts'
import { selector } from './label.ts'
import { pathOf, type KubeObject } from './object.ts'
import { GATEWAY } from './render/name.ts'

/** Port of Envoy's administration, which listens in its pod only. */
const ADMIN = 19_000
/**
 * Milliseconds that the proxies may take to know the instances that are there; after that it is told, and nobody waits any longer. After the API server was
 * away the gateway's controller may start again, which takes it half a minute.
 */
const LIMIT = 60_000
/** Milliseconds after which a proxy that never told of these routes is not asked again. */
const FIRST_LIMIT = 10_000
/** Milliseconds after which people are told what is waited for. */
const TELL = 3000
const LOOK = 100
const ANSWER_LIMIT = 3000

type Clusters = {
  cluster_statuses?: {
    name: string
    host_statuses?: { address?: { socket_address?: { address: string } }; health_status?: { eds_health_status?: string } }[]
  }[]
}

type Awaited = { clusterId: string; routes: KubeObject[]; addresses: () => string[]; signal: AbortSignal; note: (line: string) => void }

/**
 * Waits until Envoy itself sends requests for these routes to exactly these addresses: an accepted route says only that its controller has read it. True when
 * it does. Null where nobody can tell: another gateway than Envoy Gateway, or no right to ask.
 */
export async function awaitProxies(client: KubeClient, of: Awaited): Promise<boolean | null> {
  const begun = Date.now()
  let [told, answered] = [false, false]
  while (Date.now() < begun + LIMIT) {
    const state = await stateOf(client, of).catch((error: unknown) => {
      of.signal.throwIfAborted()
      return error instanceof AppError && error.code === 'forbidden' ? ('nobody' as const) : ('no answer' as const)
    })
    if (state === 'known') return true
    answered ||= state === 'behind'
    if (state === 'nobody' || (!answered && Date.now() > begun + FIRST_LIMIT)) return null
    if (!told && Date.now() > begun + TELL) {
      told = true
      of.note(`Waiting until the gateway sends to these instances alone, for ${LIMIT / 1000} s at most`)
    }
    await pause(LOOK, undefined, { signal: of.signal })
  }
  return false
}

/** `nobody`: there is no proxy of Envoy Gateway, or nothing to ask it for; `no route`: a proxy has no such route, under the name that we know. */
async function stateOf(client: KubeClient, of: Awaited): Promise<'known' | 'behind' | 'no route' | 'nobody'> {
  const proxies = of.routes.length === 0 ? [] : await proxiesOf(client, of.clusterId)
  if (proxies.length === 0) return 'nobody'
  const known = await Promise.all(proxies.map((proxy) => clustersIn(client, proxy, of.signal)))
  const targets = known.flatMap((clusters) => of.routes.map((route) => targetsOf(clusters, route)))
  if (targets.includes(undefined)) return 'no route'
  const wanted = of.addresses().sort().join()
  return targets.every((one) => one?.sort().join() === wanted) ? 'known' : 'behind'
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

/** Envoy Gateway names a cluster after its route: `httproute/<namespace>/<name>/rule/0`. Undefined where it has none. */
function targetsOf(clusters: Clusters, route: KubeObject): string[] | undefined {
  const name = `${route.kind.toLowerCase()}/${route.metadata.namespace}/${route.metadata.name}/rule/0`
  const found = clusters.cluster_statuses?.find((one) => one.name === name)
  if (!found) return undefined
  return (found.host_statuses ?? [])
    .filter((host) => (host.health_status?.eds_health_status ?? 'HEALTHY') === 'HEALTHY')
    .flatMap((host) => host.address?.socket_address?.address ?? [])
}

async function clustersIn(client: KubeClient, proxy: KubeObject, signal: AbortSignal): Promise<Clusters> {
  const path = '/clusters?format=json'
  const { status, body } = await askPod(client, proxy, { port: ADMIN, method: 'GET', path, limit: ANSWER_LIMIT, signal })
  if (status !== 200) throw new AppError('unavailable', `Envoy's administration answered ${status}.`)
  return JSON.parse(body) as Clusters
}
