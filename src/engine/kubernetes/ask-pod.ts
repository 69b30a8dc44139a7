import { request } from 'node:http'
import { AppError } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { openForward } from './forward.ts'
import type { KubeObject } from './object.ts'

/** Bytes of an answer that are read: Envoy tells of a thousand applications in some 5 MB. */
const SIZE_LIMIT = 64 * 1024 * 1024

export type PodRequest = {
  port: number
  method: 'GET' | 'HEAD' | 'DELETE'
  path: string
  headers?: Record<string, string>
  /** Milliseconds that the whole may take. */
  limit: number
  signal?: AbortSignal
}

/** One HTTP request to a port of a pod, through the API server. Throws `unavailable` where there is no answer. */
export async function askPod(client: KubeClient, pod: KubeObject, of: PodRequest): Promise<{ status: number; body: string }> {
  const limit = AbortSignal.timeout(of.limit)
  const signal = of.signal ? AbortSignal.any([of.signal, limit]) : limit
  const stream = await openForward(client, pod, { port: of.port, signal })
  const { method, path, headers = {} } = of
  try {
    return await new Promise((resolve, reject) => {
      const outgoing = request({ method, path, headers: { host: pod.metadata.name, ...headers }, signal, createConnection: () => stream })
      outgoing.once('response', (answer) => {
        const chunks: Buffer[] = []
        let size = 0
        answer.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > SIZE_LIMIT) answer.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
        answer.once('error', reject)
      })
      outgoing.once('error', reject)
      outgoing.end()
    })
  } catch (error) {
    of.signal?.throwIfAborted()
    if (error instanceof AppError) throw error
    throw new AppError('unavailable', `Port ${of.port} of ${pod.metadata.name} does not answer: ${(error as Error).message}`)
  } finally {
    stream.destroy()
  }
}
