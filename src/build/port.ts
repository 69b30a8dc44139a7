import type { Image } from '../model/image.ts'
import type { Secret } from '../model/secret.ts'
import type { Settings } from '../model/settings.ts'

export type BuildRequest = {
  id: string
  /** Folder with the files to build from. */
  folder: string
  dockerfile: string
  target: string | null
  arguments: Record<string, string>
  secrets: Record<string, Secret>
  limits: Settings['build']
  labels: Record<string, string>
}

/** The builder of a cluster. `onLine` gets each line as it comes; aborting ends the whole process tree. Throws `invalid` with the reason when the build fails. */
export interface Builder {
  build(request: BuildRequest, options: { signal: AbortSignal; onLine: (line: string) => void }): Promise<Image>
  /** Whether an image is one of its own. */
  made(image: Image): boolean
  /** Whether an image made before is still there. */
  has(image: Image): Promise<boolean>
  /** Removes one of its own; an image that is gone already is no error. Throws `conflict` while something uses it. */
  remove(image: Image): Promise<void>
  /** Local ids of base images, part of the build key. */
  identify(reference: string): Promise<string | null>
  check(): Promise<{ what: string; found: string; ok: boolean; remedy: string }[]>
}
