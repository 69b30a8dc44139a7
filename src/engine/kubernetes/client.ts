import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { isIP } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import WebSocket from 'ws'
import { AppError } from '../../model/error.ts'
import type { KubernetesAccess } from '../../model/kubeconfig.ts'
import { errorIn, isMissing, KubernetesError } from './error.ts'

/** Milliseconds the API server may take to begin an answer, and during which a call that failed in passing is tried again. */
const ANSWER_LIMIT = 15_000
const PATIENCE = 45_000
/** Milliseconds between tries: doubled each time up to the limit. */
const FIRST_PAUSE = 200
const LONGEST_PAUSE = 5_000
/** Bytes of one answer that are read: a list of a thousand pods has some 10 MB. */
const SIZE_LIMIT = 256 * 1024 * 1024

/** Where the cluster is and who we are there, read when needed; `address` applies the egress rule to a host and gives the address to connect to. */
export type Reaching = { access: () => Promise<KubernetesAccess>; address: (host: string) => Promise<string> }

export type CallOptions = {
  body?: unknown
  type?: string
  accept?: string
  signal?: AbortSignal | undefined
  /** Milliseconds until the answer must have begun. */
  limit?: number
  /** Milliseconds during which passing failures are tried again; 0 = once. */
  patience?: number
}

type Way = { access: KubernetesAccess; url: URL; address: string; agent: Agent }

/** The Kubernetes API over HTTPS: calls, streams and WebSockets. Passing failures (no connection, 429, 5xx) are tried again within a deadline. */
export class KubeClient {
  readonly #reaching: Reaching
  #way: Promise<Way> | undefined
  /** Calls made since the start, for the metrics of `bench/`. */
  calls = 0

  constructor(reaching: Reaching) {
    this.#reaching = reaching
  }

  /** Forgets address and credential: they are read again at the next call. */
  forget(): void {
    const way = this.#way
    this.#way = undefined
    void way?.then(
      ({ agent }) => closeIdle(agent),
      () => undefined,
    )
  }

  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const until = Date.now() + (options.patience ?? PATIENCE)
    for (let wait = FIRST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      try {
        const response = await this.stream(method, path, options)
        return JSON.parse((await textOf(response)) || 'null') as T
      } catch (error) {
        if (options.signal?.aborted || !isPassing(error) || Date.now() + wait > until) throw error
        await pause(Math.max(wait, error instanceof KubernetesError ? (error.retryAfter ?? 0) : 0), undefined, { signal: options.signal })
      }
    }
  }

  /** Like `call`, undefined where the thing does not exist. */
  async find<T>(method: string, path: string, options: CallOptions = {}): Promise<T | undefined> {
    try {
      return await this.call<T>(method, path, options)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** The answer as a stream, once its status is known to be good. One try. */
  async stream(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const way = await this.#open()
    this.calls++
    try {
      return await send(way, { method, path, options })
    } catch (error) {
      if (
        error instanceof AppError &&
        (error.code === 'unauthenticated' || (error.code === 'unavailable' && !(error instanceof KubernetesError)))
      )
        this.forget()
      throw error
    }
  }

  /** A WebSocket, paused: what comes with the handshake's answer is lost to whoever listens a moment later. */
  async socket(path: string, protocol: string, signal: AbortSignal): Promise<WebSocket> {
    const way = await this.#open()
    this.calls++
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`wss://${way.url.host}${prefixOf(way.url)}${path}`, protocol, {
        ...tlsOf(way),
        host: way.address,
        headers: headersOf(way.access),
        signal,
        handshakeTimeout: ANSWER_LIMIT,
        maxPayload: 16 * 1024 * 1024,
      } as WebSocket.ClientOptions)
      socket.once('open', () => {
        socket.pause()
        resolve(socket)
      })
      socket.once('unexpected-response', (_request, response) => void failure(response).then(reject, reject))
      socket.on('error', (error) => reject(error instanceof AppError ? error : unreachable(way, error)))
    })
  }

  #open(): Promise<Way> {
    this.#way ??= this.#find()
    this.#way.catch(() => (this.#way = undefined))
    return this.#way
  }

  async #find(): Promise<Way> {
    const access = await this.#reaching.access()
    const url = new URL(access.server)
    const address = await this.#reaching.address(url.hostname)
    return { access, url, address, agent: new Agent({ keepAlive: true, maxSockets: 64, keepAliveMsecs: 10_000 }) }
  }
}

/** Calls that are under way on other connections have nothing to do with one that broke. */
function closeIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

const prefixOf = (url: URL): string => url.pathname.replace(/\/+$/, '')
const headersOf = (access: KubernetesAccess): Record<string, string> => ({
  'user-agent': 'berth/0.1.0',
  ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
})

function tlsOf({ access, url }: Way) {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    ...(access.authority === null ? {} : { ca: access.authority }),
    ...(access.certificate === null || access.key === null ? {} : { cert: access.certificate, key: access.key }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
  }
}

function send(way: Way, of: { method: string; path: string; options: CallOptions }): Promise<IncomingMessage> {
  const { options } = of
  const body = options.body === undefined ? undefined : JSON.stringify(options.body)
  const limit = options.limit ?? ANSWER_LIMIT
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...tlsOf(way),
      agent: way.agent,
      method: of.method,
      host: way.address,
      port: way.url.port || 443,
      path: prefixOf(way.url) + of.path,
      headers: {
        ...headersOf(way.access),
        host: way.url.host,
        accept: options.accept ?? 'application/json',
        ...(body === undefined ? {} : { 'content-type': options.type ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      signal: options.signal,
    })
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${limit / 1000} s`)), limit)
    outgoing.once('error', (error) => {
      clearTimeout(timer)
      reject(error.name === 'AbortError' ? error : unreachable(way, error))
    })
    outgoing.once('response', (response) => {
      clearTimeout(timer)
      if ((response.statusCode ?? 500) < 400) resolve(response)
      else void failure(response).then(reject, reject)
    })
    outgoing.end(body)
  })
}

const unreachable = (way: Way, error: Error): AppError =>
  new AppError('unavailable', `The Kubernetes API at ${way.url.host} cannot be reached: ${error.message}`)

const isPassing = (error: unknown): boolean => error instanceof AppError && error.code === 'unavailable'

async function failure(response: IncomingMessage): Promise<KubernetesError> {
  const text = await textOf(response).catch(() => '')
  return errorIn(response.statusCode ?? 500, text, response.headers['retry-after'])
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > SIZE_LIMIT) throw new AppError('internal', `The Kubernetes API sent more than ${SIZE_LIMIT} bytes.`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('unavailable', `The answer of the Kubernetes API broke off: ${(error as Error).message}`)
  }
  return Buffer.concat(chunks).toString()
}
