import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

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

/** Looked up here, not by the program `test`: people may have this project's `bin`, which has one of that name, in their PATH. */
export const has = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
