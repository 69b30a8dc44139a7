import type { ApplicationSpec } from './application.ts'
import type { Commit } from './git.ts'
import type { Image } from './image.ts'
import type { VariableValue } from './variable.ts'

/** Raised when the stored shape changes; older releases are upcast when they are read. */
export const SPEC_VERSION = 1

/** What one deployment makes run: immutable and numbered. `digest` covers everything with meaning and nothing else. */
export type Release = {
  id: string
  organizationId: string
  applicationId: string
  revision: number
  digest: string
  specVersion: number
  spec: ApplicationSpec
  image: Image
  variables: Record<string, VariableValue>
  commit: Commit | null
  createdAt: Date
}
