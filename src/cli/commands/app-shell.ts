import { createServer, type Socket } from 'node:net'
import type { Command } from 'commander'
import WebSocket from 'ws'
import { AppError } from '../../model/error.ts'
import type { Client } from '../client.ts'
import { connect } from '../context.ts'
import { say, table } from '../output.ts'
import { appOf, environmentOf, type App } from '../select.ts'
import { common, type Common } from './common.ts'

/** Without a terminal, tells the server that the input has ended. */
const END_OF_INPUT = Buffer.from([0x04])
/** Bytes that one frame of input has at most. */
const FRAME_LIMIT = 4096

/** Looking into a running instance. */
export function shellCommands(app: Command): void {
  shell(app)
  portForward(app)
  top(app)
}

async function target(name: string | undefined, options: Common): Promise<{ client: Client; one: App }> {
  const { client, context } = connect()
  return { client, one: await appOf(client, await environmentOf(client, context, options), name) }
}

function open(client: Client, path: string, query: Record<string, string>): WebSocket {
  // Brackets are literal: that is how the contract's own clients spell them.
  const text = Object.entries(query)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join('&')
  return new WebSocket(`${client.apiUrl.replace(/^http/, 'ws')}${path}?${text}`, { headers: { authorization: `Token ${client.token}` } })
}

function shell(app: Command): void {
  common(
    app.command('shell [name] [command...]').description('a shell in a running instance, or one command: berth app shell web -- ls -l'),
  )
    .option('--instance <name>', 'instance; by default the newest')
    .action(async (name: string | undefined, command: string[], options: Common & { instance?: string }) => {
      const { client, one } = await target(name, options)
      const { stdin, stdout } = process
      const size: Record<string, string> =
        stdin.isTTY && stdout.isTTY ? { tty_width: String(stdout.columns), tty_height: String(stdout.rows) } : {}
      const socket = open(client, '/shell/exec', {
        service: one.id,
        ...(options.instance ? { pod_name: options.instance } : {}),
        ...Object.fromEntries(command.map((word, index) => [`command[${index}]`, word])),
        ...size,
      })
      socket.once('open', () => {
        if (stdin.isTTY) stdin.setRawMode(true)
        stdin.on('data', (data: Buffer) => {
          for (let from = 0; from < data.length; from += FRAME_LIMIT) socket.send(data.subarray(from, from + FRAME_LIMIT))
        })
        if (!stdin.isTTY) stdin.once('end', () => socket.send(END_OF_INPUT))
      })
      socket.on('message', (data: Buffer) => void stdout.write(data))
      await ended(socket)
      if (stdin.isTTY) stdin.setRawMode(false)
      stdin.unref()
      stdin.pause()
    })
}

function portForward(app: Command): void {
  common(app.command('port-forward [name]').description('reach a port of a running instance from this machine'))
    .requiredOption('--port <local:remote>', 'port here and port there; one number for both')
    .option('--instance <name>', 'instance; by default the newest')
    .action(async (name: string | undefined, options: Common & { port: string; instance?: string }) => {
      const { client, one } = await target(name, options)
      const [local, remote] = portsIn(options.port)
      const server = createServer({ allowHalfOpen: true }, (connection) => {
        const socket = open(client, '/shell/portforward', {
          service: one.id,
          service_type: one.service_type,
          port: String(remote),
          ...(options.instance ? { pod_name: options.instance } : {}),
        })
        join(connection, socket)
      })
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(local, '127.0.0.1', resolve)).catch(
        (error: unknown) => {
          throw new AppError('conflict', `The port ${local} cannot be opened here: ${(error as Error).message}`)
        },
      )
      say(`127.0.0.1:${local} is port ${remote} of ${one.name}; end with Ctrl+C`)
    })
}

function portsIn(text: string): [number, number] {
  const [local, remote = local] = text.split(':').map(Number)
  const good = [local, remote].every((port) => port !== undefined && Number.isInteger(port) && port > 0 && port < 65_536)
  if (!good || text.split(':').length > 2)
    throw new AppError('invalid', `expected --port <local:remote>, such as 8080:80, found ${JSON.stringify(text)}`)
  return [local ?? 0, remote ?? 0]
}

function join(connection: Socket, socket: WebSocket): void {
  connection.pause()
  socket.once('open', () => connection.resume())
  connection.on('data', (data: Buffer) => socket.send(data))
  connection.once('close', () => socket.close())
  connection.on('error', () => socket.close())
  socket.on('message', (data: Buffer) => {
    if (connection.write(data)) return
    socket.pause()
    connection.once('drain', () => socket.resume())
  })
  socket.once('close', (code, reason) => {
    if (code !== 1000 && code !== 1005) process.stderr.write(`berth: ${reason.toString()}\n`)
    connection.end()
  })
  socket.on('error', (error) => connection.destroy(error))
}

type Metric = { current: number; current_percent: number; limit: number; unit: string }

function top(app: Command): void {
  common(app.command('top [name]').description('CPU and memory that the instances use'))
    .option('-f, --follow', 'go on as numbers come')
    .action(async (name: string | undefined, options: Common & { follow?: boolean }) => {
      const { client, one } = await target(name, options)
      const socket = open(client, '/service/metrics', { service: one.id })
      const shown = (metric: Metric): string => `${metric.current} of ${metric.limit} ${metric.unit} (${metric.current_percent} %)`
      socket.on('message', (data: Buffer) => {
        const rows = JSON.parse(data.toString()) as { pod_name: string; cpu: Metric; memory: Metric }[]
        if (options.json) say(JSON.stringify(rows))
        else
          table(
            rows.map((row) => ({ instance: row.pod_name, cpu: shown(row.cpu), memory: shown(row.memory) })),
            'No instance runs, or none was measured yet.',
          )
        if (!options.follow) socket.close(1000)
      })
      await ended(socket)
    })
}

/** Resolves when the other side is done; its words where it refused. */
const ended = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(new AppError('unavailable', `The connection broke: ${error.message}`)))
    socket.once('close', (code, reason) =>
      code === 1000 || code === 1005
        ? resolve()
        : reject(new AppError(code === 1008 ? 'invalid' : 'unavailable', reason.toString() || `The connection ended (${code}).`)),
    )
  })
