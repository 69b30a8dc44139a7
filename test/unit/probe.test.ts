import { createServer as createHttp, type Server } from 'node:http'
import { createServer as createHttp2, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tryProbe } from '../../src/engine/docker/probe.ts'
import type { Probe } from '../../src/model/probe.ts'

let http: Server
let grpc: Http2Server
const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port
const exec = (command: string[]): Promise<number> => Promise.resolve(command[0] === 'good' ? 0 : 3)
const run = (check: Probe['check'], timeout = 1): Promise<string | null> =>
  tryProbe({ check, initialDelay: 0, period: 1, timeout, successThreshold: 1, failureThreshold: 1 }, '127.0.0.1', exec)

beforeAll(async () => {
  http = createHttp((request, response) => {
    if (request.url === '/slow') return
    response.writeHead(request.url === '/good' ? 200 : request.url === '/moved' ? 302 : 503).end()
  })
  grpc = createHttp2()
  grpc.on('stream', (stream) => {
    const asked: Buffer[] = []
    stream.on('data', (chunk: Buffer) => asked.push(chunk))
    stream.on('end', () => {
      const serving = Buffer.concat(asked).toString().includes('well')
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving ? 1 : 2]))
    })
  })
  await Promise.all([http, grpc].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))))
})
afterAll(() => {
  http.closeAllConnections()
  http.close()
  grpc.close()
})

describe('a probe', () => {
  test('by HTTP succeeds from 200 to 399, as the kubelet has it, and says what else came', async () => {
    expect(await run({ kind: 'http', path: '/good', scheme: 'http', port: portOf(http) })).toBeNull()
    expect(await run({ kind: 'http', path: '/moved', scheme: 'http', port: portOf(http) })).toBeNull()
    expect(await run({ kind: 'http', path: '/bad', scheme: 'http', port: portOf(http) })).toContain('answered 503')
    expect(await run({ kind: 'http', path: '/slow', scheme: 'http', port: portOf(http) })).toContain('did not answer within 1 s')
  })

  test('by TCP succeeds when the port accepts', async () => {
    expect(await run({ kind: 'tcp', port: portOf(http) })).toBeNull()
    expect(await run({ kind: 'tcp', port: 1 })).toContain('ECONNREFUSED')
  })

  test('by gRPC succeeds when the health service says SERVING', async () => {
    expect(await run({ kind: 'grpc', port: portOf(grpc), service: 'well' })).toBeNull()
    expect(await run({ kind: 'grpc', port: portOf(grpc), service: 'ill' })).toContain('did not say SERVING')
    expect(await run({ kind: 'grpc', port: 1, service: '' })).toContain('failed')
  })

  test('by command succeeds with exit code 0', async () => {
    expect(await run({ kind: 'exec', command: ['good'] })).toBeNull()
    expect(await run({ kind: 'exec', command: ['bad'] })).toContain('exit code 3')
  })
})
