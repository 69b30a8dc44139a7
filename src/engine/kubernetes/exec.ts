import { Duplex } from 'node:stream'
import type WebSocket from 'ws'
import { AppError } from '../../model/error.ts'
import type { Terminal } from '../port.ts'
import type { KubeClient } from './client.ts'
import { pathTo, type KubeObject } from './object.ts'
import { CONTAINER } from './render/name.ts'

/** Channels of Kubernetes' remote command protocol: the first byte of every message. */
const [INPUT, OUTPUT, ERRORS, STATUS, SIZE, CLOSE] = [0, 1, 2, 3, 4, 255] as const
/** Version 5 can close the input alone; version 4 is what clusters before 1.29 speak. */
const PROTOCOL = 'v5.channel.k8s.io'

export type ExecOptions = { command: string[]; terminal: Terminal | null; signal: AbortSignal; container?: string }
/** How the program ended: 0, its exit code, or undefined when the connection broke. */
export type Ended = { code: number | undefined; message: string }

type Status = { status: string; message?: string; reason?: string; details?: { causes?: { reason: string; message: string }[] } }

/** Runs a program in a pod. What is written is its input, what is read its output and errors merged (with `onErrors` apart); `ended` tells how it ended. */
export async function openExec(
  client: KubeClient,
  pod: Pick<KubeObject, 'metadata'>,
  options: ExecOptions & { onErrors?: (data: Buffer) => void },
): Promise<{ stream: Duplex; ended: Promise<Ended> }> {
  const { terminal } = options
  const query = new URLSearchParams({
    container: options.container ?? CONTAINER,
    stdin: 'true',
    stdout: 'true',
    stderr: String(terminal === null),
    tty: String(terminal !== null),
  })
  for (const word of options.command) query.append('command', word)
  const path = pathTo({ kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name })
  const socket = await client.socket(`${path}/exec?${query.toString()}`, PROTOCOL, options.signal)
  if (terminal)
    socket.send(Buffer.concat([Buffer.from([SIZE]), Buffer.from(JSON.stringify({ Width: terminal.columns, Height: terminal.rows }))]))
  return duplexOver(socket, options.onErrors)
}

function duplexOver(socket: WebSocket, onErrors: ((data: Buffer) => void) | undefined): { stream: Duplex; ended: Promise<Ended> } {
  let settle: (ended: Ended) => void = () => undefined
  const ended = new Promise<Ended>((resolve) => (settle = resolve))
  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => socket.send(Buffer.concat([Buffer.from([INPUT]), chunk]), done),
    final: (done) => socket.send(Buffer.from([CLOSE, INPUT]), done),
    destroy: (error, done) => {
      socket.terminate()
      done(error)
    },
  })
  // Whoever reads it is told; an error that comes before anybody does must not end the process.
  stream.on('error', () => undefined)
  socket.on('message', (data: Buffer) => {
    const [channel, body] = [data[0], data.subarray(1)]
    if (channel === ERRORS && onErrors) onErrors(body)
    else if ((channel === OUTPUT || channel === ERRORS) && body.length > 0 && !stream.push(body)) socket.pause()
    if (channel === STATUS) settle(endIn(body.toString()))
  })
  socket.once('close', () => {
    settle({ code: undefined, message: 'the connection ended' })
    stream.push(null)
  })
  socket.on('error', (error) => {
    settle({ code: undefined, message: error.message })
    stream.destroy(new AppError('unavailable', `The connection to the instance broke: ${error.message}`))
  })
  socket.resume()
  return { stream, ended }
}

function endIn(text: string): Ended {
  const status = JSON.parse(text) as Status
  if (status.status === 'Success') return { code: 0, message: '' }
  const code = status.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message
  return { code: code === undefined ? undefined : Number(code), message: status.message ?? '' }
}
