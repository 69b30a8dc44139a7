import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHello, type Service } from '../harness/deploy.ts'
import { TestServer, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let app: Service

beforeAll(async () => {
  server = await TestServer.start()
  place = await server.place('memory')
  app = await createHello(server.client, place.environmentId)
})
afterAll(() => server.remove())

type Answer = { status: number; detail: string }

async function send(method: string, path: string, body: unknown, token = server.token): Promise<Answer> {
  const response = await fetch(server.client.apiUrl + path, {
    method,
    headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, detail: text === '' ? '' : ((JSON.parse(text) as { detail?: string }).detail ?? '') }
}

const repository = (more: Record<string, unknown> = {}) => ({
  url: 'https://example.com/a/b.git',
  provider: 'GITHUB',
  branch: 'main',
  ...more,
})
const body = (more: Record<string, unknown>) => ({ name: 'bad', git_repository: repository(), healthchecks: {}, ...more })
const port = (more: Record<string, unknown>) => ({ internal_port: 80, publicly_accessible: true, ...more })
const probe = (type: unknown, more: Record<string, unknown> = {}) => ({ healthchecks: { readiness_probe: { type, ...more } } })

/** What is sent, the path that the refusal must name, and a word of its reason. */
const refused: [string, Record<string, unknown>, string, RegExp][] = [
  ['a field that the contract does not know', { colour: 'red' }, 'colour', /no field/],
  ['a name that is no DNS label', { name: 'no/slash' }, 'name', /letters, digits/],
  ['a name of 64 characters', { name: 'a'.repeat(64) }, 'name', /63|characters/],
  ['a wrong type', { cpu: 'much' }, 'cpu', /expected number/],
  ['negative memory', { memory: -5 }, 'memory', />=1|Too small/],
  ['absurd CPU', { cpu: 1e99 }, 'cpu', /int|big/i],
  ['half a millicore', { cpu: 500.5 }, 'cpu', /int/],
  ['more minimum than maximum instances', { min_running_instances: 3, max_running_instances: 2 }, 'min_running_instances', /at most/],
  ['a million instances', { max_running_instances: 1_000_000 }, 'max_running_instances', /Too big|<=1000/],
  ['port 0', { ports: [port({ internal_port: 0 })] }, 'ports[0].internal_port', /Too small|>=1/],
  ['port 65536', { ports: [port({ internal_port: 65_536 })] }, 'ports[0].internal_port', /Too big|<=65535/],
  ['a port twice', { ports: [port({}), port({ name: 'other' })] }, 'ports[1].internal_port', /twice/],
  ['a port name twice', { ports: [port({ name: 'x' }), port({ name: 'x', internal_port: 81 })] }, 'ports[1].name', /twice/],
  ['a port name that is no host name', { ports: [port({ name: 'A b' })] }, 'ports[0].name', /lower-case/],
  ['two default ports', { ports: [port({ is_default: true }), port({ internal_port: 81, is_default: true })] }, 'ports', /one default/],
  ['a probe of no kind', probe({}), 'healthchecks.readiness_probe.type', /exactly one/],
  ['a probe of two kinds', probe({ tcp: { port: 80 }, http: { port: 80 } }), 'healthchecks.readiness_probe.type', /exactly one/],
  [
    'a probe of a port that is none of its own',
    probe({ tcp: { port: 81 } }),
    'healthchecks.readiness_probe.type',
    /one of the application's ports/,
  ],
  [
    'a storage path with ..',
    { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/data/../etc' }] },
    'storage[0].mount_point',
    /ordinary names/,
  ],
  [
    'storage on /proc',
    { storage: [{ type: 'FAST_SSD', size: 4, mount_point: '/proc' }] },
    'storage[0].mount_point',
    /belongs to the system/,
  ],
  [
    'storage twice on one path',
    {
      storage: [
        { type: 'FAST_SSD', size: 4, mount_point: '/data' },
        { type: 'FAST_SSD', size: 4, mount_point: '/data/' },
      ],
    },
    'storage[1].mount_point',
    /twice/,
  ],
  ['storage without size', { storage: [{ type: 'FAST_SSD', size: 0, mount_point: '/data' }] }, 'storage[0].size', /Too small|>=1/],
  ['a GPU where there is none', { gpu: 1 }, 'gpu', /GPU/],
  ['autoscaling where the engine has none', { max_running_instances: 5 }, 'max_running_instances', /fixed number/],
  ['KEDA where there is none', { autoscaling: { mode: 'KEDA', scalers: [] } }, 'autoscaling', /KEDA/],
  ['a root path that leaves the repository', { git_repository: repository({ root_path: '../..' }) }, 'git_repository.root_path', /"\.\."/],
  ['a Dockerfile path that leaves the repository', { dockerfile_path: '../Dockerfile' }, 'dockerfile_path', /"\.\."/],
  ['a Dockerfile path with NUL', { dockerfile_path: 'a\u0000b' }, 'dockerfile_path', /control characters/],
  ['a target stage with spaces', { docker_target_build_stage: 'a b' }, 'docker_target_build_stage', /name of a stage/],
  ...[
    '--upload-pack=touch /tmp/x',
    '-oProxyCommand=x',
    'ext::sh -c id',
    'EXT::sh',
    'file:///etc',
    'ssh://-oX@h/x',
    'git://host/x',
    'https://user:pass@host/x',
    'https://host/x\ny',
    'https://host/%0ax',
    'https://gіthub.com/a',
    'https:///x',
    '/etc/passwd',
    'https://host/x?y=z',
  ].map((url): [string, Record<string, unknown>, string, RegExp] => [
    `the Git URL ${JSON.stringify(url)}`,
    { git_repository: repository({ url }) },
    'git_repository.url',
    /expected/,
  ]),
  ...['-h', '--output=x', 'refs/../..', 'a..b', '@{-1}', 'x'.repeat(300), 'a b', 'a\u0007', 'x.lock', '/x', 'x/', 'a~1', 'a^'].map(
    (branch): [string, Record<string, unknown>, string, RegExp] => [
      `the branch ${JSON.stringify(branch.slice(0, 20))}`,
      { git_repository: repository({ branch }) },
      'git_repository.branch',
      /branch name/,
    ],
  ),
]

describe('bad input gets one clear 400 with the path of the field', () => {
  test.each(refused)('%s is refused', async (_what, more, path, reason) => {
    const answer = await send('POST', `/environment/${place.environmentId}/application`, body(more))
    expect(answer.status).toBe(400)
    expect(answer.detail).toContain(path)
    expect(answer.detail).toMatch(reason)
  })

  test('and nothing was changed by any of it', async () => {
    expect(await server.client.list(`/environment/${place.environmentId}/application`)).toHaveLength(1)
  })

  test('an edit that is refused changes nothing either', async () => {
    const before = await server.client.get(`/application/${app.id}`)
    expect((await send('PUT', `/application/${app.id}`, { healthchecks: {}, cpu: 250, memory: 'x' })).status).toBe(400)
    expect(await server.client.get(`/application/${app.id}`)).toEqual(before)
  })

  test('what only a cluster of Kubernetes has is refused for another, and its own answer is taken back', async () => {
    const path = `/organization/${place.organizationId}/cluster/${place.clusterId}`
    const read = (await server.client.list<Record<string, unknown>>(`/organization/${place.organizationId}/cluster`)).find(
      (one) => one['id'] === place.clusterId,
    )
    const refused = await send('PUT', path, { ...read, own_registry: { size: 5 } })
    expect(refused.status).toBe(400)
    expect(refused.detail).toMatch(/own_registry: expected nothing: this cluster is driven by memory/)
    expect((await send('PUT', path, read)).status).toBe(200)
  })

  test('fields that clients only echo are ignored', async () => {
    const read = await server.client.get<Record<string, unknown>>(`/application/${app.id}`)
    expect((await send('PUT', `/application/${app.id}`, read)).status).toBe(200)
  })

  test.each([
    ['text that is no JSON', '{"name": ', /JSON/],
    ['__proto__', '{"__proto__": {"x": 1}}', /JSON/],
    ['a body of two megabytes', JSON.stringify({ name: 'x'.repeat(2 ** 21) }), /large/i],
    ['an array instead of an object', '[]', /expected object/],
  ])('%s is refused', async (_what, text, reason) => {
    const answer = await send('POST', `/environment/${place.environmentId}/application`, text)
    expect([400, 413]).toContain(answer.status)
    expect(answer.detail).toMatch(reason)
  })

  test.each([['-h'], ['refs/heads/main'], ['abc'], ['g'.repeat(40)]])('the commit %s is refused', async (commit) => {
    const answer = await send('POST', `/application/${app.id}/deploy`, { git_commit_id: commit })
    expect(answer).toMatchObject({ status: 400, detail: expect.stringContaining('git_commit_id') as string })
  })

  test.each([['1KEY'], ['A-B'], ['A B'], ['QOVERY_X'], ['BERTH_X'], ['']])('the variable name %j is refused', async (key) => {
    const answer = await send('POST', '/variable', {
      key,
      value: 'x',
      is_secret: false,
      variable_scope: 'APPLICATION',
      variable_parent_id: app.id,
    })
    expect(answer).toMatchObject({ status: 400, detail: expect.stringContaining('key') as string })
  })

  test.each([
    ['build.timeout_max_sec', 0],
    ['build.timeout_max_sec', '60'],
    ['no.such.key', 1],
    ['deployment.update_strategy.type', 'Sometimes'],
    ['hpa.cpu.average_utilization_percent', 101],
  ])('the advanced setting %s = %j is refused', async (key, value) => {
    expect(await send('PUT', `/application/${app.id}/advancedSettings`, { [key]: value })).toMatchObject({
      status: 400,
      detail: expect.stringContaining(key) as string,
    })
  })

  test.each([['UPPER/case'], ['../x'], ['a b'], ['nginx@sha256:abc'], ['-x'], ['x'.repeat(300)]])(
    'the image name %j is refused',
    async (image_name) => {
      const [registry] = await server.client.list<{ id: string }>(`/organization/${place.organizationId}/containerRegistry`)
      const answer = await send('POST', `/environment/${place.environmentId}/container`, {
        name: 'c',
        registry_id: registry?.id,
        image_name,
        tag: 'latest',
        healthchecks: {},
      })
      expect(answer).toMatchObject({ status: 400, detail: expect.stringContaining('image_name') as string })
    },
  )
})

describe('addresses that Berth would connect to itself', () => {
  test.each([
    ['http://169.254.169.254/latest'],
    ['http://10.0.0.1/x.git'],
    ['http://2130706433.nip.invalid/x'],
    ['http://192.168.1.1/x.git'],
    ['http://[fd00::1]/x.git'],
  ])('a deployment from %s ends as a build error that names BERTH_EGRESS_ALLOW or the name', async (url) => {
    const made = await server.client.post<Service>(`/environment/${place.environmentId}/application`, {
      name: `ssrf-${Math.random().toString(36).slice(2, 8)}`,
      git_repository: repository({ url }),
      healthchecks: {},
    })
    await server.client.post(`/application/${made.id}/deploy`)
    const { settled } = await import('../harness/deploy.ts')
    expect(await settled(server.client, made.id)).toBe('BUILD_ERROR')
    const { explanation } = await server.client.get<{ explanation: { message: string } }>(`/service/${made.id}/explain`)
    expect(explanation.message).toMatch(/BERTH_EGRESS_ALLOW|does not resolve/)
  })
})

describe('who may what', () => {
  test.each([[''], ['berth_wrong'], ['x'.repeat(5000)]])('the token %j gets 401', async (token) => {
    expect((await send('GET', '/organization', undefined, token.slice(0, 20))).status).toBe(401)
  })

  test('a foreign token sees nothing of another organization: 404, not 403', async () => {
    const other = await server.client.post<{ id: string }>('/organization', { name: 'other', plan: 'FREE' })
    const { token } = await server.client.post<{ token: string }>(`/organization/${other.id}/apiToken`, { name: 'foreign', role_id: null })
    for (const path of [
      `/application/${app.id}`,
      `/environment/${place.environmentId}`,
      `/project/${place.projectId}`,
      `/organization/${place.organizationId}`,
      `/environment/${place.environmentId}/logs`,
      `/variable?parent_id=${app.id}&scope=APPLICATION`,
    ])
      expect((await send('GET', path, undefined, token)).status, path).toBe(404)
    for (const path of [`/application/${app.id}/deploy`, `/environment/${place.environmentId}/deploy`])
      expect((await send('POST', path, {}, token)).status, path).toBe(404)
    expect(
      (
        await fetch(`${server.client.apiUrl}/git/${place.environmentId}/hello.git/info/refs?service=git-upload-pack`, {
          headers: { authorization: `Basic ${btoa(`x:${token}`)}` },
        })
      ).status,
    ).toBe(404)
  })

  test('a viewer reads and may change nothing', async () => {
    const roles = await server.client.list<{ id: string; name: string }>(`/organization/${place.organizationId}/availableRole`)
    const { token } = await server.client.post<{ token: string }>(`/organization/${place.organizationId}/apiToken`, {
      name: 'viewer',
      role_id: roles.find((role) => role.name === 'viewer')?.id,
    })
    expect((await send('GET', `/application/${app.id}`, undefined, token)).status).toBe(200)
    expect((await send('POST', `/application/${app.id}/deploy`, {}, token)).status).toBe(403)
    expect((await send('DELETE', `/application/${app.id}`, undefined, token)).status).toBe(403)
    expect((await send('GET', `/organization/${place.organizationId}/apiToken`, undefined, token)).status).toBe(403)
  })
})
