import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import type { Probe } from '../../model/probe.ts'
import { messageOf } from '../../model/error.ts'

export type Exec = (command: string[], seconds: number) => Promise<number>

/** One try. Returns null when it succeeded, else what went wrong in words. Never throws; takes `timeout` at most. */
export async function tryProbe(probe: Probe, address: string, exec: Exec): Promise<string | null> {
  const { check, timeout } = probe
  const limit = timeout * 1000
  try {
    if (check.kind === 'tcp') return await tryTcp(address, check.port, limit)
    if (check.kind === 'http') return await tryHttp(check, address, limit)
    if (check.kind === 'grpc') return await tryGrpc(check, address, limit)
    const code = await exec(check.command, timeout)
    return code === 0 ? null : `the command ${check.command[0]} ended with exit code ${code}`
  } catch (error) {
    return messageOf(error)
  }
}

function tryTcp(address: string, port: number, limit: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: limit })
    const end = (result: string | null) => () => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', end(null)).once('timeout', end(`no connection to port ${port} within ${limit / 1000} s`))
    socket.on('error', (error) =>
      end(`port ${port} does not accept connections (${'code' in error ? String(error.code) : error.message})`)(),
    )
  })
}

function tryHttp(check: { path: string; scheme: 'http' | 'https'; port: number }, address: string, limit: number): Promise<string | null> {
  return new Promise((resolve) => {
    const send = check.scheme === 'https' ? httpsRequest : httpRequest
    // As the kubelet does it: an application's own certificate is not checked, and a redirect counts as success.
    const outgoing = send({
      host: address,
      port: check.port,
      path: check.path,
      headers: { 'user-agent': 'berth-probe' },
      rejectUnauthorized: false,
      agent: false,
      signal: AbortSignal.timeout(limit),
    })
    outgoing.once('response', (response) => {
      response.destroy()
      const code = response.statusCode ?? 0
      resolve(code >= 200 && code < 400 ? null : `GET ${check.path} on port ${check.port} answered ${code}`)
    })
    outgoing.on('error', (error) =>
      resolve(
        error.name === 'AbortError' || error.name === 'TimeoutError'
          ? `GET ${check.path} on port ${check.port} did not answer within ${limit / 1000} s`
          : `GET ${check.path} on port ${check.port} failed (${'code' in error ? String(error.code) : error.message})`,
      ),
    )
    outgoing.end()
  })
}

/** `grpc.health.v1.Health/Check`: the request holds one string, the answer one number (1 = SERVING). */
function tryGrpc(check: { service: string; port: number }, address: string, limit: number): Promise<string | null> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${address}:${check.port}`)
    const end = (result: string | null): void => {
      clearTimeout(timer)
      session.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => end(`the gRPC health check on port ${check.port} did not answer within ${limit / 1000} s`), limit)
    session.on('error', (error) => end(`the gRPC health check on port ${check.port} failed (${error.message})`))
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const answer: Buffer[] = []
    stream.on('data', (chunk: Buffer) => answer.push(chunk))
    stream.on('error', (error) => end(`the gRPC health check on port ${check.port} failed (${error.message})`))
    stream.once('end', () => {
      const body = Buffer.concat(answer)
      end(body.length >= 7 && body[5] === 0x08 && body[6] === 1 ? null : `the gRPC health check on port ${check.port} did not say SERVING`)
    })
    const service = Buffer.from(check.service)
    const message = service.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, service.length]), service])
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(message.length, 1)
    stream.end(Buffer.concat([prefix, message]))
  })
}
