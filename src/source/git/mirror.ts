import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../model/error.ts'
import type { Commit } from '../../model/git.ts'
import type { Egress } from '../egress.ts'
import { git } from './run.ts'

export type Remote = { url: string; branch: string }

/** Commands on one repository run one after the other: git locks, and two fetches of the same thing are one too many. */
const queues = new Map<string, Promise<unknown>>()

function inTurn<T>(key: string, task: () => Promise<T>): Promise<T> {
  const before = queues.get(key) ?? Promise.resolve()
  const next = before.catch(() => undefined).then(task)
  queues.set(
    key,
    next.catch(() => undefined),
  )
  return next
}

/** A bare mirror of a foreign repository: a cache, one folder per URL. */
export class Mirror {
  readonly folder: string
  readonly #remote: Remote
  readonly #egress: Egress

  constructor(cache: string, remote: Remote, egress: Egress) {
    this.#remote = remote
    this.#egress = egress
    this.folder = join(cache, createHash('sha256').update(remote.url).digest('hex').slice(0, 32) + '.git')
  }

  /** Fetches the wanted commit, or the head of the branch, and returns what it is. */
  fetch(commit: string | null, signal: AbortSignal): Promise<Commit> {
    return inTurn(this.folder, async () => {
      await this.#ensure()
      const wanted = commit ?? (await this.#head(signal))
      if (!(await hasCommit(this.folder, wanted))) await this.#fetchCommit(wanted, signal)
      return describe(this.folder, wanted)
    })
  }

  async #ensure(): Promise<void> {
    if (existsSync(join(this.folder, 'HEAD'))) return
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    await git(['init', '--quiet', '--bare', this.folder])
  }

  /** Connects to the checked address only: git gets the resolution handed in. */
  async #connection(): Promise<string[]> {
    const url = new URL(this.#remote.url)
    const address = await this.#egress.addressOf(url.hostname, 'git_repository.url')
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    return ['-c', `http.curloptResolve=${url.hostname}:${port}:${address}`]
  }

  async #head(signal: AbortSignal): Promise<string> {
    const out = await git([...(await this.#connection()), 'ls-remote', '--', this.#remote.url, `refs/heads/${this.#remote.branch}`], {
      signal,
    })
    const id = out.split(/\s/)[0]
    if (!id) throw new AppError('invalid', `The repository has no branch ${this.#remote.branch}.`)
    return id
  }

  async #fetchCommit(id: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#connection()
    const fetch = (...what: string[]): Promise<string> =>
      git(
        [
          '--git-dir',
          this.folder,
          ...connection,
          'fetch',
          '--quiet',
          '--no-tags',
          '--no-write-fetch-head',
          '--',
          this.#remote.url,
          ...what,
        ],
        { signal },
      )
    try {
      await fetch('--depth=1', id).catch(() => fetch(id))
    } catch {
      // Servers may refuse to give a commit by its id; the branch that should contain it is the other way.
      await fetch(`+refs/heads/${this.#remote.branch}:refs/heads/${this.#remote.branch}`)
    }
    if (!(await hasCommit(this.folder, id))) throw new AppError('invalid', `The repository has no commit ${id} on ${this.#remote.branch}.`)
  }
}

export async function hasCommit(folder: string, id: string): Promise<boolean> {
  return git(['--git-dir', folder, 'cat-file', '-e', `${id}^{commit}`]).then(
    () => true,
    () => false,
  )
}

export async function describe(folder: string, id: string): Promise<Commit> {
  const out = await git(['--git-dir', folder, 'show', '--no-patch', '--no-show-signature', '--format=%H%x00%an%x00%cI%x00%s', id, '--'])
  const [commit = id, author = '', at = '', message = ''] = out.trim().split('\0')
  return { id: commit, author, at: new Date(at).toISOString(), message: message.slice(0, 500) }
}

/** The commit a branch of a bare repository points to. */
export async function branchHead(folder: string, branch: string): Promise<string | undefined> {
  const out = await git(['--git-dir', folder, 'rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`]).catch(() => '')
  return out.trim() || undefined
}

export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true })
