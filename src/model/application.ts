import { z } from 'zod'
import { port } from './port.ts'
import { probe } from './probe.ts'
import { settings } from './settings.ts'

export const gitSource = z.object({
  kind: z.literal('git'),
  url: z.string(),
  /** Whose API gives further facts; returned as it was given, never used to reach the repository. */
  provider: z.string(),
  branch: z.string(),
  /** Inside the repository, without leading slash; '' is its root. */
  rootPath: z.string(),
  /** Relative to `rootPath`. */
  dockerfilePath: z.string(),
  target: z.string().nullable(),
  tokenId: z.string().nullable(),
  /** Set where the repository is Berth's own Git remote. */
  ownRepositoryId: z.string().nullable(),
})
export type GitSource = z.infer<typeof gitSource>

export const imageSource = z.object({ kind: z.literal('image'), registryId: z.string(), name: z.string(), tag: z.string() })
export type ImageSource = z.infer<typeof imageSource>

export const volume = z.object({ id: z.string(), sizeGib: z.number(), mountPath: z.string() })
export type Volume = z.infer<typeof volume>

/** `resource`: scaled by CPU (and memory) use between `min` and `max`; only engines with that capability accept it. */
export const scaling = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('fixed'), instances: z.number() }),
  z.object({ kind: z.literal('resource'), min: z.number(), max: z.number() }),
])

export type Scaling = z.infer<typeof scaling>

/** What a person wants of an application, apart from its name and variables. */
export const applicationSpec = z.object({
  source: z.discriminatedUnion('kind', [gitSource, imageSource]),
  cpuMilli: z.number(),
  memoryMib: z.number(),
  /** Space for files that die with their instance, in GiB; null = no limit of its own. */
  ephemeralGib: z.number().nullable().default(null),
  gpu: z.number(),
  architecture: z.enum(['amd64', 'arm64']).nullable(),
  scaling,
  ports: z.array(port),
  volumes: z.array(volume),
  readiness: probe.nullable(),
  liveness: probe.nullable(),
  entrypoint: z.string().nullable(),
  arguments: z.array(z.string()),
  autoDeploy: z.boolean(),
  settings,
})
export type ApplicationSpec = z.infer<typeof applicationSpec>

export type SourceKind = ApplicationSpec['source']['kind']

export type Application = {
  id: string
  organizationId: string
  environmentId: string
  name: string
  description: string
  /** The name on the engine, frozen at creation. */
  engineName: string
  stageId: string
  skipped: boolean
  spec: ApplicationSpec
  /** Contract fields without effect here; only `api/` reads them. */
  extras: Record<string, unknown>
  /** Label of the public host names, e.g. `hello-x7f3k2`. */
  addressLabel: string
  servingReleaseId: string | null
  servingGeneration: number
  /** What the last finished action left: never deployed, running, stopped, or removed from the cluster with its configuration kept. */
  presence: 'never' | 'running' | 'stopped' | 'removed'
  createdAt: Date
  updatedAt: Date
  /** When something that a release is made of last changed: newer than the release = out of date. */
  changedAt: Date
}

export const instanceCount = (spec: ApplicationSpec): number => (spec.scaling.kind === 'fixed' ? spec.scaling.instances : spec.scaling.min)
