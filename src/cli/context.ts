import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { readConfig } from '../config.ts'
import { AppError } from '../model/error.ts'
import { Client } from './client.ts'

/** What the command line works on unless a flag says otherwise. */
export type Context = {
  apiUrl?: string
  token?: string
  organizationId?: string
  projectId?: string
  environmentId?: string
  clusterId?: string
}

export type LocalInfo = { apiUrl: string; wsUrl: string; consoleUrl: string | null; pid: number; tokenFile: string; caFile: string }

const file = (): string => join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'berth', 'context.json')
const read = <T>(path: string): T | undefined => (existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined)

export const localHome = (): string => readConfig(process.env).home
/** The server that runs on this machine, if one does and this user may know. */
export function findLocal(): LocalInfo | undefined {
  try {
    return read<LocalInfo>(join(localHome(), 'info.json'))
  } catch {
    return undefined
  }
}

/** The organization, project, environment and cluster that `bin/up` made. */
export const localContextFile = (): string => join(localHome(), 'context.json')

/** Flags and variables first, then what `berth login` remembered, then the server on this machine. */
export function readContext(): Context {
  const remembered = read<Context>(file()) ?? {}
  const local = findLocal()
  const variables = {
    ...(process.env['BERTH_URL'] ? { apiUrl: process.env['BERTH_URL'] } : {}),
    ...(process.env['BERTH_TOKEN'] ? { token: process.env['BERTH_TOKEN'] } : {}),
  }
  const own = local
    ? {
        apiUrl: local.apiUrl,
        ...(existsSync(local.tokenFile) ? { token: readFileSync(local.tokenFile, 'utf8').trim() } : {}),
        ...read<Context>(localContextFile()),
      }
    : {}
  return { ...own, ...remembered, ...variables }
}

export function writeContext(context: Context): string {
  const path = file()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, JSON.stringify(context, null, 2), { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return path
}

export const rememberedContext = (): Context => read<Context>(file()) ?? {}

export function connect(): { client: Client; context: Context } {
  const context = readContext()
  if (!context.apiUrl || !context.token)
    throw new AppError('unauthenticated', 'No Berth is known here. Start one on this machine with bin/up, or name one: berth login <url>.')
  return { client: new Client(context.apiUrl, context.token), context }
}
