import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { workFolder } from './server.ts'

const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost']

/** A Git repository of a person: files, commits and pushes through the real git. */
export class Repository {
  readonly folder: string

  constructor(name: string, files: Record<string, string> = {}) {
    this.folder = workFolder(name)
    this.git('init', '--quiet', '--initial-branch=main')
    if (Object.keys(files).length > 0) this.commit(files)
  }

  /** A copy of `examples/hello`. */
  static hello(name: string): Repository {
    const repository = new Repository(name)
    cpSync(resolve(import.meta.dirname, '../../examples/hello'), repository.folder, { recursive: true })
    repository.commit({})
    return repository
  }

  write(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true })
      writeFileSync(join(this.folder, path), text)
    }
  }

  /** Returns the commit's id. */
  commit(files: Record<string, string>): string {
    this.write(files)
    this.git('add', '--all')
    this.git(...identity, 'commit', '--quiet', '--allow-empty', '--message', 'change')
    return this.git('rev-parse', 'HEAD').trim()
  }

  /** Resolves to what the pusher is shown, once the deployment is over. */
  push(url: string, branch = 'main'): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { cwd: this.folder, env: { ...process.env, GIT_TERMINAL_PROMPT: '0' }, maxBuffer: 64 * 1024 * 1024 }
      execFile('git', ['push', url, branch], options, (error, _out, shown) => (error ? reject(new Error(shown)) : resolve(shown)))
    })
  }

  git(...argv: string[]): string {
    return execFileSync('git', argv, {
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
    })
  }
}

/** The URL of Berth's own remote with the token in it, as a script would have it. */
export const remoteUrl = (server: { client: { apiUrl: string }; token: string }, environmentId: string, name: string): string =>
  `${server.client.apiUrl.replace('http://', `http://x:${server.token}@`)}/git/${environmentId}/${name}.git`
