import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { KubernetesAccess } from '../../src/model/kubeconfig.ts'
import { firstAuthority, localCertificate } from '../../src/wire/certificate.ts'

export type Faulty = {
  access: KubernetesAccess
  faults: { refused: number; broken: number; dropped: number; expired: number }
  stop: () => void
}

/** An API server that is in trouble: a real one behind a proxy which refuses, fails or drops every third call, cuts every watch after two seconds, and knows nothing any more of where every fifth one left off. */
export async function faultyApi(real: KubernetesAccess): Promise<Faulty> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-faulty-'))
  const authority = await firstAuthority(folder)
  const { chain, key } = await localCertificate(folder, 'localhost', authority)
  const { host, hostname, port } = new URL(real.server)
  const agent = new Agent({ keepAlive: true, ca: real.authority ?? undefined })
  const faults = { refused: 0, broken: 0, dropped: 0, expired: 0 }
  let [calls, watches] = [0, 0]
  const server = createServer({ cert: chain, key }, (incoming, outgoing) => {
    const turn = ++calls % 9
    if (turn === 0) {
      faults.refused++
      outgoing.writeHead(429, { 'retry-after': '1' }).end('{"kind":"Status","message":"too many requests","reason":"TooManyRequests"}')
      return
    }
    if (turn === 3) {
      faults.broken++
      outgoing.writeHead(503).end('etcdserver: leader changed')
      return
    }
    if (turn === 6) {
      faults.dropped++
      incoming.socket.destroy()
      return
    }
    const { method, url: path, headers } = incoming
    if (path?.includes('watch=') && ++watches % 5 === 0) {
      faults.expired++
      const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
      outgoing.end(`${JSON.stringify({ type: 'ERROR', object: expired })}\n`)
      return
    }
    const through = request({ agent, method, host: hostname, port, path, headers: { ...headers, host } }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
      if (path?.includes('watch=')) setTimeout(() => outgoing.destroy(), 2000)
    })
    through.once('error', () => outgoing.destroy())
    outgoing.once('close', () => through.destroy())
    incoming.pipe(through)
  })
  server.on('upgrade', ({ method, url: path, headers }, socket: Duplex, head) => {
    const through = request({
      method,
      host: hostname,
      port,
      path,
      headers: { ...headers, host },
      ca: real.authority ?? undefined,
      agent: false,
    })
    through.once('upgrade', (answer, upstream) => {
      const lines = answer.rawHeaders.flatMap((word, n) => (n % 2 === 0 ? [`${word}: ${answer.rawHeaders[n + 1]}`] : []))
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      upstream.write(head)
      socket.pipe(upstream).pipe(socket)
      upstream.once('error', () => socket.destroy())
    })
    for (const event of ['error', 'response']) through.once(event, () => socket.destroy())
    socket.once('error', () => through.destroy())
    through.end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    access: { ...real, server: `https://localhost:${(server.address() as AddressInfo).port}`, authority: authority.certificate },
    faults,
    stop: () => {
      server.closeAllConnections()
      server.close()
      agent.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
