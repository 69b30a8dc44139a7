import type { Readable } from 'node:stream'

/** How a program on a workbench ended: its exit code, or why there is none. */
export type Ended = { code: number | undefined; message: string }

/** A place with buildkitd, buildctl and tar, for one build. */
export type Workbench = {
  /** Unpacks a tar stream below a folder of it. */
  unpack(folder: string, tar: Readable): Promise<void>
  /** Runs buildctl with these arguments, which never stand in a URL; its lines as they come. */
  buildctl(argv: string[], onLine: (line: string) => void): Promise<Ended>
  read(file: string): Promise<string>
  /** Why it is not there any more, in words: out of memory, out of disk, its node gone; null while it is. */
  fate(): Promise<string | null>
  remove(): Promise<void>
}

/** Where workbenches come from. */
export type Workbenches = {
  /** One that is ready. `id` names it: one of the same name that a process left behind is removed first. */
  open(
    request: { id: string; cpuMilli: number; memoryGib: number; ephemeralGib: number | null; seconds: number },
    options: { signal: AbortSignal; onLine: (line: string) => void },
  ): Promise<Workbench>
}

/** Folders of a workbench. */
export const FOLDERS = { source: '/work/source', secrets: '/work/secrets', output: '/work/output' } as const
