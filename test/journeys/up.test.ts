import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DockerClient } from '../../src/engine/docker/client.ts'
import { ask } from '../harness/load.ts'
import { freePort } from '../harness/server.ts'

const bin = resolve(import.meta.dirname, '../../bin')
const docker = new DockerClient('/var/run/docker.sock')
let home: string
let environment: Record<string, string>

type Ran = { code: number; out: string }
const run = (program: string, argv: string[], cwd = '/'): Promise<Ran> =>
  new Promise((done) =>
    execFile(program, argv, { cwd, env: environment, maxBuffer: 2 ** 26 }, (error, out, err) =>
      done({ code: error ? Number(error.code) : 0, out: out + err }),
    ),
  )
const info = async (): Promise<{ apiUrl: string; caFile: string; tokenFile: string; environmentId: string; pid: number }> =>
  JSON.parse((await run(join(bin, 'berth'), ['info', '--json'])).out) as never

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'berth-up-'))
  rmSync(home, { recursive: true })
  environment = {
    // People put the project's `bin` first, and with it programs called `test` and `install`.
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    HOME: process.env['HOME'] ?? '/root',
    XDG_CONFIG_HOME: join(tmpdir(), 'berth-none'),
    BERTH_HOME: home,
    BERTH_PORT: String(await freePort()),
    BERTH_HTTPS_PORT: String(await freePort()),
    BERTH_HTTP_PORT: String(await freePort()),
    BERTH_DOMAIN: 'up.localhost',
    BERTH_EDGE_IMAGE: 'berth-edge-up:1.40.0',
    BERTH_NETWORK_POOL: '10.218.0.0/16',
  }
})
afterAll(async () => {
  await run(join(bin, 'down'), ['--purge'])
  rmSync(home, { recursive: true, force: true })
})

describe('the first minute', () => {
  test('bin/up makes what is missing, starts everything and ends with a live application and how to go on', async () => {
    const up = await run(join(bin, 'up'), [])
    expect(up.out).toContain('How to go on:')
    expect(up.code).toBe(0)
    const { apiUrl, caFile, tokenFile } = await info()
    expect(up.out).toContain(apiUrl)
    const url = /Application\s+(https:\S+)/.exec(up.out)?.[1] ?? ''
    expect(await ask(url, caFile)).toEqual({ status: 200, body: 'Hello from Berth!' })
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
  })

  test('run again it changes nothing and says so', async () => {
    const before = (await info()).pid
    const again = await run(join(bin, 'up'), [])
    expect(again.out).toContain('Everything was running already; nothing was changed.')
    expect((await info()).pid).toBe(before)
  })

  test('a changed git push is live when it returns', async () => {
    const folder = join(home, 'hello')
    writeFileSync(join(folder, 'hello.pl'), readFileSync(join(folder, 'hello.pl'), 'utf8').replace('Hello from Berth!', 'Hello again!'))
    expect((await run('git', ['-c', 'user.name=T', '-c', 'user.email=t@localhost', 'commit', '-am', 'Say it again'], folder)).code).toBe(0)
    const pushed = await run('git', ['push', 'berth'], folder)
    const url = /hello is live: (https:\S+)/.exec(pushed.out)?.[1] ?? ''
    expect((await ask(url, (await info()).caFile)).body).toBe('Hello again!')
  })

  test('bin/down stops everything, bin/up goes on where it stopped', async () => {
    const { pid, caFile } = await info()
    expect((await run(join(bin, 'down'), [])).out).toContain('Server: stopped')
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    const up = await run(join(bin, 'up'), [])
    const url = /Application\s+(https:\S+)/.exec(up.out)?.[1] ?? ''
    expect((await ask(url, caFile)).body).toBe('Hello again!')
  })

  test('bin/down --purge leaves nothing behind, and shows it', async () => {
    const clusters = readdirSync(join(home, 'clusters'))
    const down = await run(join(bin, 'down'), ['--purge'])
    expect(down.out).toContain('no file')
    expect(existsSync(home)).toBe(false)
    expect(clusters).toHaveLength(1)
    const label = encodeURIComponent(JSON.stringify({ label: [`berth.cluster=${clusters[0]}`] }))
    for (const path of ['/containers/json?all=true&', '/networks?', '/images/json?all=true&'])
      expect(await docker.call('GET', `${path}filters=${label}`), path).toEqual([])
    expect(await docker.find('GET', '/images/berth-edge-up:1.40.0/json')).toBeUndefined()
  })
})
