import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../model/error.ts'
import { DockerClient } from '../engine/docker/client.ts'
import { has, run, type Ran } from './run.ts'

const root = process.getuid?.() === 0
/** Seconds dockerd may take to answer. */
const START_LIMIT = 60
/** For the scripts of packages: they run `install` and `test`, of which this project's `bin` has its own. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const answers = (socket: string): Promise<boolean> =>
  new DockerClient(socket).call('GET', '/version').then(
    () => true,
    () => false,
  )

/** A Docker Engine that is there is used as it is; otherwise it is installed from the system's packages and started. */
export async function ensureDocker(at: { socket: string; home: string }, say: (text: string) => void): Promise<string> {
  if (await answers(at.socket)) return 'running'
  if (!has('dockerd')) await install(say)
  say('starting dockerd')
  if (existsSync('/run/systemd/system') && root) await run('systemctl', ['start', 'docker'])
  else if (root) startByHand(at.home)
  const until = Date.now() + START_LIMIT * 1000
  while (!(await answers(at.socket))) {
    if (Date.now() > until)
      throw missing([
        [
          'Docker Engine',
          `does not answer at ${at.socket}`,
          root ? `read ${join(at.home, 'dockerd.log')}` : 'start it, and let this user use it (group docker)',
        ],
      ])
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return 'started'
}

async function install(say: (text: string) => void): Promise<void> {
  if (!root || !has('apt-get'))
    throw missing([
      [
        'Docker Engine >= 20.10',
        'not found',
        'install it from the packages of your system (Debian, Ubuntu: apt-get install docker.io), then run bin/up again',
      ],
    ])
  await aptInstall(['docker.io'], say)
}

/** Installs packages of the system; needs root and apt-get. */
export async function aptInstall(packages: string[], say: (text: string) => void): Promise<void> {
  if (!root || !has('apt-get'))
    throw missing(packages.map((name) => [name, 'not found', 'install it with the package manager of your system, then run bin/up again']))
  say(`installing ${packages.join(', ')} (about a minute)`)
  const aptGet = (...argv: string[]): Promise<Ran> => run('apt-get', argv, { env: { PATH: SYSTEM_PATH } })
  const install = (): Promise<Ran> => aptGet('install', '-y', '--no-install-recommends', ...withFriends(packages))
  if ((await install()).code === 0) return
  await aptGet('update')
  const second = await install()
  if (second.code !== 0) throw new AppError('unavailable', `apt-get could not install ${packages.join(', ')}: ${second.out.slice(-800)}`)
}

/** What Docker only recommends but cannot do without here. */
const withFriends = (packages: string[]): string[] =>
  packages.flatMap((name) => (name === 'docker.io' ? ['docker.io', 'iptables', 'ca-certificates', 'apparmor'] : [name]))

function startByHand(home: string): void {
  mkdirSync(home, { recursive: true, mode: 0o711 })
  rmSync('/var/run/docker.pid', { force: true })
  const log = openSync(join(home, 'dockerd.log'), 'a')
  const child = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log] })
  child.unref()
  if (child.pid) writeFileSync(join(home, 'dockerd.pid'), String(child.pid))
}

/** The pid of the dockerd that `ensureDocker` started by hand and that still runs. */
export function ownDockerd(home: string): number | undefined {
  const file = join(home, 'dockerd.pid')
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8'))
  return existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('dockerd') ? pid : undefined
}

/** One table of what is missing and how to get it. */
export function missing(rows: [string, string, string][]): AppError {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column as 0 | 1].length)))
  return new AppError(
    'unavailable',
    `Something is missing:\n${rows.map((row) => `  ${row[0].padEnd(widths[0] ?? 0)}  ${row[1].padEnd(widths[1] ?? 0)}  ${row[2]}`).join('\n')}`,
  )
}
