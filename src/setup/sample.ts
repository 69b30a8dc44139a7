import { cpSync, existsSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join, resolve } from 'node:path'
import type { Client } from '../cli/client.ts'
import { AppError } from '../model/error.ts'
import type { ServerInfo } from '../wire/home.ts'
import { run } from './run.ts'

const bin = resolve(import.meta.dirname, '../../bin/berth')
/** Seconds until the sample must answer. */
const ANSWER_LIMIT = 60

export type Sample = { url: string; folder: string; changed: boolean }

/** A copy of `examples/hello` as a repository of its own, pushed to Berth like anybody's would be. */
export async function ensureSample(
  at: { client: Client; info: ServerInfo; environmentId: string; home: string },
  say: (text: string) => void,
): Promise<Sample> {
  const folder = join(at.home, 'hello')
  const live = await liveUrl(at)
  if (live && (await answers(at.info, live))) return { url: live, folder, changed: false }
  if (!existsSync(join(folder, '.git'))) {
    cpSync(resolve(import.meta.dirname, '../../examples/hello'), folder, { recursive: true })
    for (const argv of [
      ['init', '--quiet', '--initial-branch=main'],
      ['add', '--all'],
      [...(await identity()), 'commit', '--quiet', '--message', 'Say hello'],
    ])
      await git(folder, argv)
  }
  const init = await run(bin, ['init', '--name', 'hello', '--environment', at.environmentId], { cwd: folder })
  if (init.code !== 0) throw new AppError('internal', `berth init failed: ${init.out}`)
  say('pushing it')
  const pushed = await git(folder, ['push', 'berth'])
  const url = await liveUrl(at)
  if (!url) throw new AppError('internal', 'The sample has no address.')
  if (pushed.includes('up-to-date')) {
    const redeployed = await run(bin, ['app', 'deploy', 'hello', '--environment', at.environmentId, '--wait'])
    if (redeployed.code !== 0) throw new AppError('unavailable', redeployed.out)
  }
  const until = Date.now() + ANSWER_LIMIT * 1000
  while (!(await answers(at.info, url))) {
    if (Date.now() > until) throw new AppError('unavailable', `The sample does not answer at ${url}. What the push said:\n${pushed}`)
    await new Promise((done) => setTimeout(done, 200))
  }
  return { url, folder, changed: true }
}

/** Somebody without a Git identity gets one for this commit only. */
async function identity(): Promise<string[]> {
  const known = await run('git', ['config', 'user.email'])
  return known.code === 0 ? [] : ['-c', 'user.name=Berth', '-c', 'user.email=berth@localhost']
}

async function git(folder: string, argv: string[]): Promise<string> {
  const ran = await run('git', argv, { cwd: folder })
  if (ran.code !== 0) throw new AppError('unavailable', `git ${argv[0]} failed:\n${ran.out}`)
  return ran.out
}

async function liveUrl(at: { client: Client; environmentId: string }): Promise<string | undefined> {
  const links = await at.client.list<{ url: string; service_id: string; is_default: boolean }>(`/environment/${at.environmentId}/link`)
  const apps = await at.client.list<{ id: string; name: string }>(`/environment/${at.environmentId}/services`)
  const hello = apps.find((one) => one.name === 'hello')
  return links.find((link) => link.service_id === hello?.id && link.is_default)?.url
}

/** Names below `.localhost` are this machine's, which Node's resolver does not know. */
function answers(info: ServerInfo, href: string): Promise<boolean> {
  return new Promise((done) => {
    const url = new URL(href)
    const outgoing = request(
      {
        host: '127.0.0.1',
        servername: url.hostname,
        port: url.port || 443,
        path: '/',
        headers: { host: url.host },
        ca: readFileSync(info.caFile),
        timeout: 5000,
      },
      (response) => {
        response.resume()
        done(response.statusCode === 200)
      },
    )
    outgoing.once('timeout', () => outgoing.destroy())
    outgoing.once('error', () => done(false))
    outgoing.end()
  })
}
