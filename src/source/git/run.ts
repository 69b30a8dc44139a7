import { spawn } from 'node:child_process'
import { AppError } from '../../model/error.ts'

/** Seconds a Git command may take before it is killed. */
const LIMIT = 300
/** Characters of output kept; a repository with more paths than that is refused elsewhere. */
const OUTPUT_LIMIT = 64 * 1024 * 1024

/** Nothing of the machine's or a person's configuration, no prompts, no helpers, http(s) only. */
export const gitEnvironment = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/true',
  GIT_ALLOW_PROTOCOL: 'http:https',
  GIT_PROTOCOL_FROM_USER: '0',
  GIT_LFS_SKIP_SMUDGE: '1',
  LC_ALL: 'C',
}

/** What a repository may not do to the machine that reads it. */
export const hardened = [
  '-c',
  'protocol.ext.allow=never',
  '-c',
  'protocol.file.allow=never',
  '-c',
  'core.hooksPath=/dev/null',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'submodule.recurse=false',
  '-c',
  'transfer.fsckObjects=true',
  '-c',
  'credential.helper=',
  '-c',
  'http.followRedirects=false',
  '-c',
  'core.protectNTFS=true',
  '-c',
  'gc.auto=0',
]

type Options = { cwd?: string; env?: Record<string, string>; signal?: AbortSignal | undefined; input?: string }

/** Runs git without a shell and returns its standard output. Throws `invalid` with git's own last words, credentials never among them. */
export function git(argv: string[], options: Options = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', [...hardened, ...argv], {
      cwd: options.cwd,
      env: { ...gitEnvironment, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const kill = (): void => {
      try {
        if (child.pid) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    const timer = setTimeout(kill, LIMIT * 1000)
    options.signal?.addEventListener('abort', kill, { once: true })
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    let size = 0
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > OUTPUT_LIMIT) kill()
      else out.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.once('error', (error) => reject(new AppError('unavailable', `git could not be started: ${error.message}`)))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', kill)
      if (code === 0) return resolve(Buffer.concat(out).toString())
      const last = Buffer.concat(err)
        .toString()
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('fatal:') || line.startsWith('error:') || line.startsWith('remote:'))
        .slice(-3)
        .join(' ')
      reject(
        new AppError(
          'invalid',
          signal
            ? `git was stopped (${options.signal?.aborted ? 'canceled' : `it took longer than ${LIMIT} s, or gave too much output`})`
            : last || `git ended with exit code ${code}`,
        ),
      )
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
  })
}
