import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ctr, digestOf, kubectl, kubectlApply, registryName } from '../harness/cluster.ts'
import { createRegistry, deployCluster } from '../harness/deploy.ts'
import { startRegistry } from '../harness/registry.ts'
import { until, type Place, type TestServer } from '../harness/server.ts'
import { Trials, pushOwnImage, type App } from '../harness/trials.ts'

let trials: Trials
let server: TestServer
let place: Place
let steady: App

/** Whether the cluster refuses a pod without a team by now: rules take a moment to be known to the API server. */
function refuses(where: string): boolean {
  try {
    kubectl('run', 'probe', '--image=none', '--namespace', where, '--dry-run=server')
    return false
  } catch (error) {
    return String(error).includes('every pod needs a team')
  }
}

beforeAll(async () => {
  trials = await Trials.begin()
  ;({ server, place } = trials)
  steady = await trials.create('steady')
  expect(await trials.deploy(steady)).toBe('DEPLOYED')
})
afterAll(() => trials.end())

describe.concurrent('what Kubernetes says becomes cause, evidence and remedy', () => {
  test('a crash loop, after three exits', async () => {
    const told = await trials.failing('crash', { arguments: ['-e', 'print "boom\n"; exit 7'] })
    expect(told.explanation).toMatchObject({ reason: 'CrashLoop', message: expect.stringContaining('exit code 7') as string })
    expect(told.explanation?.evidence).toContain('Log: boom')
  })

  test('too little memory', async () => {
    const told = await trials.failing('hungry', { cpu: 500, memory: 32, arguments: ['-e', 'my @a; push @a, "x" x 1000000 while 1'] })
    expect(told.explanation?.reason).toBe('OutOfMemory')
  })

  test('an image that was removed from its registry', async () => {
    const app = await trials.create('gone')
    await server.client
      .put(`/container/${app.id}`, { ...(await server.client.get<object>(`/container/${app.id}`)), tag: 'never' })
      .catch(() => undefined)
    expect(await trials.deploy(app)).toBe('BUILD_ERROR')
    expect((await trials.explain(app)).explanation?.message).toContain('has no image library/debian with the tag never')
    await trials.remove(app)
  })

  test('a registry that Berth reaches and the nodes do not', async () => {
    const address = registryName.split(':')[0] ?? ''
    const other = await startRegistry(address)
    try {
      const name = `${address}:${other.port}`
      pushOwnImage('far', name)
      const id = await createRegistry(server.client, place.organizationId, name)
      const told = await trials.failing('far', { registry_id: id, image_name: 'test/far', tag: '1' })
      expect(told.explanation?.reason).toBe('RegistryUnreachable')
      expect(told.explanation?.evidence.join('\n')).toContain('HTTP response to HTTPS')
    } finally {
      other.stop()
    }
  })

  test('an image that its registry does not have any more when a node needs it', async () => {
    pushOwnImage('vanished', registryName)
    const app = await trials.create('vanished', { image_name: 'test/vanished', tag: '1' })
    expect(await trials.deploy(app)).toBe('DEPLOYED')
    const repository = `${registryName}/test/vanished`
    const digest = await digestOf({ repository, tag: '1' })
    await fetch(`http://${registryName}/v2/test/vanished/manifests/${digest}`, { method: 'DELETE' })
    const pod = kubectl('get', 'pods', '--namespace', trials.namespace(app), '--selector', `berth/application=${app.id}`, '--output=name')
    for (const one of ctr('images', 'ls', '-q')
      .split('\n')
      .filter((name) => name.startsWith(repository)))
      ctr('images', 'rm', '--sync', one)
    kubectl('delete', pod, '--namespace', trials.namespace(app), '--wait=false')
    await until('it to be told', 60, async () => (await trials.explain(app)).explanation?.reason === 'ImageNotFound')
    expect((await trials.explain(app)).explanation?.message).toContain('does not exist in its registry')
    await trials.remove(app)
  })

  test('too many temporary files: it is evicted, and people know after it was replaced', async () => {
    const app = await trials.create('files', {
      cpu: 300,
      ephemeral_storage_in_gib: 1,
      arguments: ['-e', 'sleep 5; open my $f, ">", "/tmp/x"; print $f "x" x 1048576 for 1..1300; close $f; sleep 1 while 1'],
    })
    expect(await trials.deploy(app)).toBe('DEPLOYED')
    const stable = async () => (await trials.explain(app)).conditions.find((one) => one.type === 'Stable')
    await until('it to be told', 120, async () => (await stable())?.status === false)
    expect(await stable()).toMatchObject({ reason: 'Evicted', message: expect.stringContaining('ephemeral local storage') as string })
    await until('it to run again', 60, async () => (await trials.explain(app)).health === 'running')
    expect(await stable()).toMatchObject({ reason: 'Evicted' })
    await trials.remove(app)
  })

  test('a readiness probe that nobody answers, with what it found', async () => {
    const probe = {
      type: { tcp: { port: 8080 } },
      initial_delay_seconds: 0,
      period_seconds: 1,
      timeout_seconds: 1,
      success_threshold: 1,
      failure_threshold: 1,
    }
    const told = await trials.failing('deaf', {
      ports: [{ internal_port: 8080, publicly_accessible: false, protocol: 'TCP' }],
      healthchecks: { readiness_probe: probe },
    })
    expect(told.explanation).toMatchObject({
      reason: 'NotReady',
      message: expect.stringMatching(/Not ready within \d+ s.*nothing listens on port 8080/) as string,
    })
  })

  test('no node with the labels', async () => {
    const told = await trials.failing('labels', {}, { 'deployment.affinity.node.required': { 'example.com/disk': 'ssd' } })
    expect(told.explanation).toMatchObject({ reason: 'NoMatchingNode', message: expect.stringContaining('1 of 1 nodes') as string })
  })

  test.each([
    ['CPU', { cpu: 64_000 }, 'NoCpu'],
    ['memory', { memory: 1_000_000 }, 'NoMemory'],
    ['temporary storage', { ephemeral_storage_in_gib: 50_000 }, 'NoDisk'],
  ])('no node with the %s', async (what, more, reason) => {
    expect((await trials.failing(what.toLowerCase().replace(' ', '-'), more)).explanation?.reason).toBe(reason)
  })

  test('no GPU, before anything is tried', async () => {
    await expect(trials.create('gpu', { gpu: 1 })).rejects.toThrow(/No node of this cluster has GPUs/)
  })

  test('a service account that does not exist, before anything is changed', async () => {
    const told = await trials.failing('account', {}, { 'security.service_account_name': 'robot' })
    expect(told.explanation?.message).toContain('robot does not exist in the namespace')
  })
})

describe('what cannot heal', () => {
  test('ends at once: a program that is not there, by its name', async () => {
    const told = await trials.failing('nothing', { entrypoint: '/no/such/program', arguments: [] })
    expect(told.explanation).toMatchObject({ reason: 'CommandNotFound', message: expect.stringContaining('/no/such/program') as string })
    expect(told.seconds).toBeLessThan(20)
  })
})

describe('what the cluster itself forbids or lacks', () => {
  test('a rule of the cluster that refuses it, at once and in its words', async () => {
    const match = { matchLabels: { 'berth/cluster': place.clusterId } }
    const policy = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: 'berth-test-team' } }
    const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }]
    const validations = [{ expression: 'has(object.metadata.labels.team)', message: 'every pod needs a team' }]
    kubectlApply(
      { ...policy, kind: 'ValidatingAdmissionPolicy', spec: { matchConstraints: { resourceRules }, validations } },
      {
        ...policy,
        kind: 'ValidatingAdmissionPolicyBinding',
        spec: { policyName: 'berth-test-team', validationActions: ['Deny'], matchResources: { namespaceSelector: match } },
      },
    )
    try {
      await until('the rule to hold', 30, () => Promise.resolve(refuses(trials.namespace(steady))))
      const told = await trials.failing('denied', {})
      expect(told.explanation).toMatchObject({
        reason: 'AdmissionDenied',
        message: expect.stringContaining('every pod needs a team') as string,
      })
      expect(told.seconds).toBeLessThan(20)
    } finally {
      kubectl('delete', 'validatingadmissionpolicybinding/berth-test-team', 'validatingadmissionpolicy/berth-test-team')
      await until('the rule to be gone', 30, () => Promise.resolve(!refuses(trials.namespace(steady))))
    }
  })

  test('a quota, at once; the one that Berth gives every environment holds as soon as the cluster is deployed', async () => {
    const base = `/organization/${place.organizationId}/cluster/${place.clusterId}`
    const limit = async (environment_quota: object | null): Promise<void> => {
      await server.client.put(base, { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', environment_quota })
      await deployCluster(server.client, place)
    }
    await limit({ cpu: 100 })
    const told = await trials.failing('quota', { cpu: 200 })
    expect(told.explanation).toMatchObject({ reason: 'QuotaExceeded', message: expect.stringContaining('requests.cpu') as string })
    expect(told.seconds).toBeLessThan(20)
    await limit(null)
    expect(kubectl('get', 'resourcequotas', '--namespace', trials.namespace(steady), '--output=name')).toBe('')
  })

  test('a limit of its namespace, in its words', async () => {
    const app = await trials.create('limited')
    expect(await trials.deploy(app)).toBe('DEPLOYED')
    const metadata = { name: 'small', namespace: trials.namespace(app) }
    kubectlApply({ apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits: [{ type: 'Container', max: { memory: '80Mi' } }] } })
    const path = `/container/${app.id}`
    await server.client.put(path, { ...(await server.client.get<object>(path)), memory: 128 })
    expect(await trials.deploy(app)).toBe('DEPLOYMENT_ERROR')
    expect(await trials.explain(app)).toMatchObject({
      health: 'running',
      explanation: { reason: 'AdmissionDenied', message: expect.stringContaining('maximum memory usage per Container is 80Mi') as string },
    })
    await trials.remove(app)
  })

  test('a volume of which nobody makes the class', async () => {
    const base = `/organization/${place.organizationId}/cluster/${place.clusterId}`
    const cluster = await server.client.get<{ results: { id: string; name: string }[] }>(`/organization/${place.organizationId}/cluster`)
    const name = cluster.results.find((one) => one.id === place.clusterId)?.name
    const put = (storage_class: string) =>
      server.client.put(base, { name, region: 'on-premise', cloud_provider: 'ON_PREMISE', storage_class })
    await put('nowhere')
    const told = await trials.failing('volume', { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data' }] })
    await put('')
    expect(told.explanation?.reason).toBe('VolumePending')
  })

  test('and what served all the while still does', async () => {
    expect(await trials.explain(steady)).toMatchObject({ health: 'running', explanation: null })
  })
})
