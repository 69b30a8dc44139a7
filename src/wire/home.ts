import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { AppError } from '../model/error.ts'
import { newTokenText, tokenPattern } from '../store/account.ts'

/** One server per folder: whoever listens on its lock socket owns it, and a socket that nobody answers on is a leftover. */
export async function lockHome(home: string): Promise<Server> {
  mkdirSync(home, { recursive: true })
  // Others may pass through (the database runs as another user), not look: setup may have made it narrower.
  chmodSync(home, 0o711)
  const path = join(home, 'lock.sock')
  if (existsSync(path)) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect(path, () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
    })
    if (answered)
      throw new AppError('conflict', `Another Berth server uses ${home}. Stop it with bin/down, or set BERTH_HOME to another folder.`)
    unlinkSync(path)
  }
  const server = createServer((socket) => socket.end())
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  return server
}

/** The 32 bytes that seal secrets, made at the first start. A missing key with an existing database is caught when the key is checked. */
export function masterKey(file: string): Buffer {
  if (!existsSync(file)) writePrivate(file, `${randomBytes(32).toString('hex')}\n`)
  const text = readFileSync(file, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new AppError('invalid', `The master key file ${file} must hold 64 hex digits.`)
  return Buffer.from(text, 'hex')
}

/** No default password: the first token, made at the first start unless its file is there already. It is kept hashed, and opens everything. */
export function firstToken(file: string): string {
  if (!existsSync(file)) writePrivate(file, newTokenText())
  const text = readFileSync(file, 'utf8').trim()
  if (!tokenPattern.test(text))
    throw new AppError('invalid', `The token file ${file} must hold berth_ and at least 32 letters, digits, hyphens or underscores.`)
  return text
}

/** Readable by its owner only, and complete or not there at all. */
export function writePrivate(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** What clients on this machine need to find the running server; `bin/berth info` prints it. */
export type ServerInfo = { apiUrl: string; wsUrl: string; consoleUrl: null; pid: number; tokenFile: string; caFile: string }
export const infoFile = (home: string): string => join(home, 'info.json')

/** Remembers that this folder's server drove a cluster, so that `bin/down` finds what to stop without a database. */
export function markCluster(home: string, clusterId: string): void {
  mkdirSync(join(home, 'clusters'), { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'clusters', clusterId), '')
}
