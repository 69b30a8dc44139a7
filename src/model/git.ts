import { invalid } from './error.ts'

/** Longest accepted repository URL and ref, in characters (git itself allows more; nobody needs it). */
const URL_LIMIT = 2048
const REF_LIMIT = 250

// eslint-disable-next-line no-control-regex
const control = /[\u0000-\u0020\u007f]/
const encodedControl = /%(0[0-9a-f]|1[0-9a-f]|7f)/i

/** A repository URL that is safe to hand to git: http or https, a plain ASCII host, no credentials. */
export function parseRepositoryUrl(text: string, path: string): URL {
  if (text.length > URL_LIMIT) throw invalid(path, `expected a URL of at most ${URL_LIMIT} characters, found ${text.length}`)
  if (control.test(text) || encodedControl.test(text)) throw invalid(path, 'expected a URL without spaces or control characters')
  if (!/^https?:\/\//i.test(text))
    throw invalid(path, `expected a Git URL that starts with https:// or http://, found ${JSON.stringify(text.slice(0, 80))}`)
  if (!URL.canParse(text)) throw invalid(path, 'expected a URL, found text that is none')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '')
    throw invalid(path, 'expected a URL without user name and password: credentials belong in a Git token')
  if (hostOf(text) !== url.hostname.toLowerCase())
    throw invalid(path, `expected a host in plain ASCII, found one that reads differently (${url.hostname})`)
  if (url.hostname.startsWith('-') || url.hostname.startsWith('xn--') || url.hostname.includes('.xn--'))
    throw invalid(path, 'expected a host in plain ASCII')
  if (url.search !== '' || url.hash !== '') throw invalid(path, 'expected a URL without ? and #')
  return url
}

/** The host as it was written, to compare with what the URL parser made of it. */
function hostOf(text: string): string {
  const authority = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1] ?? ''
  return authority.replace(/:\d*$/, '').toLowerCase()
}

/** A branch name under the rules of `git check-ref-format --branch`; passed on as `refs/heads/<name>` only. */
export function parseBranch(text: string, path: string): string {
  const bad =
    text.length === 0 ||
    text.length > REF_LIMIT ||
    text.startsWith('-') ||
    text.startsWith('/') ||
    text.endsWith('/') ||
    text.endsWith('.') ||
    text.includes('..') ||
    text.includes('//') ||
    text.includes('@{') ||
    text === '@' ||
    control.test(text) ||
    /[~^:?*[\\]/.test(text) ||
    text.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'))
  if (bad) throw invalid(path, `expected a branch name under Git's rules, found ${JSON.stringify(text.slice(0, 80))}`)
  return text
}

/** A full commit id: 40 or 64 hex digits. */
export function parseCommitId(text: string, path: string): string {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text))
    throw invalid(path, `expected a full commit id (40 or 64 hex digits), found ${JSON.stringify(text.slice(0, 80))}`)
  return text
}

/** A path inside a repository, without leading slash; '' is the root. `..`, NUL and backslashes are refused. */
export function parseTreePath(text: string, path: string): string {
  if (text.length > 1024) throw invalid(path, 'expected a path of at most 1024 characters')
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\\]/.test(text)) throw invalid(path, 'expected a path without control characters and backslashes')
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw invalid(path, `expected a path inside the repository, found ".." in ${JSON.stringify(text)}`)
  if (parts.some((part) => part.startsWith('-') || part.toLowerCase() === '.git'))
    throw invalid(path, `expected a path of ordinary names, found ${JSON.stringify(text)}`)
  return parts.join('/')
}

export type Commit = { id: string; message: string; author: string; at: string }
