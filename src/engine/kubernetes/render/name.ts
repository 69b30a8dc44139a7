import type { Port } from '../../../model/port.ts'
import type { Place } from '../../../model/workload.ts'

/** Names of the objects of one application. `Place.name` has 48 characters at most, so every suffix here fits into 63. */
export const workloadName = (place: Place): string => place.name
export const serviceName = (place: Place): string => place.name
/** A release never changes, so its revision names the content of its variables; a hash of them would let their values be guessed. */
export const variablesName = (place: Place, revision: number): string => `${place.name}-env-r${revision}`
/** Who pulls a release's image, where its registry asks. */
export const pullSecretName = (place: Place, revision: number): string => `${place.name}-pull-r${revision}`
export const publicServiceName = (place: Place, protocol: 'tcp' | 'udp'): string => `${place.name}-public-${protocol}`
export const publicPolicyName = (place: Place): string => `${place.name}-public`
export const routeName = (place: Place, port: Port): string => `${place.name}-${port.name}`

/** A claim's name is made of it, the workload's and the instance's number: kept as long as the volume is. */
export const volumeName = (volumeId: string): string => `v-${volumeId.slice(0, 8)}`

/** Container and Service ports: TCP and UDP of one number are two. */
export const portName = (port: Port): string => `${port.protocol === 'udp' ? 'udp' : 'tcp'}-${port.internal}`

export const GATEWAY = 'berth'
export const CERTIFICATE = 'berth-certificate'
export const QUOTA = 'berth'
export const ISOLATION = 'berth-isolation'
export const CONTAINER = 'application'
export const REGISTRY = 'berth-registry'
export const REGISTRY_PROXY = 'berth-registry-proxy'
