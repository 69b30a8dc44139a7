import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { AppError } from '../model/error.ts'
import type { Egress } from './egress.ts'

export type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer }

/** `what`: the noun of the other side, for errors. `limit`: milliseconds until the whole answer must be there. `size`: bytes of it that are read. */
type Asking = { what: string; limit: number; size: number; headers?: Record<string, string> }

/** Connects to the address that the egress rule checked, and follows no redirect. */
export async function send(egress: Egress, method: 'GET' | 'HEAD' | 'DELETE', href: string, of: Asking): Promise<Answer> {
  const url = new URL(href)
  const address = await egress.addressOf(url.hostname, of.what)
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const outgoing = open({
      method,
      host: address,
      servername: url.hostname,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: url.pathname + url.search,
      headers: { ...of.headers, host: url.host, 'user-agent': 'berth' },
      signal: AbortSignal.timeout(of.limit),
    })
    outgoing.once('error', (error) => reject(new AppError('unavailable', `The ${of.what} ${url.host} cannot be reached: ${error.message}`)))
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > of.size) outgoing.destroy(new Error(`its answer is larger than ${of.size} bytes`))
        else chunks.push(chunk)
      })
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
    })
    outgoing.end()
  })
}
