import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { AppError, messageOf } from '../model/error.ts'
import type { Egress } from './egress.ts'

export type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer }

/** `what`: the noun of the other side, for errors. `limit`: milliseconds until the whole answer must be there. `size`: bytes of it that are read. */
type Asking = { what: string; limit: number; size: number; headers?: Record<string, string> }

/** Connects to the address that the egress rule checked, and follows no redirect. */
export async function send(egress: Egress, method: 'GET' | 'HEAD' | 'DELETE', href: string, of: Asking): Promise<Answer> {
  const url = new URL(href)
  const address = await egress.addressOf(url.hostname, of.what)
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  const lost = (error: unknown): AppError =>
    new AppError('unavailable', `The ${of.what} ${url.host} cannot be reached: ${messageOf(error)}`)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = open({
      method,
      host: address,
      servername: url.hostname,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: url.pathname + url.search,
      headers: { ...of.headers, host: url.host, 'user-agent': 'berth' },
      signal: AbortSignal.timeout(of.limit),
    })
    outgoing.on('error', (error) => reject(lost(error)))
    outgoing.once('response', resolve)
    outgoing.end()
  })
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > of.size) throw new Error(`its answer is larger than ${of.size} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw lost(error)
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}
