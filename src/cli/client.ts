import { AppError, errorCodes, type ErrorCode } from '../model/error.ts'

/** Milliseconds a request may take. */
const LIMIT = 60_000

/** The API as the command line sees it: JSON in, JSON out, failures as AppErrors with the server's words. */
export class Client {
  readonly apiUrl: string
  readonly token: string

  constructor(apiUrl: string, token: string) {
    this.apiUrl = apiUrl.replace(/\/+$/, '')
    this.token = token
  }

  get = <T>(path: string): Promise<T> => this.#send<T>('GET', path)
  post = <T>(path: string, body?: unknown): Promise<T> => this.#send<T>('POST', path, body)
  put = <T>(path: string, body?: unknown): Promise<T> => this.#send<T>('PUT', path, body)
  delete = (path: string): Promise<void> => this.#send<void>('DELETE', path)
  list = async <T>(path: string): Promise<T[]> => (await this.get<{ results: T[] }>(path)).results

  /** Text in, text out: for what is not JSON. */
  text = async (method: string, path: string, body?: string): Promise<string> =>
    this.#fetch(method, path, body === undefined ? null : { type: 'application/x-yaml', text: body })

  async #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = await this.#fetch(method, path, body === undefined ? null : { type: 'application/json', text: JSON.stringify(body) })
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  async #fetch(method: string, path: string, body: { type: string; text: string } | null): Promise<string> {
    const init: RequestInit = {
      method,
      headers: {
        authorization: `Token ${this.token}`,
        'user-agent': 'berth-cli 0.1.0',
        ...(body === null ? {} : { 'content-type': body.type }),
      },
      signal: AbortSignal.timeout(LIMIT),
    }
    if (body !== null) init.body = body.text
    const response = await fetch(this.apiUrl + path, init).catch((error: unknown) => {
      throw new AppError(
        'unavailable',
        `No Berth answers at ${this.apiUrl} (${error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : 'unknown'}). Start it with bin/up, or name another one with berth login or BERTH_URL.`,
      )
    })
    const text = await response.text()
    if (!response.ok) throw failure(response.status, text)
    return text
  }
}

const byStatus: Record<number, ErrorCode> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  503: 'unavailable',
}

function failure(status: number, text: string): AppError {
  try {
    const body = JSON.parse(text) as { detail?: string; code?: string }
    const code = errorCodes.find((one) => one === body.code) ?? byStatus[status] ?? 'internal'
    return new AppError(code, body.detail ?? text)
  } catch {
    return new AppError(byStatus[status] ?? 'internal', text.slice(0, 500))
  }
}
