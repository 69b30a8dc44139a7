import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

export type Load = { requests: number; failures: string[]; bodies: Set<string> }

/** Domains that are not this machine's: where the gateway of their cluster answers. */
const gateways = new Map<string, string>()
export const answersAt = (domain: string, address: string): void => void gateways.set(domain, address)
export const addressOf = (host: string): string => [...gateways].find(([domain]) => host.endsWith(domain))?.[1] ?? '127.0.0.1'

/** Names below `.localhost` are this machine's; Node's resolver does not know. */
const lookup = (host: string, options: { all?: boolean }, done: (error: null, address: unknown, family?: number) => void): void =>
  options.all ? done(null, [{ address: addressOf(host), family: 4 }]) : done(null, addressOf(host), 4)

/** One HTTPS request to a local name, its certificate checked against the authority. */
export function ask(
  url: string,
  caFile: string,
  options: { method?: string; path?: string; agent?: Agent } = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const method = options.method ?? 'GET'
    const outgoing = request(
      url + (options.path ?? '/'),
      { method, agent: options.agent ?? new Agent(), ca: readFileSync(caFile), lookup: lookup as never, timeout: 15_000 },
      (response) => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: body.trim() }))
        response.once('error', reject)
      },
    )
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 15 s')))
    outgoing.once('error', reject)
    outgoing.end(method === 'POST' ? 'x'.repeat(1000) : undefined)
  })
}

/** Four clients with kept-alive connections, fast and slow requests, GET and POST, while `work` runs; every answer that is not 200 counts as failed. */
export async function underLoad(url: string, caFile: string, work: () => Promise<void>): Promise<Load> {
  const load: Load = { requests: 0, failures: [], bodies: new Set() }
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  let going = true
  const client = async (n: number): Promise<void> => {
    while (going) {
      const answer = await ask(url, caFile, { agent, method: n > 1 ? 'POST' : 'GET', path: n % 2 ? '/slow/120' : '/' }).catch(
        (error: unknown) => ({ status: 0, body: String(error) }),
      )
      load.requests++
      if (answer.status === 200) load.bodies.add(answer.body)
      else load.failures.push(`${answer.status} ${answer.body}`)
    }
  }
  const clients = [0, 1, 2, 3].map(client)
  try {
    await work()
  } finally {
    going = false
    await Promise.all(clients)
    agent.destroy()
  }
  return load
}
