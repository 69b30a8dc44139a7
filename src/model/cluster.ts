import { z } from 'zod'
import { addonNames } from './addon.ts'
import { secretRef } from './variable.ts'

export const environmentQuota = z.object({
  cpuMilli: z.number().int().nullable(),
  memoryMib: z.number().int().nullable(),
  instances: z.number().int().nullable(),
})
export type EnvironmentQuota = z.infer<typeof environmentQuota>

/** A registry on the cluster itself. `proxyImage`: an image of Envoy, through which nodes pull. */
export const ownRegistry = z.object({ sizeGib: z.number().int(), image: z.string(), proxyImage: z.string() })
export type OwnRegistry = z.infer<typeof ownRegistry>

/** How a Kubernetes cluster is driven, apart from who may: names of things that are on it. */
export const kubernetesOptions = z.object({
  /** Applications get their names below it; its wildcard address points to the cluster's gateway. */
  domain: z.string(),
  /** Where builds are pushed to and nodes pull from, `host[:port][/path]`. Without it and without an own one the cluster builds nothing. */
  registry: z.string().nullable(),
  ownRegistry: ownRegistry.nullable().default(null),
  /** The registry speaks plain HTTP. */
  insecureRegistry: z.boolean(),
  /** A ClusterIssuer of cert-manager; null = Berth's own authority. */
  issuer: z.string().nullable(),
  /** GatewayClass; null = the one that the cluster has. */
  gatewayClass: z.string().nullable(),
  /** StorageClass of volumes; null = the default one. */
  storageClass: z.string().nullable(),
  /** Image of the builder, with buildkitd, buildctl and tar in it. */
  builderImage: z.string(),
  /** Whether builds run without privileges (nodes must allow unprivileged user namespaces). */
  rootlessBuilds: z.boolean(),
  /** Pod Security level of environments: what a pod may ask for (decision 9). */
  podSecurity: z.enum(['privileged', 'baseline', 'restricted']),
  /** What Berth brings onto the cluster where it is missing. */
  addons: z.array(z.enum(addonNames)).default([]),
  /** What the instances of one environment may ask for together; null = as much as there is. */
  environmentQuota: environmentQuota.nullable().default(null),
})
export type KubernetesOptions = z.infer<typeof kubernetesOptions>

/** How a cluster is driven: the Docker socket of the node it is on, a process's memory, or a Kubernetes API with a sealed kubeconfig. */
export const reach = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('docker'), node: z.string() }),
  z.object({ kind: z.literal('memory') }),
  z.object({ kind: z.literal('kubernetes'), server: z.string(), credentials: secretRef, ...kubernetesOptions.shape }),
])
export type Reach = z.infer<typeof reach>
export type KubernetesReach = Extract<Reach, { kind: 'kubernetes' }>

const shortOf = (clusterId: string): string => clusterId.slice(0, 8)

/**
 * How the cluster's own registry is called: by nodes, on their own loopback, and by the pods that build. The port is one of 20000 to 29999, below those that
 * Kubernetes and Linux give out, and another for each of Berth's clusters: several may be on one.
 */
export function ownRegistryNames(clusterId: string): { pull: string; push: string; port: number } {
  const port = 20_000 + (Number.parseInt(shortOf(clusterId), 16) % 10_000)
  return { pull: `127.0.0.1:${port}`, push: `berth-registry.${systemNamespace(shortOf(clusterId))}.svc:5000`, port }
}

/** Namespace of what Berth has for a whole cluster: its gateway, certificate and builds. */
export const systemNamespace = (clusterShortId: string): string => `berth-z${clusterShortId}`
