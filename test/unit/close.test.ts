import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { gentleClose } from '../../src/api/close.ts'

/** One connection that is kept, as proxies and clients keep theirs. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

const ask = (url: string): Promise<{ status: number | undefined; connection: string | undefined }> =>
  new Promise((done, fail) => {
    get(url, { agent }, (answer) => {
      answer.resume().on('end', () => done({ status: answer.statusCode, connection: answer.headers.connection }))
    }).on('error', fail)
  })

test('a server that stops finishes what it was asked, and answers who keeps a connection that it ends', async () => {
  const app = Fastify({ return503OnClosing: false })
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>()
  app.get('/slow', async () => {
    isAsked()
    await pause(1500)
    return 'slow'
  })
  app.get('/quick', () => 'quick')
  const close = gentleClose(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  expect(await ask(`${url}/quick`)).toEqual({ status: 200, connection: 'keep-alive' })
  const slow = fetch(`${url}/slow`)
  await asked
  const closed = close()
  expect(await ask(`${url}/quick`)).toEqual({ status: 200, connection: 'close' })
  expect(await slow.then((answer) => answer.text())).toBe('slow')
  await closed
  await expect(ask(`${url}/quick`)).rejects.toThrow('ECONNREFUSED')
})
