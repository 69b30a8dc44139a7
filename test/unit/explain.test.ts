import { describe, expect, test } from 'vitest'
import type { Application } from '../../src/model/application.ts'
import type { Instance, Observation, Waiting } from '../../src/model/observation.ts'
import { explainInstances } from '../../src/status/explain/instances.ts'
import { explainScheduling, obstaclesIn } from '../../src/status/explain/scheduling.ts'
import { scalerOf } from '../../src/engine/kubernetes/scaler.ts'
import type { KubeObject } from '../../src/engine/kubernetes/object.ts'
import { explainScaling } from '../../src/status/explain/scaling.ts'
import { explainWaiting, isOver } from '../../src/status/explain/waiting.ts'
import { statusOf } from '../../src/status/status.ts'
import { verdictOn, type Awaited } from '../../src/status/verdict.ts'

const at = '2026-01-01T00:00:00Z'
const now = Date.parse(at)

/** What Kubernetes 1.35 says, word for word, and what a person is told. */
const told: [string, string, string][] = [
  ['ErrImagePull', 'failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": r/x:1: not found', 'ImageNotFound'],
  ['ImagePullBackOff', 'Back-off pulling image "r/x": ErrImagePull: manifest unknown', 'ImageNotFound'],
  [
    'ErrImagePull',
    'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'ImageAccessDenied',
  ],
  ['ErrImagePull', 'unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized', 'ImageAccessDenied'],
  [
    'ErrImagePull',
    'failed to do request: Head "https://10.0.0.1:42937/v2/a/manifests/sha256:9a429bc401d": dial tcp: connection refused',
    'RegistryUnreachable',
  ],
  ['ErrImagePull', '429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit', 'RegistryLimit'],
  ['ErrImagePull', 'dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host', 'RegistryUnreachable'],
  ['ErrImagePull', 'http: server gave HTTP response to HTTPS client', 'RegistryUnreachable'],
  ['ErrImagePull', 'no match for platform in manifest: not found', 'WrongArchitecture'],
  ['ErrImagePull', 'failed to resolve reference "r/denied-401:1": r/denied-401:1: not found', 'ImageNotFound'],
  ['ErrImagePull', 'failed to resolve reference "ghcr.io/a/b:1": denied: requested access to the resource', 'ImageAccessDenied'],
  ['InvalidImageName', 'couldn\'t parse image name "https://x": invalid reference format', 'ImageNameInvalid'],
  ['CreateContainerConfigError', 'container has runAsNonRoot and image will run as root (pod: "x", container: application)', 'RunsAsRoot'],
  ['CreateContainerConfigError', 'secret "app-env-r1" not found', 'ConfigurationMissing'],
  [
    'StartError',
    'failed to create containerd task: OCI runtime create failed: exec: "/no/such/program": stat /no/such/program: no such file or directory: unknown',
    'CommandNotFound',
  ],
  ['StartError', 'exec: "npm start": executable file not found in $PATH: unknown', 'CommandNotFound'],
  ['StartError', 'exec /app: exec format error', 'WrongArchitecture'],
  ['StartError', 'fork/exec /app: argument list too long', 'VariableTooLong'],
  [
    'FailedCreate',
    'pods "x" is forbidden: exceeded quota: small, requested: requests.cpu=1, used: requests.cpu=1, limited: requests.cpu=1',
    'QuotaExceeded',
  ],
  ['FailedCreate', 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', 'SecurityLevel'],
  [
    'FailedCreate',
    'pods "x" is forbidden: error looking up service account ns/robot: serviceaccount "robot" not found',
    'ServiceAccountMissing',
  ],
  ['FailedCreate', 'admission webhook "policy.example.com" denied the request: no', 'AdmissionDenied'],
  ['ProvisioningFailed', 'storageclass.storage.k8s.io "fast" not found', 'VolumePending'],
  ['NoStorageClass', 'data names no storage class, and the cluster has no default one', 'NoStorageClass'],
  ['FailedMount', 'Multi-Attach error for volume "pvc-1"', 'VolumeNotAttached'],
  [
    'Unschedulable',
    '0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.',
    'NoCpu',
  ],
  ['Evicted', 'Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.', 'Evicted'],
  ['NodeNotReady', 'node-1', 'NodeNotReady'],
]

describe("Kubernetes' words", () => {
  test.each(told)('%s: %s', (reason, message, expected) => {
    const verdict = explainWaiting({ reason, message, since: at }, 'The instance x')
    expect(verdict?.explanation.reason).toBe(expected)
    expect(verdict?.explanation.message).toMatch(/^The instance x: .*\.$/)
    expect(verdict?.explanation.remedy.length).toBeGreaterThan(10)
    expect(verdict?.explanation.evidence[0]).toContain(reason)
  })

  test("of the cluster's own registry name the proxy on the node", () => {
    const message =
      'failed to do request: Head "http://127.0.0.1:24711/v2/a/manifests/sha256:9a": dial tcp 127.0.0.1:24711: connect: connection refused'
    const verdict = explainWaiting({ reason: 'ErrImagePull', message, since: at }, 'x')
    expect(verdict?.explanation.message).toContain('its proxy does not answer there')
    expect(verdict && isOver(verdict, { reason: 'ErrImagePull', message, since: at }, now + 59_000)).toBe(false)
  })

  test('that a registry gives nothing out without credentials are believed once the node has tried a second time', () => {
    const waiting = { reason: 'ErrImagePull', message: 'HEAD https://r/v2/x: 401 Unauthorized', since: at }
    const verdict = explainWaiting(waiting, 'x')
    expect(verdict && isOver(verdict, waiting, now + 12_000)).toBe(false)
    expect(verdict && isOver(verdict, waiting, now + 25_000)).toBe(true)
  })

  test('of a start that just takes its time are no trouble', () => {
    for (const reason of ['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff'])
      expect(explainWaiting({ reason, message: '', since: at }, 'x')).toBeUndefined()
  })

  test.each<[string, string, string]>([
    ['1/4 nodes are available: 1 Insufficient memory, 3 node(s) had untolerated taint {a: b}.', 'NoMemory', '1 of 4'],
    ["0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2", 'NoMatchingNode', '2 of 2'],
    ["0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match Pod's node affinity/selector.", 'TooManyPods', '1 of 3'],
    [
      "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable.",
      'VolumeElsewhere',
      'there is no room',
    ],
    ["0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.", 'TooFewNodes', '2 of 2'],
    ['0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate', 'NoGpu', '1 of 1'],
    ['0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found', 'VolumePending', 'does not exist yet'],
    ["0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).", 'NoZones', '1 of 1'],
    ["0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.", 'ZonesUneven', '2 of 2'],
    ['0/3 nodes are available: 3 Too many pods.', 'TooManyPods', '3 of 3'],
  ])('of the scheduler: %s', (message, reason, cause) => {
    const found = explainScheduling(message)
    expect(found.reason).toBe(reason)
    expect(found.cause).toContain(cause)
    expect(obstaclesIn(message).nodes).toBeGreaterThan(0)
  })
})

const instance = (more: Partial<Instance>): Instance => ({
  name: 'x',
  revision: 2,
  generation: 2,
  index: 0,
  state: 'starting',
  startedAt: at,
  restarts: 0,
  image: 'i',
  address: null,
  lastExit: null,
  probe: null,
  ...more,
})
const awaited: Awaited = { revision: 2, generation: 2, indexes: [0], byItself: true, steadyFor: 0 }
const seen = (instances: Instance[], blocked: Waiting[] = []): Observation => ({ at, instances, evidence: [], blocked })

describe('a rollout', () => {
  test('is ready when its instances are and nothing else runs any more', () => {
    const fresh = instance({ state: 'ready' })
    const old = instance({ name: 'old', revision: 1, generation: 1, state: 'ready' })
    expect(verdictOn(seen([fresh, old]), awaited, now).kind).toBe('waiting')
    expect(verdictOn(seen([fresh, { ...old, state: 'stopping' }]), awaited, now).kind).toBe('ready')
    expect(verdictOn(seen([fresh, old]), { ...awaited, byItself: false }, now).kind).toBe('ready')
    const beside = { ...old, group: 'StatefulSet' }
    expect(verdictOn(seen([{ ...fresh, group: 'Deployment' }, beside]), awaited, now).kind).toBe('ready')
    expect(verdictOn(undefined, awaited, now).kind).toBe('waiting')
  })

  test('fails at once on what cannot heal, and gives the rest its time', () => {
    const waiting = (reason: string, message: string): Observation => seen([instance({ waiting: { reason, message, since: at } })])
    expect(verdictOn(waiting('InvalidImageName', 'x'), awaited, now).kind).toBe('failed')
    expect(verdictOn(waiting('ErrImagePull', 'not found'), awaited, now).kind).toBe('waiting')
    expect(verdictOn(waiting('ErrImagePull', 'not found'), awaited, now + 5000).kind).toBe('failed')
    expect(verdictOn(waiting('ErrImagePull', '429 toomanyrequests'), awaited, now + 900_000).kind).toBe('waiting')
    expect(verdictOn(seen([], [{ reason: 'FailedCreate', message: 'exceeded quota: q', since: at }]), awaited, now).kind).toBe('failed')
  })

  test('that is over is over for as long as its words say', () => {
    const verdict = explainWaiting({ reason: 'Unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.', since: at }, 'x')
    expect(verdict && isOver(verdict, { reason: '', message: '', since: at }, now + 19_000)).toBe(false)
    expect(verdict && isOver(verdict, { reason: '', message: '', since: at }, now + 20_000)).toBe(true)
  })

  test('of which an instance is stopping is not sick', () => {
    const exit = { code: 0, outOfMemory: false, signal: null, at, startedAt: at, byHand: false, liveness: null }
    expect(explainInstances(seen([instance({ state: 'ready' }), instance({ name: 'old', state: 'stopping', lastExit: exit })]))).toBeNull()
  })
})

describe('an autoscaler', () => {
  const autoscaler = (...conditions: object[]): KubeObject => ({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'x' },
    spec: { maxReplicas: 4 },
    status: { conditions },
  })
  const told = (...conditions: object[]) => {
    const scaler = scalerOf([autoscaler(...conditions)])
    return scaler && explainScaling(scaler)
  }
  const blind = { type: 'ScalingActive', status: 'False', reason: 'FailedGetResourceMetric', message: 'no metrics returned' }

  test('that does not know what instances use says so, with who would tell it', () => {
    expect(told(blind)).toMatchObject({
      status: false,
      reason: 'NoMetrics',
      message: expect.stringMatching(/no metrics returned.*metrics-server/) as string,
    })
  })

  test('at its maximum says how many that are', () => {
    const limited = (reason: string) => ({ type: 'ScalingLimited', status: 'True', reason })
    expect(told(limited('TooManyReplicas'))).toMatchObject({
      status: false,
      reason: 'AtMaximum',
      message: expect.stringContaining('4') as string,
    })
    expect(told(limited('TooFewReplicas'))).toMatchObject({ status: true })
  })

  test('of a stopped application, or that has said nothing yet, is no trouble', () => {
    expect(told({ ...blind, reason: 'ScalingDisabled' })).toMatchObject({ status: true })
    expect(scalerOf([])).toBeNull()
  })
})

describe('what made an instance start again', () => {
  const application = {
    presence: 'running',
    servingGeneration: 2,
    servingReleaseId: 'r',
    spec: { scaling: { kind: 'fixed', instances: 1 } },
    changedAt: new Date(now),
  } as Application
  const stable = (observation: Observation, releasedAt: string, later = 0) =>
    statusOf({ application, last: undefined, observation, releasedAt: new Date(releasedAt), now: now + later }).conditions.find(
      (one) => one.type === 'Stable',
    )

  test('is known after it runs again: a restart by its instance, an eviction until the next release', () => {
    const evicted = { at, kind: 'Evicted', instance: 'old', message: 'Evicted: Pod ephemeral local storage usage exceeds the limit.' }
    const replaced = { ...seen([instance({ state: 'ready' })]), evidence: [evicted] }
    expect(stable(replaced, '2025-12-31T00:00:00Z')).toMatchObject({
      status: false,
      reason: 'Evicted',
      message: expect.stringMatching(/^The instance old: .*ephemeral local storage/) as string,
    })
    expect(stable(replaced, '2026-01-02T00:00:00Z')).toMatchObject({ status: true })
    const lastExit = { code: 137, outOfMemory: true, signal: 'SIGKILL', at, startedAt: at, byHand: false, liveness: null }
    expect(stable(seen([instance({ state: 'ready', restarts: 1, lastExit })]), at)).toMatchObject({ status: false, reason: 'OutOfMemory' })
    expect(stable(seen([instance({ state: 'ready' })]), at)).toMatchObject({ status: true, reason: 'NoRestarts' })
  })

  test.each([
    ['PreemptionByScheduler', 'Preempted'],
    ['EvictionByEvictionAPI', 'Drained'],
    ['DeletionByTaintManager', 'NodeLeft'],
    ['DeletionByPodGC', 'NodeLeft'],
  ])('that is not its fault is told for an hour: %s', (kind, reason) => {
    const taken = { at, kind, instance: 'old', message: `${kind}: in the words of Kubernetes` }
    const replaced = { ...seen([instance({ state: 'ready' })]), evidence: [taken] }
    expect(stable(replaced, at, 60_000)).toMatchObject({
      status: false,
      reason,
      message: expect.stringMatching(/^The instance old: /) as string,
    })
    expect(stable(replaced, at, 3_600_000)).toMatchObject({ status: true })
  })
})
