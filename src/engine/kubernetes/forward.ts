import { Duplex } from 'node:stream'
import { AppError } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { pathTo, type KubeObject } from './object.ts'

/** Channels of Kubernetes' port forward protocol for the one port that is asked for: its bytes, and its errors as text. Each begins with the port's number in two bytes. */
const [DATA, ERRORS] = [0, 1] as const
const PROTOCOL = 'v4.channel.k8s.io'
const HEAD = 2

/** A TCP connection to a port of a pod, through the API server. */
export async function openForward(client: KubeClient, pod: KubeObject, options: { port: number; signal: AbortSignal }): Promise<Duplex> {
  const path = pathTo({ kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name })
  const socket = await client.socket(`${path}/portforward?ports=${options.port}`, PROTOCOL, options.signal)
  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => socket.send(Buffer.concat([Buffer.from([DATA]), chunk]), done),
    // The protocol has no way to end one direction: the connection goes when the other side is done.
    final: (done) => done(),
    destroy: (error, done) => {
      socket.close()
      done(error)
    },
  })
  // Whoever reads it is told; an error that comes before anybody does must not end the process.
  stream.on('error', () => undefined)
  const heads = new Map<number, number>([
    [DATA, HEAD],
    [ERRORS, HEAD],
  ])
  socket.on('message', (data: Buffer) => {
    const channel = data[0] ?? -1
    const skipped = Math.min(heads.get(channel) ?? 0, data.length - 1)
    heads.set(channel, (heads.get(channel) ?? 0) - skipped)
    const body = data.subarray(1 + skipped)
    if (body.length === 0) return
    if (channel === ERRORS)
      stream.destroy(
        new AppError(
          'unavailable',
          `Nothing accepts connections on port ${options.port} of ${pod.metadata.name}: ${body.toString().slice(0, 300)}`,
        ),
      )
    else if (!stream.push(body)) socket.pause()
  })
  socket.once('close', () => stream.push(null))
  socket.on('error', (error) => stream.destroy(error))
  socket.resume()
  return stream
}
