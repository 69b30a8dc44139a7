import { spawn, spawnSync } from 'node:child_process'

export type Ran = { code: number; out: string }

/** Runs a program without a shell; its output is kept, and shown when `shown`. */
export function run(
  program: string,
  argv: string[],
  options: { cwd?: string; env?: Record<string, string>; limit?: number } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      cwd: options.cwd,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    const timer = setTimeout(() => child.kill('SIGKILL'), (options.limit ?? 600) * 1000)
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', (error) => {
      clearTimeout(timer)
      resolve({ code: 127, out: error.message })
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? 137, out: Buffer.concat(chunks).toString() })
    })
  })
}

export const has = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(':').some((folder) => spawnSync('test', ['-x', `${folder}/${program}`]).status === 0)
