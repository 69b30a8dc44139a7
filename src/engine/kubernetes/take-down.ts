import { AppError } from '../../model/error.ts'
import type { Place, Target } from '../../model/workload.ts'
import type { ApplyContext } from '../port.ts'
import type { Objects } from './apply.ts'
import type { Cache } from './cache.ts'
import type { KubeClient } from './client.ts'
import { markOf, nameOf, ROUTE_MARK, type Entry, type Inventory } from './inventory.ts'
import { labels, rolloutIn } from './label.ts'
import { lastLines } from './logs.ts'
import { pathTo, referenceTo, type KubeObject, type Reference } from './object.ts'
import { claimsOf } from './stateful.ts'

/** Milliseconds beyond its grace period after which a pod or object that is still there counts as stuck, and between two looks. */
const STUCK = 45_000
const LOOK = 500

export type On = { client: KubeClient; objects: Objects; inventory: Inventory; cache: Cache; context: ApplyContext }

/** Removes what belongs to other rollouts than the one that is kept. With nothing to keep, waits until the last instance is gone. */
export async function retire(place: Place, keep: Target[], on: On): Promise<void> {
  const [kept] = keep
  await keepLines(place, kept, on)
  const entries = await on.inventory.of(place.applicationId)
  const stays = (entry: Entry): boolean => entry.mark === ROUTE_MARK || (kept ? entry.mark === markOf(kept) : entry.kind === 'Service')
  for (const entry of inOrder(entries.filter((one) => !stays(one)))) await removeOne(place, entry, on)
  if (!kept) await noPods(place, on)
}

/** Before a count is written that an autoscaler would write over. Until then it holds as it is. */
export async function removeAutoscaler(place: Place, on: On): Promise<void> {
  for (const entry of await on.inventory.of(place.applicationId))
    if (entry.kind === 'HorizontalPodAutoscaler') {
      await removeOne(place, entry, on)
      await gone(place, entry, on)
    }
}

/** Everything of an application, its volumes too. */
export async function removeAll(place: Place, on: On): Promise<void> {
  await keepLines(place, undefined, on)
  const entries = inOrder(await on.inventory.of(place.applicationId))
  for (const entry of entries) await removeOne(place, entry, on)
  await noPods(place, on)
  const claims = (await claimsOf(on.client, place)).map((claim) => ({ ...referenceTo(claim), uid: claim.metadata.uid ?? null }))
  for (const claim of claims) await on.objects.remove(claim, claim.uid)
  for (const one of [...entries, ...claims]) await gone(place, one, on)
}

/** Routes first, so that nothing is sent to what ends; variables last, since instances that end may still be started again. */
function inOrder(entries: Entry[]): Entry[] {
  const order = [
    'HTTPRoute',
    'GRPCRoute',
    'HorizontalPodAutoscaler',
    'Deployment',
    'StatefulSet',
    'PodDisruptionBudget',
    'NetworkPolicy',
    'Service',
    'Secret',
  ]
  return [...entries].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

async function removeOne(place: Place, entry: Entry, on: On): Promise<void> {
  on.context.signal.throwIfAborted()
  const removed = await on.objects.remove(entry, entry.uid)
  if (removed && (entry.kind === 'Deployment' || entry.kind === 'StatefulSet'))
    on.context.note(`Stopping the instances of ${entry.kind} ${entry.name}`)
  await on.inventory.forget(place.applicationId, [entry])
}

/** The last lines of instances that go; those of one that ended before are told with its exit. */
async function keepLines(place: Place, kept: Target | undefined, on: On): Promise<void> {
  const going = on.cache.of(place.applicationId, 'Pod').filter((pod) => !kept || markOf(rolloutIn(pod.metadata.labels)) !== markOf(kept))
  await Promise.all(
    going.map(async (pod) => {
      const lines = await lastLines(on.client, pod).catch(() => '')
      await on.context.keep({ instance: pod.metadata.name, lines, exit: null })
    }),
  )
}

/** Waits until no instance is left; names the one that does not go, and why. */
async function noPods(place: Place, on: On): Promise<void> {
  const podsNow = (): KubeObject[] => on.cache.of(place.applicationId, 'Pod')
  const grace = Math.max(
    0,
    ...podsNow().map((pod) => (pod['spec'] as { terminationGracePeriodSeconds?: number }).terminationGracePeriodSeconds ?? 30),
  )
  const until = Date.now() + grace * 1000 + STUCK
  while (podsNow().length > 0) {
    on.context.signal.throwIfAborted()
    const [left] = podsNow()
    if (Date.now() > until && left) throw stuck({ kind: 'Pod', namespace: left.metadata.namespace ?? '', name: left.metadata.name }, left)
    await on.cache.changed(place.applicationId, LOOK, on.context.signal)
  }
}

/** Waits until an object that was removed is really gone. */
async function gone(place: Place, reference: Reference & { uid: string | null }, on: On): Promise<void> {
  const until = Date.now() + STUCK
  for (;;) {
    const live = await on.client.find<KubeObject>('GET', pathTo(reference))
    if (
      !live ||
      (reference.uid !== null && live.metadata.uid !== reference.uid) ||
      live.metadata.labels?.[labels.application] !== place.applicationId
    )
      return
    on.context.signal.throwIfAborted()
    if (Date.now() > until) throw stuck(reference, live)
    await on.cache.changed(place.applicationId, LOOK, on.context.signal)
  }
}

function stuck(reference: Reference, live: KubeObject): AppError {
  const finalizers = live.metadata.finalizers ?? []
  return new AppError(
    'unavailable',
    finalizers.length > 0
      ? `${nameOf(reference)} is being removed, but ${finalizers.join(', ')} (a finalizer) holds it: what set it does not run any more. Start that again, or take the finalizer off with kubectl edit -n ${reference.namespace} ${reference.kind.toLowerCase()} ${reference.name}.`
      : `${nameOf(reference)} is being removed, but it is still there: its node may not answer. Look at it with kubectl describe -n ${reference.namespace} ${reference.kind.toLowerCase()} ${reference.name}.`,
  )
}
