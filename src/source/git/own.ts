import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { AppError } from '../../model/error.ts'
import { git, gitEnvironment, hardened } from './run.ts'

/** Seconds one request of a push or fetch may take. */
const LIMIT = 600

export const ownRepositoryFolder = (gitFolder: string, id: string): string => join(gitFolder, `${id}.git`)

/** Berth's own Git remote: the bare repository, made when it is not there yet. */
export async function ensureOwnRepository(gitFolder: string, id: string): Promise<string> {
  const folder = ownRepositoryFolder(gitFolder, id)
  if (existsSync(join(folder, 'HEAD'))) return folder
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await git(['init', '--quiet', '--bare', '--initial-branch=main', folder])
  return folder
}

export type BackendRequest = {
  folder: string
  path: string
  query: string
  method: string
  contentType: string
  encoding: string
  protocol: string
  user: string
  body: IncomingMessage
}
export type BackendAnswer = { status: number; headers: Record<string, string>; body: Buffer }

/** Hands a request of the Git protocol to `git http-backend`. Its hooks folder is empty, and it may only touch this one repository. */
export function gitBackend(request: BackendRequest): Promise<BackendAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      'git',
      [
        ...hardened,
        '-c',
        'http.receivepack=true',
        '-c',
        'receive.fsckObjects=true',
        '-c',
        'receive.maxInputSize=2g',
        '-c',
        'safe.directory=*',
        'http-backend',
      ],
      {
        env: {
          ...gitEnvironment,
          GIT_PROJECT_ROOT: request.folder,
          GIT_HTTP_EXPORT_ALL: '1',
          PATH_INFO: request.path,
          QUERY_STRING: request.query,
          REQUEST_METHOD: request.method,
          CONTENT_TYPE: request.contentType,
          HTTP_CONTENT_ENCODING: request.encoding,
          GIT_PROTOCOL: request.protocol,
          REMOTE_USER: request.user,
          REMOTE_ADDR: 'berth',
        },
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      },
    )
    const timer = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), LIMIT * 1000)
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', (error) => reject(new AppError('unavailable', `git http-backend could not be started: ${error.message}`)))
    child.once('close', () => {
      clearTimeout(timer)
      resolve(parseAnswer(Buffer.concat(chunks)))
    })
    child.stdin.on('error', () => undefined)
    request.body.pipe(child.stdin)
  })
}

function parseAnswer(raw: Buffer): BackendAnswer {
  const end = raw.indexOf('\r\n\r\n')
  if (end < 0) return { status: 500, headers: {}, body: Buffer.from('git http-backend gave no answer') }
  const headers = Object.fromEntries(
    raw
      .subarray(0, end)
      .toString()
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const { status, ...rest } = headers
  return { status: Number.parseInt(status ?? '200', 10), headers: rest, body: raw.subarray(end + 4) }
}

/** A packet of the side band that git prints to the pusher as `remote: …` (at most 65,515 bytes of text each). */
export function progressPacket(text: string): Buffer {
  const data = Buffer.from(text).subarray(0, 65_000)
  return Buffer.concat([Buffer.from((data.length + 5).toString(16).padStart(4, '0')), Buffer.from([2]), data])
}

const FLUSH = Buffer.from('0000')

/** Splits a receive-pack answer before its last flush packet, so that progress can go in between; undefined where it carries no side band. */
export function splitBeforeFlush(body: Buffer): [Buffer, Buffer] | undefined {
  if (body.length < 9 || !body.subarray(-4).equals(FLUSH) || body[4] === undefined || body[4] > 3) return undefined
  return [body.subarray(0, -4), FLUSH]
}
