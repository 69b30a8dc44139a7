import { mkdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { AppError } from '../../model/error.ts'
import { git } from './run.ts'

/** Limits of a tree that is built: more is a mistake or an attack. Sizes in bytes. */
const FILES_LIMIT = 100_000
const SIZE_LIMIT = 5 * 1024 ** 3
const DOCKERFILE_LIMIT = 1024 ** 2

export type Entry = { mode: string; id: string; size: number; path: string }

/** Git's id of the tree below a path of a commit: equal trees, equal ids. */
export async function treeId(folder: string, commit: string, rootPath: string): Promise<string> {
  const out = await git(['--git-dir', folder, 'rev-parse', '--verify', '--quiet', `${commit}:${rootPath}`]).catch(() => '')
  const id = out.trim()
  const type = id === '' ? '' : (await git(['--git-dir', folder, 'cat-file', '-t', id])).trim()
  if (type !== 'tree') throw new AppError('invalid', `The repository has no folder ${rootPath || '/'} at this commit: check root_path.`)
  return id
}

/** Every file of a tree; refused when it is too large, or holds symbolic links that lead out of it. */
export async function checkedEntries(folder: string, tree: string): Promise<Entry[]> {
  const out = await git(['--git-dir', folder, 'ls-tree', '-r', '-l', '-z', tree])
  const entries = out
    .split('\0')
    .filter((line) => line !== '')
    .map(parseEntry)
  if (entries.length > FILES_LIMIT)
    throw new AppError(
      'invalid',
      `The source has ${entries.length} files, more than the ${FILES_LIMIT} that are built: set root_path to the folder of the application.`,
    )
  const size = entries.reduce((sum, entry) => sum + entry.size, 0)
  if (size > SIZE_LIMIT)
    throw new AppError('invalid', `The source has ${Math.round(size / 1024 ** 3)} GiB, more than the 5 GiB that are built.`)
  for (const entry of entries.filter((one) => one.mode === '120000')) await checkLink(folder, entry)
  return entries
}

function parseEntry(line: string): Entry {
  const tab = line.indexOf('\t')
  const [mode = '', , id = '', size = '0'] = line.slice(0, tab).split(/ +/)
  return { mode, id, size: size === '-' ? 0 : Number(size), path: line.slice(tab + 1) }
}

async function checkLink(folder: string, entry: Entry): Promise<void> {
  const target = await git(['--git-dir', folder, 'cat-file', 'blob', entry.id])
  const resolved = posix.normalize(posix.join(posix.dirname(entry.path), target))
  if (target.startsWith('/') || resolved === '..' || resolved.startsWith('../'))
    throw new AppError(
      'invalid',
      `The symbolic link ${entry.path} leads out of the source (to ${target.slice(0, 100)}): such links are not built.`,
    )
}

/** The text of the Dockerfile, which must be an ordinary file of a sensible size. */
export async function readDockerfile(folder: string, entries: Entry[], path: string): Promise<string> {
  const entry = entries.find((one) => one.path === path)
  if (!entry)
    throw new AppError(
      'invalid',
      `There is no Dockerfile at ${path}: check dockerfile_path (it is relative to root_path).${nearby(entries)}`,
    )
  if (entry.mode === '120000') throw new AppError('invalid', `The Dockerfile ${path} is a symbolic link: an ordinary file is needed.`)
  if (entry.size > DOCKERFILE_LIMIT)
    throw new AppError('invalid', `The Dockerfile ${path} has ${entry.size} bytes, more than ${DOCKERFILE_LIMIT}.`)
  return git(['--git-dir', folder, 'cat-file', 'blob', entry.id])
}

function nearby(entries: Entry[]): string {
  const found = entries
    .filter((entry) => posix.basename(entry.path).toLowerCase().includes('dockerfile'))
    .slice(0, 3)
    .map((entry) => entry.path)
  return found.length === 0 ? ' No Dockerfile was found anywhere below it.' : ` Found: ${found.join(', ')}.`
}

/** Writes the files of a tree into an empty folder. Its links were checked, so they may be links. */
export async function checkOut(folder: string, tree: string, target: string): Promise<void> {
  mkdirSync(target, { recursive: true, mode: 0o700 })
  const index = join(target, '..', `${posix.basename(target)}.index`)
  const env = { GIT_INDEX_FILE: index }
  await git(['--git-dir', folder, '--work-tree', target, 'read-tree', tree], { env })
  await git(['--git-dir', folder, '--work-tree', target, 'checkout-index', '--all', '--force'], { env, cwd: target })
}
