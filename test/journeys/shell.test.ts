import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createHello, quick, settled, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer, until, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let app: Service

/** An application that sends back what it gets, with a web server beside it. */
const program = `
$| = 1; use IO::Socket::INET;
if (!fork) { my $l = IO::Socket::INET->new(LocalPort => 9000, Listen => 8, ReuseAddr => 1) or die; while (my $c = $l->accept) { if (!fork) { while (sysread $c, my $d, 65536) { my $o = 0; while ($o < length $d) { $o += syswrite $c, $d, length($d) - $o, $o } } exit } close $c } }
my $l = IO::Socket::INET->new(LocalPort => 8080, Listen => 8, ReuseAddr => 1) or die; $SIG{TERM} = sub { kill 9, -1; exit 0 };
while (my $c = $l->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nok"; close $c }
`

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  app = await createHello(server.client, place.environmentId, {
    name: 'echo',
    ports: [
      { internal_port: 8080, publicly_accessible: true, protocol: 'HTTP' },
      { internal_port: 9000, publicly_accessible: false, protocol: 'TCP' },
    ],
  })
  await server.client.put(`/application/${app.id}/advancedSettings`, quick)
  const files = { Dockerfile: 'FROM debian:bookworm-slim\nCOPY echo.pl /\nCMD ["perl", "/echo.pl"]\n', 'echo.pl': program }
  await new Repository('echo', files).push(remoteUrl(server, place.environmentId, 'echo'))
  expect(await settled(server.client, app.id)).toBe('DEPLOYED')
})
afterAll(() => server.remove())

type Session = { socket: WebSocket; output: Buffer[]; frames: number[]; closed: Promise<{ code: number; reason: string }> }

function open(
  path: string,
  query: Record<string, string | number>,
  options: { token?: string; origin?: string; protocols?: string[] } = {},
): Session {
  const where = {
    service: app.id,
    environment: place.environmentId,
    project: place.projectId,
    organization: place.organizationId,
    cluster: place.clusterId,
    ...query,
  }
  const text = Object.entries(where)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join('&')
  const socket = new WebSocket(`${server.client.apiUrl.replace('http', 'ws')}${path}?${text}`, options.protocols ?? [], {
    headers: {
      ...(options.protocols ? {} : { authorization: `Bearer ${options.token ?? server.token}` }),
      ...(options.origin ? { origin: options.origin } : {}),
    },
  })
  const session: Session = {
    socket,
    output: [],
    frames: [],
    closed: new Promise((resolve, reject) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
      socket.once('error', reject)
    }),
  }
  socket.on('message', (data: Buffer, binary) => {
    expect(binary).toBe(true)
    session.output.push(data)
    session.frames.push(data.length)
  })
  return session
}

const command = (...words: string[]): Record<string, string> => Object.fromEntries(words.map((word, index) => [`command[${index}]`, word]))
const textOf = (session: Session): string => Buffer.concat(session.output).toString()
const opened = (session: Session): Promise<void> => new Promise((resolve) => session.socket.once('open', () => resolve()))

describe('a shell', () => {
  test('runs one command and closes with 1000 when it ends; output and errors come in binary frames', async () => {
    const session = open('/shell/exec', command('sh', '-c', 'echo out; echo err >&2; exit 3'))
    expect(await session.closed).toMatchObject({ code: 1000 })
    expect(textOf(session)).toContain('out\n')
    expect(textOf(session)).toContain('err\n')
  })

  test('without a terminal takes input until a single 0x04', async () => {
    const session = open('/shell/exec', { ...command('cat'), tty_width: 0, tty_height: 0 })
    await opened(session)
    session.socket.send(Buffer.from('first '))
    session.socket.send('second')
    session.socket.send(Buffer.from([0x04]))
    expect(await session.closed).toMatchObject({ code: 1000 })
    expect(textOf(session)).toBe('first second')
  })

  test('with a terminal has its size, and takes keystrokes', async () => {
    const session = open('/shell/exec', { tty_width: 123, tty_height: 45 })
    await opened(session)
    // The terminal learns its size a moment after it is there.
    session.socket.send('for n in 1 2 3 4 5 6 7 8 9; do case $(stty size) in 45*) break;; esac; sleep 0.2; done\n')
    session.socket.send('stty size; echo it is $((40 + 2)); exit\n')
    expect(await session.closed).toMatchObject({ code: 1000 })
    expect(textOf(session)).toContain('45 123')
    expect(textOf(session)).toContain('it is 42')
  })

  test('authenticates a browser by subprotocol, and refuses a page of somebody else', async () => {
    const session = open('/shell/exec', command('echo', 'hi'), { protocols: ['v1', `auth.bearer.${server.token}`] })
    expect(await session.closed).toMatchObject({ code: 1000 })
    expect(session.socket.protocol).toBe('v1')
    const foreign = open('/shell/exec', command('echo', 'hi'), { origin: 'https://evil.example' })
    expect((await foreign.closed).code).toBe(1008)
    expect(textOf(foreign)).toBe('')
  })

  test('is not for those who may only look, and ends with 1008 where there is nothing', async () => {
    const roles = await server.client.list<{ id: string; name: string }>(`/organization/${place.organizationId}/availableRole`)
    const viewer = roles.find((one) => /viewer/i.test(one.name))
    const { token } = await server.client.post<{ token: string }>(`/organization/${place.organizationId}/apiToken`, {
      name: 'viewer',
      role_id: viewer?.id,
    })
    const refused = open('/shell/exec', command('echo', 'hi'), { token })
    expect((await refused.closed).code).toBe(1008)
    const missing = open('/shell/exec', { ...command('echo'), pod_name: 'nobody' })
    expect(await missing.closed).toMatchObject({ code: 1008, reason: expect.stringContaining('no running instance nobody') as string })
  })

  test('is on record', async () => {
    const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
    await client.connect()
    const found = await client.query<{ action: string; target_name: string }>(
      "select action, target_name from event where action = 'SHELL'",
    )
    await client.end()
    expect(found.rows.length).toBeGreaterThanOrEqual(4)
    expect(found.rows[0]?.target_name).toBe('echo')
  })
})

describe('a forwarded port', () => {
  test('carries 3 MB unchanged, in frames that clients can take', async () => {
    const session = open('/shell/portforward', { port: 9000, service_type: 'APPLICATION' })
    await opened(session)
    const sent = randomBytes(3 * 1024 * 1024)
    for (let from = 0; from < sent.length; from += 60_000) session.socket.send(sent.subarray(from, from + 60_000))
    await until('everything to be back', 60, () => Promise.resolve(session.output.reduce((sum, one) => sum + one.length, 0) >= sent.length))
    const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
    expect(hash(Buffer.concat(session.output))).toBe(hash(sent))
    expect(Math.max(...session.frames)).toBeLessThanOrEqual(32 * 1024)
    session.socket.close()
  })

  test('closes with 1000 when the application ends the connection, and says where nothing listens', async () => {
    const session = open('/shell/portforward', { port: 8080 })
    await opened(session)
    session.socket.send('GET / HTTP/1.0\r\n\r\n')
    expect(await session.closed).toMatchObject({ code: 1000 })
    expect(textOf(session)).toContain('200 OK')
    const nothing = open('/shell/portforward', { port: 7 })
    expect((await nothing.closed).code).toBe(1011)
    expect((await open('/shell/portforward', { port: 70_000 }).closed).code).toBe(1008)
  })
})

describe('metrics', () => {
  test('say what each instance uses of what it has, in whole numbers', async () => {
    type Metric = { current: number; current_percent: number; limit: number; status: string; unit: string }
    const read = (): Promise<{ pod_name: string; cpu: Metric; memory: Metric; storages: unknown[] }[]> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${server.client.apiUrl.replace('http', 'ws')}/service/metrics?service=${app.id}`, {
          headers: { authorization: `Token ${server.token}` },
        })
        socket.once('message', (data: Buffer) => {
          socket.terminate()
          resolve(JSON.parse(data.toString()) as never)
        })
        socket.once('error', reject)
        // Not measured yet, or metrics-server does not answer for a moment.
        socket.once('close', () => resolve([]))
      })
    await until('the first measurement', 60, async () => (await read()).length > 0)
    const [one] = await read()
    expect(one?.pod_name).toBe(ground.instances(app)[0])
    expect(one?.memory).toMatchObject({ unit: 'MiB', status: 'OK' })
    for (const value of [one?.cpu.current, one?.cpu.limit, one?.memory.current_percent]) expect(Number.isInteger(value)).toBe(true)
    expect(one?.storages).toEqual([])
  })
})
