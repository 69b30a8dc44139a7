import type { Readable } from 'node:stream'

/** How a program on a workbench ended: its exit code, or why there is none. */
export type Ended = { code: number | undefined; message: string }

/** A place with buildkitd, buildctl and tar, for one build at a time. */
export type Workbench = {
  /** Unpacks a tar stream below a folder of it. */
  unpack(folder: string, tar: Readable): Promise<void>
  /** Runs buildctl with these arguments, which never stand in a URL; its lines as they come. */
  buildctl(argv: string[], onLine: (line: string) => void): Promise<Ended>
  read(file: string): Promise<string>
  /** Why it is not there any more, in words: out of memory, out of disk, its node gone; null while it is. `wait`: milliseconds that the answer may take to be known. */
  fate(wait: number): Promise<string | null>
  /** Ends it, or keeps it for the next build of the same application: what that build unpacks, reads and writes is gone then, BuildKit's cache stays. */
  leave(how: 'ended' | 'kept'): Promise<void>
}

/** Where workbenches come from. */
export type Workbenches = {
  /** One that is ready: one that was kept for this application, or a new one. `id` names it: one of the same name that a process left behind is removed first. */
  open(
    request: { id: string; application: string; cpuMilli: number; memoryGib: number; ephemeralGib: number | null; seconds: number },
    options: { signal: AbortSignal; onLine: (line: string) => void },
  ): Promise<Workbench>
}

/** Folders of a workbench. */
export const FOLDERS = { source: '/work/source', secrets: '/work/secrets', docker: '/work/docker', output: '/work/output' } as const
