import { AppError } from '../../model/error.ts'
import type { Port } from '../../model/port.ts'
import type { Place } from '../../model/workload.ts'
import type { ApplyContext } from '../port.ts'
import type { Objects } from './apply.ts'
import type { Cache } from './cache.ts'
import type { KubeClient } from './client.ts'
import { ROUTE_MARK, type Inventory } from './inventory.ts'
import { awaitProxies } from './proxy.ts'
import { keyOf, pathTo, referenceTo, versionOf, type Condition, type KubeObject } from './object.ts'
import type { RenderContext } from './render/pod.ts'
import { renderService } from './render/release.ts'
import { renderRoutes } from './render/route.ts'

/** Milliseconds that the gateway may take to accept a route, a load balancer to get an address while it is waited for, and between two looks. */
const ROUTE_LIMIT = 40_000
const BALANCER_LIMIT = 10_000
const LOOK = 500

type Parent = { parentRef: { name: string; sectionName?: string }; conditions?: Condition[] }
type On = { client: KubeClient; objects: Objects; inventory: Inventory; cache: Cache; render: RenderContext }

/** Brings the routes of an application to what its ports say. One that is not wanted any more goes first: two kinds may not share a name. */
export async function applyRoutes(
  place: Place,
  of: { ports: Port[]; redirect: boolean },
  on: On & { context: ApplyContext },
): Promise<void> {
  const wanted = renderRoutes(place, of.ports, { ...on.render, redirect: of.redirect })
  const keep = new Set(wanted.map((one) => keyOf(referenceTo(one))))
  for (const entry of await on.inventory.of(place.applicationId))
    if (entry.mark === ROUTE_MARK && !keep.has(keyOf(entry))) {
      await on.objects.remove(entry, entry.uid)
      await on.inventory.forget(place.applicationId, [entry])
    }
  await on.objects.applyAll(place, wanted, { mark: ROUTE_MARK, count: null, signal: on.context.signal })
  for (const route of wanted.filter((one) => one.kind === 'HTTPRoute' || one.kind === 'GRPCRoute')) await accepted(place, route, on)
  await dropOldPorts(place, of.ports, on)
  await carried(place, wanted, on)
  for (const balancer of wanted.filter((one) => one.kind === 'Service')) await addressed(place, balancer, on)
}

/** Waits until the proxies send to the instances that are there, and to no other. */
async function carried(place: Place, wanted: KubeObject[], on: On & { context: ApplyContext }): Promise<void> {
  const addresses = (): string[] => on.cache.of(place.applicationId, 'Pod').flatMap(readyAddress)
  const routes = wanted.filter((one) => one.kind === 'HTTPRoute' || one.kind === 'GRPCRoute')
  const { signal, note } = on.context
  const known = await awaitProxies(on.client, { clusterId: on.render.clusterId, routes, addresses, signal, note })
  if (known === false) note('The gateway does not know all instances yet; requests may be answered with 503 for a moment')
}

function readyAddress(pod: KubeObject): string[] {
  const status = pod['status'] as { podIP?: string; conditions?: Condition[] }
  const ready = !pod.metadata.deletionTimestamp && isTrue(status.conditions ?? [], 'Ready')
  return ready && status.podIP ? [status.podIP] : []
}

/** The ports of what was replaced, which the Service kept until now. */
async function dropOldPorts(place: Place, ports: Port[], on: On & { context: ApplyContext }): Promise<void> {
  if (ports.length === 0) return
  const service = renderService({ place }, on.render, ports)
  const entry = (await on.inventory.of(place.applicationId)).find((one) => keyOf(one) === keyOf(referenceTo(service)))
  const live = on.cache.find(referenceTo(service))
  const has = (live?.['spec'] as { ports?: unknown[] } | undefined)?.ports?.length ?? 0
  if (entry && has > ports.length) await on.objects.applyAll(place, [service], { mark: entry.mark, count: null, signal: on.context.signal })
}

/** Waits until the gateway carries a route; its own words when it refuses. */
async function accepted(place: Place, route: KubeObject, on: On & { context: ApplyContext }): Promise<void> {
  const reference = referenceTo(route)
  const until = Date.now() + ROUTE_LIMIT
  let why = 'no gateway has taken it up'
  const entry = (await on.inventory.of(place.applicationId)).find((one) => keyOf(one) === keyOf(reference))
  while (Date.now() < until) {
    on.context.signal.throwIfAborted()
    const live = on.cache.find(reference)
    if (!live && on.cache.version(reference.kind) >= versionOf(entry?.version))
      throw new AppError('unavailable', `The route ${route.metadata.name} was removed again.`)
    const parents = (live?.['status'] as { parents?: Parent[] } | undefined)?.parents ?? []
    const current = parents.map((parent) =>
      (parent.conditions ?? []).filter((one) => (one.observedGeneration ?? 0) >= (live?.metadata.generation ?? 0)),
    )
    const refused = current.flat().find((one) => ['Accepted', 'ResolvedRefs'].includes(one.type) && one.status === 'False')
    // A Service that was made a moment ago may not be known to the gateway yet: that passes.
    if (refused) why = `${refused.reason}: ${refused.message ?? ''}`
    if (refused && refused.reason !== 'BackendNotFound')
      throw new AppError('invalid', `The gateway refuses the route ${route.metadata.name}: ${why}`)
    if (current.length > 0 && current.every((conditions) => isTrue(conditions, 'Accepted') && isTrue(conditions, 'ResolvedRefs'))) return
    await on.cache.changed(place.applicationId, LOOK, on.context.signal)
  }
  throw new AppError(
    'unavailable',
    `The gateway has not taken the route ${route.metadata.name} over within ${ROUTE_LIMIT / 1000} s (${why}): look at it with berth cluster check.`,
  )
}

const isTrue = (conditions: Condition[], type: string): boolean => conditions.some((one) => one.type === type && one.status === 'True')

/** A load balancer of a cloud takes minutes: it is told, and nobody waits for it. */
async function addressed(place: Place, balancer: KubeObject, on: On & { context: ApplyContext }): Promise<void> {
  const until = Date.now() + BALANCER_LIMIT
  const name = balancer.metadata.name
  while (Date.now() < until && !on.context.signal.aborted) {
    const live = await on.client.find<KubeObject>('GET', pathTo(referenceTo(balancer)))
    const [at] =
      (live?.['status'] as { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } } | undefined)?.loadBalancer?.ingress ?? []
    if (at) return on.context.note(`The load balancer ${name} answers at ${at.ip ?? at.hostname}`)
    await on.cache.changed(place.applicationId, LOOK, on.context.signal)
  }
  const events = on.cache.events(referenceTo(balancer), Date.now()).map((event) => event.message)
  on.context.note(
    `The load balancer ${name} has no address yet: the cluster's provider makes one, usually within 15 minutes${events.length > 0 ? ` (it says: ${events.at(-1)})` : ''}. The application runs; its public TCP and UDP ports answer once it is there.`,
  )
}
