import type { Port } from './port.ts'
import type { Probe } from './probe.ts'
import type { Scaling, Volume } from './application.ts'
import type { Image } from './image.ts'
import type { PullAccess } from './registry.ts'
import type { Value } from './secret.ts'
import type { Settings } from './settings.ts'

/** Where an application lives on its cluster: what an engine needs to name and find things. */
export type Place = {
  organizationId: string
  projectId: string
  environmentId: string
  environmentName: string
  /** The environment's name on the engine, frozen at its creation. */
  namespace: string
  applicationId: string
  name: string
  /** Label of the public host names below the cluster's domain. */
  addressLabel: string
}

/** One release as an engine runs it. Secrets are revealed only in here, just before `apply`. */
export type Workload = {
  place: Place
  revision: number
  generation: number
  image: Image
  access: PullAccess | null
  environment: Record<string, Value>
  entrypoint: string | null
  arguments: string[]
  cpuMilli: number
  memoryMib: number
  ephemeralGib: number | null
  gpu: number
  architecture: 'amd64' | 'arm64' | null
  scaling: Scaling
  ports: Port[]
  volumes: Volume[]
  readiness: Probe | null
  liveness: Probe | null
  settings: Settings
}

/** Which instances of which rollout get traffic. */
export type Target = { revision: number; generation: number; index: number }
export const targetName = (place: Place, target: Target): string => `${place.name}-r${target.revision}-${target.generation}-${target.index}`
