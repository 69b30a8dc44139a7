import type { FastifyRequest } from 'fastify'
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { placeOf } from '../deploy/release.ts'
import type { Application } from '../model/application.ts'
import { AppError, messageOf } from '../model/error.ts'
import { findCluster } from '../store/cluster.ts'
import { recordEvent } from '../store/event.ts'
import { Finder } from './find.ts'
import type { Api } from './route.ts'

/** Bytes of one frame: clients read each into a buffer of this size and drop the rest. */
const FRAME_LIMIT = 32 * 1024
/** Without a terminal, this byte alone means that the input has ended. */
const END_OF_INPUT = 0x04
/** What is run where nothing is named. */
const SHELL = ['sh']
const WORDS_LIMIT = 100

type Query = Record<string, string | undefined>

/** A terminal, or pipes, in an instance; and a TCP connection to one. Raw bytes in binary frames, both ways. */
export function shellRoutes(api: Api, get: (path: string, run: (socket: WebSocket, request: FastifyRequest) => void) => void): void {
  get('/shell/exec', (socket, request) => void carry(api, socket, request, 'SHELL'))
  get('/shell/portforward', (socket, request) => void carry(api, socket, request, 'PORT_FORWARD'))
}

async function carry(api: Api, socket: WebSocket, request: FastifyRequest, kind: 'SHELL' | 'PORT_FORWARD'): Promise<void> {
  // What comes before the other end is there waits in the connection.
  socket.pause()
  const abort = new AbortController()
  socket.once('close', () => abort.abort())
  socket.on('error', () => abort.abort())
  try {
    refuseForeignOrigin(api, request)
    const query = request.query as Query
    const finder = new Finder(api.deps.db, request.caller)
    const application = await finder.application(query['service'] ?? '', 'write')
    const terminal = kind === 'SHELL' ? terminalIn(query) : null
    const stream = await open(api, finder, { application, query, kind, signal: abort.signal })
    // While this is written the other end may break; reading it tells.
    stream.on('error', () => undefined)
    await record(api, request, { application, kind, query })
    await join(socket, stream, terminal === null && kind === 'SHELL')
    socket.close(1000)
  } catch (error) {
    const refused = error instanceof AppError && ['not_found', 'forbidden', 'invalid', 'unsupported'].includes(error.code)
    socket.resume()
    socket.close(refused ? 1008 : 1011, messageOf(error).slice(0, 120))
  } finally {
    abort.abort()
  }
}

/** A page of somebody else must not use a person's browser to get in. Programs send no Origin. */
function refuseForeignOrigin(api: Api, request: FastifyRequest): void {
  const { origin } = request.headers
  if (origin !== undefined && origin !== new URL(api.settings.apiUrl).origin)
    throw new AppError('forbidden', `A page of ${origin.slice(0, 60)} may not open this.`)
}

async function open(
  api: Api,
  finder: Finder,
  of: { application: Application; query: Query; kind: 'SHELL' | 'PORT_FORWARD'; signal: AbortSignal },
): Promise<Duplex> {
  const { application, query, signal } = of
  const environment = await finder.environment(application.environmentId, 'read')
  const cluster = await findCluster(api.deps.db, [application.organizationId], environment.cluster_id)
  if (!cluster) throw new AppError('not_found', 'The cluster of this service does not exist any more.')
  const { inspection } = api.deps.adaptersOf(cluster)
  const place = await placeOf(api.deps.db, application)
  const instance = query['pod_name'] || null
  if (of.kind === 'SHELL') return inspection.exec(place, { instance, command: commandIn(query), terminal: terminalIn(query), signal })
  const port = Number(query['port'])
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new AppError('invalid', 'expected a port between 1 and 65535', 'port')
  return inspection.forward(place, { instance, port, signal })
}

/** `command[0]=…&command[1]=…`, in the order of the numbers. */
function commandIn(query: Query): string[] {
  const words: string[] = []
  for (let n = 0; n < WORDS_LIMIT; n++) {
    const word = query[`command[${n}]`]
    if (word === undefined) break
    words.push(word)
  }
  return words.length === 0 ? SHELL : words
}

/** 0 × 0, or nothing, is no terminal. */
function terminalIn(query: Query): { columns: number; rows: number } | null {
  const [columns, rows] = [Number(query['tty_width'] ?? 0), Number(query['tty_height'] ?? 0)]
  const fits = (size: number): boolean => Number.isInteger(size) && size > 0 && size <= 10_000
  return fits(columns) && fits(rows) ? { columns, rows } : null
}

async function record(api: Api, request: FastifyRequest, of: { application: Application; kind: string; query: Query }): Promise<void> {
  const { caller } = request
  const { application } = of
  await recordEvent(
    api.deps.db,
    { accountId: caller.accountId, name: caller.name, origin: caller.origin },
    of.kind,
    { kind: 'APPLICATION', id: application.id, name: application.name, organizationId: application.organizationId },
    { instance: of.query['pod_name'] ?? null, ...(of.kind === 'PORT_FORWARD' ? { port: Number(of.query['port']) } : {}) },
  )
}

/** Carries bytes until the other end is done. Neither side is read faster than the other takes. */
async function join(socket: WebSocket, stream: Duplex, endsByByte: boolean): Promise<void> {
  socket.on('message', (data: RawData) => {
    const bytes = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
    if (endsByByte && bytes.length === 1 && bytes[0] === END_OF_INPUT) return void stream.end()
    if (!stream.writable || stream.write(bytes)) return
    socket.pause()
    stream.once('drain', () => socket.resume())
  })
  socket.once('close', () => stream.destroy())
  socket.resume()
  for await (const chunk of stream as AsyncIterable<Buffer>)
    for (let from = 0; from < chunk.length; from += FRAME_LIMIT) await sendFrame(socket, chunk.subarray(from, from + FRAME_LIMIT))
}

const sendFrame = (socket: WebSocket, frame: Buffer): Promise<void> =>
  new Promise((resolve, reject) => socket.send(frame, { binary: true }, (error) => (error ? reject(error) : resolve())))
