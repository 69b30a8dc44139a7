import { request, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AppError } from '../../model/error.ts'

/** Version of the Docker Engine API spoken: 1.41 is that of Docker 20.10, the oldest supported. */
const API = '/v1.41'
/** Milliseconds the daemon may take to begin an answer; pulls and streams set their own limit. */
const ANSWER_LIMIT = 60_000

type Options = { body?: unknown; signal?: AbortSignal | undefined; limit?: number; headers?: Record<string, string> }

/** Docker's HTTP API over its unix socket. */
export class DockerClient {
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** The parsed JSON answer; undefined for an empty one. 404 and 409 become AppErrors of these codes. */
  async call<T>(method: string, path: string, options: Options = {}): Promise<T> {
    const response = await this.stream(method, path, options)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** Like `call`, undefined where the thing does not exist. */
  async find<T>(method: string, path: string, options: Options = {}): Promise<T | undefined> {
    try {
      return await this.call<T>(method, path, options)
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return undefined
      throw error
    }
  }

  /** The connection itself, once Docker has given it up to both sides. */
  hijack(method: string, path: string, options: Options = {}): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(options.body ?? {})
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        connection: 'Upgrade',
        upgrade: 'tcp',
      }
      const outgoing = request({ socketPath: this.#socketPath, method, path: API + path, headers, signal: options.signal })
      outgoing.once('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head)
        // Whoever reads it is told; an error that comes before anybody does must not end the process.
        socket.on('error', () => undefined)
        resolve(socket)
      })
      outgoing.once('response', (response) => void failure(response).then(reject, reject))
      outgoing.once('error', (error) =>
        reject(new AppError('unavailable', `Docker cannot be reached at ${this.#socketPath}: ${error.message}`)),
      )
      outgoing.end(body)
    })
  }

  /** The answer as a stream, once its status is known to be good. */
  stream(method: string, path: string, options: Options = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const body = options.body === undefined ? undefined : JSON.stringify(options.body)
      const headers = {
        ...options.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      }
      const outgoing = request({
        socketPath: this.#socketPath,
        method,
        path: API + path,
        headers,
        signal: options.signal,
        timeout: options.limit ?? ANSWER_LIMIT,
      })
      outgoing.once('timeout', () =>
        outgoing.destroy(
          new AppError('unavailable', `Docker did not answer ${method} ${path} within ${(options.limit ?? ANSWER_LIMIT) / 1000} s.`),
        ),
      )
      outgoing.once('error', (error) =>
        reject(
          error instanceof AppError || error.name === 'AbortError'
            ? error
            : new AppError('unavailable', `Docker cannot be reached at ${this.#socketPath}: ${error.message}`),
        ),
      )
      outgoing.once('response', (response) => {
        outgoing.setTimeout(0)
        if ((response.statusCode ?? 500) < 400) resolve(response)
        else void failure(response).then(reject, reject)
      })
      outgoing.end(body)
    })
  }
}

async function failure(response: IncomingMessage): Promise<AppError> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const message = messageIn(text)
  if (response.statusCode === 404) return new AppError('not_found', message)
  if (response.statusCode === 409) return new AppError('conflict', message)
  return new AppError(response.statusCode === 400 ? 'invalid' : 'unavailable', message)
}

function messageIn(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text
  } catch {
    return text
  }
}

/** Splits Docker's multiplexed stream (8-byte header: stream, 0, 0, 0, length) into frames. */
export async function* frames(stream: AsyncIterable<Buffer>): AsyncIterable<{ stderr: boolean; data: Buffer }> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 8) {
      const length = rest.readUInt32BE(4)
      if (rest.length < 8 + length) break
      yield { stderr: rest[0] === 2, data: rest.subarray(8, 8 + length) }
      rest = rest.subarray(8 + length)
    }
  }
}
