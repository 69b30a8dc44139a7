import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import { AppError } from '../model/error.ts'
import type { ServerInfo } from '../wire/home.ts'

/** Seconds the server may take from nothing to answering: a first start copies the database's binaries. */
const START_LIMIT = 60

export const readInfo = (home: string): ServerInfo | undefined =>
  existsSync(join(home, 'info.json')) ? (JSON.parse(readFileSync(join(home, 'info.json'), 'utf8')) as ServerInfo) : undefined

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).then(
    (answer) => answer.ok,
    () => false,
  )

export async function findServer(home: string): Promise<ServerInfo | undefined> {
  const info = readInfo(home)
  return info && existsSync(`/proc/${info.pid}`) && (await isReady(info.apiUrl)) ? info : undefined
}

/** Starts the server in the background, its log in `<home>/server.log`. */
export async function ensureServer(config: Config): Promise<{ info: ServerInfo; started: boolean }> {
  const running = await findServer(config.home)
  if (running) return { info: running, started: false }
  mkdirSync(config.home, { recursive: true, mode: 0o711 })
  rmSync(join(config.home, 'info.json'), { force: true })
  const log = openSync(join(config.home, 'server.log'), 'a', 0o600)
  const from = statSync(join(config.home, 'server.log')).size
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../server.ts')], {
    detached: true,
    stdio: ['ignore', log, log],
    env: process.env,
  })
  child.unref()
  const until = Date.now() + START_LIMIT * 1000
  for (;;) {
    const info = await findServer(config.home)
    if (info) return { info, started: true }
    if (child.exitCode !== null || Date.now() > until)
      throw new AppError(
        'unavailable',
        `The server did not start:\n${readFileSync(join(config.home, 'server.log'), 'utf8').slice(from).slice(-2000)}`,
      )
    await new Promise((done) => setTimeout(done, 100))
  }
}

/** SIGTERM, and the applications keep serving. True when it ran. */
export async function stopServer(home: string): Promise<boolean> {
  const info = readInfo(home)
  if (!info || !existsSync(`/proc/${info.pid}/cmdline`) || !readFileSync(`/proc/${info.pid}/cmdline`, 'utf8').includes('server.ts'))
    return false
  process.kill(info.pid, 'SIGTERM')
  const until = Date.now() + START_LIMIT * 1000
  while (existsSync(`/proc/${info.pid}`)) {
    if (Date.now() > until) process.kill(info.pid, 'SIGKILL')
    await new Promise((done) => setTimeout(done, 50))
  }
  return true
}
