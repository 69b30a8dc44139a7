import type { Port } from './port.ts'
import type { Probe } from './probe.ts'
import type { Volume } from './application.ts'
import type { Image } from './image.ts'
import type { Value } from './secret.ts'

/** Where an application lives on its cluster: what an engine needs to name and find things. */
export type Place = {
  organizationId: string
  projectId: string
  environmentId: string
  environmentName: string
  applicationId: string
  name: string
}

/** One release as an engine runs it. Secrets are revealed only in here, just before `apply`. */
export type Workload = {
  place: Place
  revision: number
  generation: number
  image: Image
  environment: Record<string, Value>
  entrypoint: string | null
  arguments: string[]
  cpuMilli: number
  memoryMib: number
  gpu: number
  ports: Port[]
  volumes: Volume[]
  readiness: Probe | null
  liveness: Probe | null
  gracePeriod: number
  preStop: string[]
  readOnlyRoot: boolean
}

/** Which instances of which rollout get traffic. */
export type Target = { revision: number; generation: number; index: number }
export const targetName = (place: Place, target: Target): string => `${place.name}-r${target.revision}-${target.generation}-${target.index}`
