import { copyFileSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRegistry, type Service } from '../harness/deploy.ts'
import { ground } from '../harness/ground.ts'
import { pushImage } from '../harness/image.ts'
import { addressOf } from '../harness/load.ts'
import { TestServer, until, workFolder, type Place } from '../harness/server.ts'

let server: TestServer
let place: Place
let registry: { name: string; stop: () => void }

beforeAll(async () => {
  server = await TestServer.start()
  place = await ground.place(server)
  registry = await ground.registry()
})
afterAll(async () => {
  registry.stop()
  await server.remove()
})

describe('gRPC', () => {
  test('is published over TLS and HTTP/2, and its health service decides readiness', async () => {
    const folder = workFolder('grpc')
    copyFileSync(realpathSync(process.execPath), join(folder, 'node'))
    writeFileSync(join(folder, 'server.mjs'), grpcServer)
    writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nCOPY node server.mjs /\nCMD ["/node", "/server.mjs"]\n')
    pushImage(folder, { registry: registry.name, name: 'team/grpc', tag: '1' })
    const registryId = await createRegistry(server.client, place.organizationId, registry.name)
    const ports = [{ internal_port: 50_051, publicly_accessible: true, protocol: 'GRPC' }]
    const readiness = {
      type: { grpc: { port: 50_051 } },
      initial_delay_seconds: 0,
      period_seconds: 1,
      timeout_seconds: 1,
      success_threshold: 1,
      failure_threshold: 20,
    }
    const made = await server.client.post<Service>(`/environment/${place.environmentId}/container`, {
      name: 'grpc',
      registry_id: registryId,
      image_name: 'team/grpc',
      tag: '1',
      ports,
      healthchecks: { readiness_probe: readiness },
    })
    await server.client.post(`/container/${made.id}/deploy`)
    await until('it to be deployed', 60, async () =>
      /DEPLOYED|ERROR/.test((await server.client.get<{ state: string }>(`/container/${made.id}/status`)).state),
    )
    const [link] = await server.client.list<{ url: string }>(`/container/${made.id}/link`)
    expect(await overGrpc(link?.url ?? '')).toEqual({ status: 200, trailer: '0', body: Buffer.from([0, 0, 0, 0, 2, 8, 1]) })
  })
})

/** A gRPC server that answers every call as the health service does when it serves. */
const grpcServer = `
import { createServer } from 'node:http2'
createServer().on('stream', (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.resume().on('end', () => stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1])))
}).listen(50051)
`

function overGrpc(href: string): Promise<{ status: number; trailer: unknown; body: Buffer }> {
  const url = new URL(href)
  return new Promise((done, reject) => {
    const session = connectHttp2(`https://${addressOf(url.hostname)}:${url.port || 443}`, {
      ca: readFileSync(server.info.caFile),
      servername: url.hostname,
    })
    session.once('error', reject)
    const call = session.request({
      ':method': 'POST',
      ':path': '/any.Service/Call',
      ':authority': url.hostname,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const chunks: Buffer[] = []
    let [status, trailer]: [number, unknown] = [0, undefined]
    call.on('response', (headers) => (status = Number(headers[':status'])))
    call.on('trailers', (headers) => (trailer = headers['grpc-status']))
    call.on('data', (chunk: Buffer) => chunks.push(chunk))
    call.once('error', reject)
    call.once('end', () => {
      session.close()
      done({ status, trailer, body: Buffer.concat(chunks) })
    })
    call.end(Buffer.from([0, 0, 0, 0, 0]))
  })
}
