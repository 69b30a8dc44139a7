import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import type { KubeClient } from '../../src/engine/kubernetes/client.ts'
import { openForward } from '../../src/engine/kubernetes/forward.ts'
import { Egress } from '../../src/source/egress.ts'
import { send } from '../../src/source/http.ts'

describe('a connection to a port of an instance', () => {
  test('that is refused before anybody reads from it tells so later, and ends nothing else', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    server.on('connection', (socket) => socket.send(Buffer.from([1, 0x90, 0x1f, ...Buffer.from('connection refused')])))
    await once(server, 'listening')
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    socket.once('open', () => socket.pause())
    await once(socket, 'open')
    const client = { socket: () => Promise.resolve(socket) } as unknown as KubeClient
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'n' } }
    const stream = await openForward(client, pod, { port: 8080, signal: new AbortController().signal })
    await pause(100)
    await expect(stream.toArray()).rejects.toThrow('Nothing accepts connections on port 8080 of web: connection refused')
    server.close()
  })
})

describe('an answer from outside', () => {
  test.each<[string, number, RegExp]>([
    ['breaks off', 1000, /The registry .* cannot be reached: aborted/],
    ['is too large', 3, /its answer is larger than 3 bytes/],
    ['does not end', 1000, /cannot be reached/],
  ])('that %s is told as that, and does not keep anybody waiting', async (how, size, message) => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('begun')
      if (how === 'breaks off') setTimeout(() => response.destroy(), 20)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    await expect(send(new Egress(['127.0.0.0/8']), 'GET', url, { what: 'registry', limit: 300, size })).rejects.toThrow(message)
    server.closeAllConnections()
    server.close()
  })
})
