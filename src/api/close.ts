import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** Milliseconds in which a client that asks again learns with its answer that the connection ends. */
const NOTICE = 1000
/** Milliseconds that requests under way may take to end after it. */
const PATIENCE = 10_000

/** Call it before listening. What it returns ends the API without a failed request: an answer under way is finished, and a kept connection ends with one. */
export function gentleClose(app: FastifyInstance): () => Promise<void> {
  const sockets = new Set<Socket>()
  const answers = new Set<ServerResponse>()
  let ending = false
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  app.server.prependListener('request', (request, answer) => {
    answers.add(answer)
    if (ending) answer.shouldKeepAlive = false
    answer.once('close', () => {
      answers.delete(answer)
      // Its head, which says that the connection is kept, may have been sent before the end began.
      if (ending) request.socket.destroySoon()
    })
  })
  return async () => {
    ending = true
    for (const answer of answers) answer.shouldKeepAlive = false
    if (sockets.size > 0) await pause(NOTICE)
    const late = setTimeout(() => sockets.forEach((socket) => socket.destroy()), PATIENCE)
    await app.close()
    clearTimeout(late)
  }
}
