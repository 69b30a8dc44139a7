import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ctr, kubectl, registryName } from '../harness/cluster.ts'
import { createRegistry, deploymentLog } from '../harness/deploy.ts'
import { pushImage } from '../harness/image.ts'
import { startRegistry } from '../harness/registry.ts'
import { until, workFolder } from '../harness/server.ts'
import { Trials, pushOwnImage } from '../harness/trials.ts'

let trials: Trials
beforeAll(async () => (trials = await Trials.begin()))
afterAll(() => trials.end())

const probe = (type: object, more: Record<string, number> = {}) => ({
  type,
  initial_delay_seconds: 0,
  period_seconds: 1,
  timeout_seconds: 1,
  success_threshold: 1,
  failure_threshold: 1,
  ...more,
})
const http = { http: { path: '/', scheme: 'HTTP', port: 8080 } }
/** Answers every request with `answer`, after so many seconds. */
const server = (answer: string, seconds: number): string[] => [
  '-e',
  `use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1); while (my $c = $l->accept) { <$c>; sleep ${seconds}; print $c "HTTP/1.0 ${answer}\\r\\n\\r\\n"; close $c }`,
]
const ports = [{ internal_port: 8080, publicly_accessible: false, protocol: 'HTTP' }]

describe.concurrent('an application that does not start', () => {
  test.each<[what: string, name: string, more: Record<string, unknown>, reason: string, message: RegExp]>([
    [
      'words that were meant as a program and its arguments',
      'words',
      { entrypoint: 'npm start' },
      'CommandNotFound',
      /npm start: executable file not found/,
    ],
    [
      'a file that is not executable',
      'not-executable',
      { entrypoint: '/etc/os-release' },
      'CommandNotFound',
      /os-release: permission denied/,
    ],
    [
      'a program that ends well instead of running on',
      'ends',
      { arguments: ['-e', 'exit 0'] },
      'Ended',
      /ended by itself without an error/,
    ],
    [
      'a readiness probe that is answered with 404',
      'not-found',
      { ports, arguments: server('404 Not Found', 0), healthchecks: { readiness_probe: probe(http) } },
      'NotReady',
      /answered 404/,
    ],
    [
      'a readiness probe that is answered too late',
      'slow',
      { ports, arguments: server('200 OK', 3), healthchecks: { readiness_probe: probe(http) } },
      'NotReady',
      /took longer than it may/,
    ],
    [
      'a liveness probe that gives up on it before it is ready',
      'unlively',
      { ports, healthchecks: { readiness_probe: probe(http), liveness_probe: probe({ tcp: { port: 8080 } }, { failure_threshold: 2 }) } },
      'LivenessFailed',
      /its liveness probe failed: nothing listens on port 8080/,
    ],
  ])('because of %s', async (_what, name, more, reason, message) => {
    const { explanation } = await trials.failing(name, more)
    expect(explanation).toMatchObject({ reason, message: expect.stringMatching(message) as string })
  })

  test('because its program was made for other processors', async () => {
    pushOwnImage('foreign', registryName)
    const { explanation } = await trials.failing('foreign', { image_name: 'test/foreign', tag: '1', entrypoint: '/name', arguments: [] })
    expect(explanation).toMatchObject({ reason: 'WrongArchitecture', remedy: expect.stringContaining('other processors') as string })
  })

  test('because it writes to its image, which its settings forbid', async () => {
    const writing = { arguments: ['-e', 'open my $f, ">", "/written" or die "cannot write: $!\n"; sleep 100'] }
    const { explanation } = await trials.failing('writing', writing, { 'security.read_only_root_filesystem': true })
    expect(explanation?.evidence.join()).toContain('Log: cannot write: Read-only file system')
    expect(explanation?.remedy).toContain('security.read_only_root_filesystem')
  })

  test('because it listens on a port that takes root, and is not root', async () => {
    const folder = workFolder('rootless')
    writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nUSER 1000\n')
    pushImage(folder, { registry: registryName, name: 'test/rootless', tag: '1' })
    const listening = 'use IO::Socket::INET; IO::Socket::INET->new(LocalPort => 80, Listen => 1) or die "cannot bind: $!\\n"; sleep 100'
    const { explanation } = await trials.failing('port', { image_name: 'test/rootless', tag: '1', cpu: 300, arguments: ['-e', listening] })
    expect(explanation?.evidence.join()).toContain('Log: cannot bind: Permission denied')
    expect(explanation?.remedy).toContain('below 1024')
  })

  test('because a variable of its is longer than the kernel takes', async () => {
    const app = await trials.create('wordy')
    await trials.server.client.post(`/container/${app.id}/environmentVariable`, { key: 'LONG', value: '€'.repeat(60_000) })
    expect(await trials.deploy(app)).toBe('DEPLOYMENT_ERROR')
    expect((await trials.explain(app)).explanation?.reason).toBe('VariableTooLong')
    await trials.remove(app)
  })

  test('because its instances must be spread over zones and no node says its zone', async () => {
    const { explanation } = await trials.failing('zones', {}, { 'deployment.topology_spread.zone': 'DoNotSchedule' })
    expect(explanation).toMatchObject({ reason: 'NoZones', message: expect.stringContaining('1 of 1 nodes') as string })
  })

  test('because its post-start command fails', async () => {
    const { explanation } = await trials.failing('hook', {}, { 'deployment.lifecycle.post_start_exec_command': ['perl', '-e', 'exit 3'] })
    expect(explanation).toMatchObject({ reason: 'HookFailed', message: expect.stringContaining('post-start command failed') as string })
  })

  test('because its instances must be apart and there is one node', async () => {
    const two = { min_running_instances: 2, max_running_instances: 2 }
    const { explanation } = await trials.failing('apart', two, { 'deployment.antiaffinity.pod': 'Required' })
    expect(explanation).toMatchObject({ reason: 'TooFewNodes', message: expect.stringContaining('1 of 1 nodes') as string })
  })

  test('because the password that its registry gives it out for has changed', async () => {
    const locked = await startRegistry('127.0.0.1', { name: 'robot', password: 'canary-first' })
    try {
      const host = `127.0.0.1:${locked.port}`
      const folder = workFolder('locked')
      const auth = Buffer.from('robot:canary-first').toString('base64')
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
      writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nRUN touch /locked\n')
      pushImage(folder, { registry: host, name: 'test/locked', tag: '1', config: folder })
      const id = await createRegistry(trials.server.client, trials.place.organizationId, host)
      const known = { name: 'locked', kind: 'GENERIC_CR', url: `http://${host}`, config: { username: 'robot', password: 'canary-first' } }
      await trials.server.client.put(`/organization/${trials.place.organizationId}/containerRegistry/${id}`, known)
      const app = await trials.create('locked', { registry_id: id, image_name: 'test/locked', tag: '1' })
      expect(await trials.deploy(app), await deploymentLog(trials.server.client, app.environmentId)).toBe('DEPLOYED')
      locked.setPassword('canary-second')
      const images = ctr('images', 'ls', '-q')
        .split('\n')
        .filter((name) => name.startsWith(host))
      for (const image of images) ctr('images', 'rm', '--sync', image)
      kubectl('delete', 'pods', '--namespace', trials.namespace(app), '--selector', `berth/application=${app.id}`, '--wait=false')
      await until('it to be told', 60, async () => (await trials.explain(app)).explanation?.reason === 'ImageAccessDenied')
      await trials.remove(app)
    } finally {
      locked.stop()
    }
  })
})

describe('a cluster that forbids root', () => {
  test('tells an image that runs as root what to add to it', async () => {
    const { client } = trials.server
    const base = `/organization/${trials.place.organizationId}/cluster/${trials.place.clusterId}`
    const level = (pod_security: string) =>
      client.put(base, { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', pod_security })
    await level('restricted')
    try {
      const { explanation } = await trials.failing('root', {})
      expect(explanation).toMatchObject({ reason: 'RunsAsRoot', remedy: expect.stringContaining('USER 1000') as string })
    } finally {
      await level('baseline')
    }
  })
})
