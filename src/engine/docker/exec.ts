import { connect } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { AppError } from '../../model/error.ts'
import type { Terminal } from '../port.ts'
import { frames, type DockerClient } from './client.ts'
import { addressIn, nameOf, type Inspected } from './observe.ts'

/** Milliseconds that a connection to a port may take. */
const CONNECT_LIMIT = 10_000

/** The instance that was named, or the newest that runs. */
export function chosen(found: Inspected[], name: string | null): Inspected {
  const running = found.filter((one) => one.State.Running).sort((a, b) => b.State.StartedAt.localeCompare(a.State.StartedAt))
  const one = name === null ? running[0] : running.find((candidate) => nameOf(candidate) === name)
  if (!one)
    throw new AppError(
      'not_found',
      name === null ? 'No instance runs: deploy the application first.' : `There is no running instance ${name}.`,
    )
  return one
}

/** Runs a program beside the application, with a terminal or with pipes. */
export async function openExec(
  docker: DockerClient,
  instance: Inspected,
  options: { command: string[]; terminal: Terminal | null; signal: AbortSignal },
): Promise<Duplex> {
  const { terminal } = options
  const created = await docker.call<{ Id: string }>('POST', `/containers/${instance.Id}/exec`, {
    body: { Cmd: options.command, AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: terminal !== null },
  })
  const socket = await docker.hijack('POST', `/exec/${created.Id}/start`, {
    body: { Detach: false, Tty: terminal !== null },
    signal: options.signal,
  })
  if (terminal)
    await docker
      .call('POST', `/exec/${created.Id}/resize?h=${terminal.rows}&w=${terminal.columns}`)
      .catch(() => undefined /* It has ended already. */)
  if (terminal) return socket
  const output = new PassThrough()
  void (async () => {
    for await (const frame of frames(socket)) if (!output.write(frame.data)) await new Promise((resolve) => output.once('drain', resolve))
    output.end()
  })().catch((error: unknown) => output.destroy(error as Error))
  return Duplex.from({ readable: output, writable: socket })
}

/** A TCP connection to the instance's own address. */
export function openForward(instance: Inspected, options: { port: number; signal: AbortSignal }): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: addressIn(instance) ?? '', port: options.port, allowHalfOpen: true, signal: options.signal })
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${CONNECT_LIMIT / 1000} s`)), CONNECT_LIMIT)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(new AppError('unavailable', `Nothing accepts connections on port ${options.port} of ${nameOf(instance)}: ${error.message}`))
    })
  })
}
