import type { Evidence, Instance, Observation, Waiting } from '../../model/observation.ts'
import { shortened } from '../../model/text.ts'
import { timeOf, type KubeEvent } from './cache.ts'
import { exitOf, isStartFailure, type Terminated } from './exits.ts'
import { labels, rolloutIn } from './label.ts'
import type { Condition, KubeObject } from './object.ts'
import { probeIn } from './probes.ts'
import { CONTAINER } from './render/name.ts'
import { scalerOf } from './scaler.ts'

type State = { waiting?: { reason?: string; message?: string }; running?: { startedAt?: string }; terminated?: Terminated }
type ContainerStatus = { name: string; ready: boolean; restartCount: number; image: string; state: State; lastState: State }
type Pod = KubeObject & {
  spec: { nodeName?: string; containers: { name: string; image: string }[] }
  status: {
    phase: string
    reason?: string
    message?: string
    podIP?: string
    conditions?: Condition[]
    containerStatuses?: ContainerStatus[]
  }
}

/** Everything that was seen of one application. `eventsOf`: the recent warnings about an object. */
export type Seen = { objects: KubeObject[]; eventsOf: (object: KubeObject) => KubeEvent[]; previous: Observation | undefined; now: number }

/** Facts kept per application to explain with. */
const EVIDENCE_LIMIT = 30

/** What Kubernetes says of an application, as neutral instances. Pure: the same objects, the same observation. */
export function observeApplication(seen: Seen): Observation {
  const pods = seen.objects.filter((one) => one.kind === 'Pod') as Pod[]
  const live = pods.filter((pod) => !isLeftover(pod, pods))
  const instances = numbered(live).map(({ pod, index }) => observePod(pod, index, seen))
  return {
    at: new Date(seen.now).toISOString(),
    instances: instances.sort((a, b) => a.generation - b.generation || a.index - b.index),
    evidence: evidenceOf(pods, instances, seen),
    blocked: blockedIn(seen),
    scaler: scalerOf(seen.objects),
  }
}

/** A pod that ended for good (evicted, say) and was replaced. */
const isLeftover = (pod: Pod, all: Pod[]): boolean =>
  ended(pod) &&
  all.some(
    (other) => other !== pod && !ended(other) && other.metadata.labels?.[labels.generation] === pod.metadata.labels?.[labels.generation],
  )
const ended = (pod: Pod): boolean => pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded'

/** Pods of a StatefulSet have numbers; those of a Deployment get theirs by age, those that are stopping last. */
function numbered(pods: Pod[]): { pod: Pod; index: number }[] {
  const rank = (pod: Pod): string =>
    `${pod.metadata.deletionTimestamp ? 1 : 0} ${pod.metadata.creationTimestamp ?? ''} ${pod.metadata.name}`
  const sorted = [...pods].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const counts = new Map<string, number>()
  return sorted.map((pod) => {
    const { revision, generation } = rolloutIn(pod.metadata.labels)
    const ordinal = pod.metadata.labels?.['apps.kubernetes.io/pod-index']
    if (ordinal !== undefined) return { pod, index: Number(ordinal) }
    const key = `${revision}/${generation}`
    const index = counts.get(key) ?? 0
    counts.set(key, index + 1)
    return { pod, index }
  })
}

function observePod(pod: Pod, index: number, seen: Seen): Instance {
  const { name } = pod.metadata
  const previous = seen.previous?.instances.find((one) => one.name === name)
  const status = pod.status.containerStatuses?.find((one) => one.name === CONTAINER)
  const events = seen.eventsOf(pod)
  const startedAt = status?.state.running?.startedAt ?? null
  const state = stateOf(pod, status, previous)
  return {
    name,
    ...rolloutIn(pod.metadata.labels),
    group: pod.metadata.labels?.[labels.workload] ?? '',
    index,
    state,
    startedAt,
    restarts: status?.restartCount ?? 0,
    image: pod.spec.containers.find((one) => one.name === CONTAINER)?.image ?? '',
    address: pod.status.podIP ?? null,
    lastExit: exitOf(status?.state.terminated ?? status?.lastState.terminated, events),
    probe: state === 'ready' ? null : probeIn(events, startedAt),
    waiting: state === 'ready' || state === 'stopping' ? null : waitingOf(pod, status, { events, previous, seen }),
  }
}

function stateOf(pod: Pod, status: ContainerStatus | undefined, previous: Instance | undefined): Instance['state'] {
  if (pod.metadata.deletionTimestamp) return 'stopping'
  if (ended(pod) || status?.state.terminated || status?.state.waiting?.reason === 'CrashLoopBackOff') return 'exited'
  if (!status?.state.running) return 'starting'
  if (conditionOf(pod, 'Ready')?.status === 'True') return 'ready'
  return status.restartCount > 0 || previous?.state === 'ready' || previous?.state === 'unready' ? 'unready' : 'starting'
}

const conditionOf = (pod: Pod, type: string): Condition | undefined => pod.status.conditions?.find((one) => one.type === type)

/** What keeps a pod from running, in Kubernetes' words; `since` goes on while it is the same kind of trouble. */
function waitingOf(
  pod: Pod,
  status: ContainerStatus | undefined,
  of: { events: KubeEvent[]; previous: Instance | undefined; seen: Seen },
): Waiting | null {
  const found = troubleOf(pod, status, of)
  if (!found) return null
  const before = of.previous?.waiting
  const same = before && (before.reason === found.reason || (/Image/.test(before.reason) && /Image/.test(found.reason)))
  return { ...found, since: same ? before.since : (found.since ?? new Date(of.seen.now).toISOString()) }
}

type Trouble = { reason: string; message: string; since?: string | undefined }

function troubleOf(pod: Pod, status: ContainerStatus | undefined, { events, seen }: { events: KubeEvent[]; seen: Seen }): Trouble | null {
  if (pod.status.reason === 'Evicted') return { reason: 'Evicted', message: pod.status.message ?? '' }
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (scheduled?.status === 'False')
    return (
      volumeTrouble(seen) ?? {
        reason: scheduled.reason ?? 'Unschedulable',
        message: scheduled.message ?? '',
        since: scheduled.lastTransitionTime,
      }
    )
  const last = [status?.state.terminated, status?.lastState.terminated].find((one) => one && isStartFailure(one))
  if (last) return { reason: last.reason ?? 'StartError', message: last.message ?? '' }
  const waiting = status?.state.waiting
  if (waiting?.reason && !['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff'].includes(waiting.reason))
    return { reason: waiting.reason, message: waiting.message ?? '' }
  const lost = events.findLast((event) => event.reason === 'NodeNotReady')
  if (lost && conditionOf(pod, 'Ready')?.status !== 'True') return { reason: 'NodeNotReady', message: pod.spec.nodeName ?? lost.message }
  const hook = events.findLast((event) => event.reason === 'FailedPostStartHook')
  if (waiting?.reason === 'CrashLoopBackOff' && hook) return { reason: 'PostStartHookError', message: hook.message }
  if (waiting?.reason === 'CrashLoopBackOff' || status?.state.running) return null
  const mount = events.findLast((event) => event.reason === 'FailedMount' || event.reason === 'FailedAttachVolume')
  return mount ? { reason: mount.reason, message: mount.message } : null
}

/** Why a claim stays without volume; that it waits for its first user is no trouble. */
function volumeTrouble(seen: Seen): Trouble | null {
  for (const claim of seen.objects.filter((one) => one.kind === 'PersistentVolumeClaim')) {
    if ((claim['status'] as { phase?: string } | undefined)?.phase === 'Bound') continue
    // The API server fills in the default class; Kubernetes says no more than an event that is no warning.
    if ((claim['spec'] as { storageClassName?: string }).storageClassName === undefined)
      return { reason: 'NoStorageClass', message: `${claim.metadata.name} names no storage class, and the cluster has no default one` }
    const event = seen.eventsOf(claim).findLast((one) => one.reason === 'ProvisioningFailed')
    if (event) return { reason: event.reason, message: event.message }
  }
  return null
}

/** What keeps pods from being made at all: the newest template's failure. A StatefulSet says it only in events. */
function blockedIn(seen: Seen): Waiting[] {
  const sets = seen.objects.filter((one) => one.kind === 'ReplicaSet' && ((one['spec'] as { replicas?: number }).replicas ?? 0) > 0)
  const failed = sets.flatMap((set) => {
    const condition = ((set['status'] as { conditions?: Condition[] }).conditions ?? []).find(
      (one) => one.type === 'ReplicaFailure' && one.status === 'True',
    )
    return condition
      ? [
          {
            reason: 'FailedCreate',
            message: condition.message ?? '',
            since: condition.lastTransitionTime ?? new Date(seen.now).toISOString(),
          },
        ]
      : []
  })
  const stateful = seen.objects
    .filter((one) => one.kind === 'StatefulSet' && isShort(one))
    .flatMap((one) =>
      seen
        .eventsOf(one)
        .filter((event) => event.reason === 'FailedCreate')
        .slice(-1),
    )
    .map((event) => ({
      reason: 'FailedCreate',
      message: event.message,
      since: event.firstTimestamp ?? event.metadata.creationTimestamp ?? new Date(seen.now).toISOString(),
    }))
  return [...failed, ...stateful]
}

function isShort(set: KubeObject): boolean {
  const [wanted, status] = [set['spec'] as { replicas?: number }, set['status'] as { replicas?: number } | undefined]
  return (status?.replicas ?? 0) < (wanted.replicas ?? 1)
}

/** Why Kubernetes takes a pod away that could have stayed: it says so in its status only, until it is gone. */
function disruptionOf(pod: Pod): Evidence[] {
  const told = conditionOf(pod, 'DisruptionTarget')
  if (told?.status !== 'True' || !told.reason) return []
  const at = new Date(told.lastTransitionTime ?? pod.metadata.deletionTimestamp ?? 0).toISOString()
  const message = `${told.reason}: ${shortened(told.message ?? '', 500)}`
  return [{ at, kind: told.reason, instance: pod.metadata.name, message }]
}

/** Warnings, disruptions and exits, oldest first. Those of a pod that is gone stay until there are newer ones. */
function evidenceOf(pods: Pod[], instances: Instance[], seen: Seen): Evidence[] {
  const warnings = pods.flatMap((pod) =>
    seen.eventsOf(pod).map((event) => ({
      at: new Date(timeOf(event)).toISOString(),
      kind: event.reason,
      instance: pod.metadata.name,
      message: `${event.reason}: ${shortened(event.message, 500)}`,
    })),
  )
  const exits = instances.flatMap(({ name, lastExit }) =>
    lastExit
      ? [
          {
            at: lastExit.at,
            kind: lastExit.outOfMemory ? 'oom' : 'exit',
            instance: name,
            message: `${name} ended with exit code ${lastExit.code}${lastExit.byHand ? ' after a signal from outside Berth' : ''}`,
          },
        ]
      : [],
  )
  const known = [...(seen.previous?.evidence ?? []), ...warnings, ...pods.flatMap(disruptionOf), ...exits]
  const unique = new Map(known.map((one) => [`${one.instance}/${one.message}`, one]))
  return [...unique.values()].sort((a, b) => a.at.localeCompare(b.at)).slice(-EVIDENCE_LIMIT)
}
