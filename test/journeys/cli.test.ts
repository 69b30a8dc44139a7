import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Repository } from '../harness/repository.ts'
import { TestServer, type Place } from '../harness/server.ts'

const bin = resolve(import.meta.dirname, '../../bin/berth')
let server: TestServer
let place: Place
let repository: Repository

type Ran = { code: number; out: string; err: string }

/** The real command, as a script runs it. */
function berth(argv: string[], options: { cwd?: string; token?: string; input?: string } = {}): Promise<Ran> {
  return new Promise((done) => {
    const env = {
      ...server.environment,
      PATH: process.env['PATH'] ?? '',
      BERTH_URL: server.client.apiUrl,
      BERTH_TOKEN: options.token ?? server.token,
      GIT_TERMINAL_PROMPT: '0',
    }
    const child = execFile(bin, argv, { cwd: options.cwd ?? '/', env }, (error, out, err) =>
      done({ code: error ? Number(error.code) : 0, out, err }),
    )
    child.stdin?.end(options.input ?? '')
  })
}

const json = async <T>(argv: string[], cwd?: string): Promise<T> =>
  JSON.parse((await berth([...argv, '--json'], cwd ? { cwd } : {})).out) as T

beforeAll(async () => {
  server = await TestServer.start()
  place = await server.place('memory')
  repository = new Repository('cli', { Dockerfile: 'FROM scratch\nEXPOSE 3000\n' })
})
afterAll(() => server.remove())

describe('the command line', () => {
  test('init makes a repository an application: port from the Dockerfile, a remote, no token in the repository', async () => {
    const made = await json<{ name: string; url: string }>(['init', '--name', 'shop'], repository.folder)
    expect(made.url).toMatch(/^https:\/\/shop-[a-z0-9]{6}\.test\.localhost/)
    expect(repository.git('remote', 'get-url', 'berth').trim()).toBe(`${server.client.apiUrl}/git/${place.environmentId}/shop.git`)
    expect(repository.git('config', '--local', '--list')).not.toContain(server.token)
    expect((await berth(['init', '--name', 'shop'], { cwd: repository.folder })).out).toContain('here already')
  })

  test('git push berth deploys it through the credential helper', async () => {
    const pushed = await new Promise<string>((done, reject) => {
      const env = {
        ...server.environment,
        PATH: process.env['PATH'] ?? '',
        BERTH_URL: server.client.apiUrl,
        BERTH_TOKEN: server.token,
        GIT_TERMINAL_PROMPT: '0',
      }
      execFile('git', ['push', 'berth'], { cwd: repository.folder, env }, (error, _out, err) =>
        error ? reject(new Error(err)) : done(err),
      )
    })
    expect(pushed).toContain('remote: shop is live: https://shop-')
  })

  test('list and status show tables to people and JSON to scripts', async () => {
    expect((await berth(['app', 'list'])).out).toMatch(/NAME\s+TYPE\s+STATUS\s+ADDRESS\nshop\s+application\s+DEPLOYED\s+https:/)
    const [row] = await json<{ id: string; name: string; type: string; status: string; updated_at: string }[]>(['app', 'list'])
    expect(row).toMatchObject({ name: 'shop', type: 'APPLICATION', status: 'DEPLOYED' })
    expect((await berth(['app', 'status', 'shop'])).out).toContain('shop: running (deployed, up-to-date)')
  })

  test('variables are set, listed and removed; a secret is read from standard input and never shown', async () => {
    expect((await berth(['app', 'env', 'set', 'shop', 'GREETING=hi', 'OTHER=x'])).code).toBe(0)
    expect((await berth(['app', 'env', 'set', 'shop', 'PASSWORD=-', '--secret'], { input: 'hunter22\n' })).code).toBe(0)
    const listed = (await berth(['app', 'env', 'list', 'shop'])).out
    expect(listed).toContain('GREETING')
    expect(listed).toMatch(/PASSWORD\s+\*\*\*/)
    expect((await berth(['app', 'env', 'unset', 'shop', 'OTHER'])).code).toBe(0)
    expect((await berth(['app', 'env', 'list', 'shop'])).out).not.toContain('OTHER')
  })

  test('deploy, restart and stop wait with live steps and end with the state', async () => {
    expect((await berth(['app', 'deploy', 'shop', '--wait'])).out).toMatch(/Rolling out release 2[\s\S]*\nDEPLOYED\n$/)
    expect((await berth(['app', 'restart', 'shop', '--wait'])).out).toMatch(/RESTARTED\n$/)
    expect((await berth(['app', 'stop', 'shop', '--wait'])).out).toMatch(/STOPPED\n$/)
    expect(await json(['app', 'deploy', 'shop', '--wait'])).toEqual({ succeeded: true, state: 'DEPLOYED' })
  })

  test('a deployment that fails exits with 9 and says why', async () => {
    await server.client.put(`/application/${(await json<{ id: string }[]>(['app', 'list']))[0]?.id}`, {
      healthchecks: {},
      dockerfile_path: 'missing/Dockerfile',
    })
    const failed = await berth(['app', 'deploy', 'shop', '--wait'])
    expect(failed.code).toBe(9)
    expect(failed.out).toContain('There is no Dockerfile at missing/Dockerfile')
  })

  test.each<[string[], number, RegExp]>([
    [['app', 'status', 'nothing'], 5, /There is no application nothing\. There is: shop/],
    [['app', 'deploy', 'shop', '--commit', 'abc'], 2, /full commit id/],
    [['app', 'delete', 'shop'], 2, /--yes/],
    [['app', 'create', 'x'], 2, /--git .* or .*--image/],
    [['environment', 'delete', 'none', '--yes'], 5, /There is no environment none/],
  ])('berth %j exits with %i and the next step', async (argv, code, message) => {
    const ran = await berth(argv)
    expect(ran.err).toMatch(message)
    expect(ran.code).toBe(code)
  })

  test('a wrong token exits with 3, a server that is not there with 8', async () => {
    expect((await berth(['app', 'list'], { token: 'berth_wrong' })).code).toBe(3)
    const gone = await new Promise<number>((done) =>
      execFile(
        bin,
        ['app', 'list'],
        {
          env: {
            PATH: process.env['PATH'] ?? '',
            HOME: '/nonexistent',
            BERTH_HOME: server.home,
            BERTH_URL: 'http://127.0.0.1:1',
            BERTH_TOKEN: 'x',
          },
        },
        (error) => done(Number(error?.code)),
      ),
    )
    expect(gone).toBe(8)
  })

  test('projects, environments, clusters and tokens can be made and listed', async () => {
    await berth(['project', 'create', 'second'])
    await berth(['environment', 'create', 'staging', '--project', 'second', '--mode', 'staging'])
    expect((await berth(['environment', 'list', '--project', 'second'])).out).toMatch(/staging\s+staging\s+local/)
    expect((await berth(['cluster', 'add', '--name', 'dev', '--engine', 'memory'])).out).toContain('dev is added')
    expect((await berth(['cluster', 'list'])).out).toMatch(/dev\s+memory/)
    const token = (await berth(['token', 'create', 'ci', '--role', 'viewer'])).out.trim()
    expect(token).toMatch(/^berth_/)
    expect((await berth(['app', 'stop', 'shop'], { token })).code).toBe(4)
    expect((await berth(['token', 'delete', 'ci'])).code).toBe(0)
    expect((await berth(['app', 'list'], { token })).code).toBe(3)
  })

  test('doctor tells what the clusters have', async () => {
    expect((await berth(['doctor'])).out).toMatch(/local\s+engine\s+yes\s+memory/)
  })
})
