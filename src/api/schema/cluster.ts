import { z } from 'zod'
import { addonNames } from '../../model/addon.ts'
import { echoed } from '../route.ts'

const providers = ['AWS', 'SCW', 'GCP', 'DO', 'AZURE', 'OVH', 'CIVO', 'HETZNER', 'ORACLE', 'IBM', 'ON_PREMISE'] as const

/** Millicores, MiB and instances. */
const amount = z.number().int().min(1).max(100_000_000).nullish()
const image = z.string().min(1).max(500).nullish()
/** GiB. */
const ownRegistry = { size: z.number().int().min(1).max(100_000).nullish(), image, proxy_image: image }
const quota = { cpu: amount, memory: amount, instances: amount }

/** Names of things on a Kubernetes cluster, beside the contract. */
const options = {
  domain: z.string().max(200).nullish(),
  registry: z.string().max(300).nullish(),
  registry_insecure: z.boolean().nullish(),
  own_registry: z.strictObject(ownRegistry).nullish(),
  certificate_issuer: z.string().max(253).nullish(),
  gateway_class: z.string().max(253).nullish(),
  storage_class: z.string().max(253).nullish(),
  builder_image: image,
  rootless_builds: z.boolean().nullish(),
  pod_security: z.enum(['privileged', 'baseline', 'restricted']).nullish(),
  addons: z.array(z.enum(addonNames)).max(addonNames.length).nullish(),
  environment_quota: z.strictObject(quota).nullish(),
}

export const kubernetesFields = Object.keys(options) as (keyof typeof options)[]

export const clusterRequest = z.strictObject({
  name: z.string().trim().min(1).max(63),
  description: z.string().max(2000).nullish(),
  region: z.string().max(100),
  cloud_provider: z.enum(providers),
  kubernetes: z.enum(['MANAGED', 'SELF_MANAGED', 'PARTIALLY_MANAGED']).nullish(),
  production: z.boolean().nullish(),
  is_demo: z.boolean().nullish(),
  keda: z.strictObject({ enabled: z.boolean() }).nullish(),
  /** Beside the contract: which engine drives the cluster, and for Kubernetes how it is reached. */
  engine: z.enum(['docker', 'memory', 'kubernetes']).nullish(),
  kubeconfig: z.string().nullish(),
  ...options,
  ...echoed(
    'id',
    'created_at',
    'updated_at',
    'organization',
    'status',
    'has_access',
    'version',
    'is_default',
    'deployment_status',
    'features',
  ),
})
export type ClusterRequest = z.output<typeof clusterRequest>

export const clusterResponse = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  organization: z.object({ id: z.string() }),
  name: z.string(),
  description: z.string(),
  region: z.string(),
  cloud_provider: z.string(),
  kubernetes: z.string(),
  status: z.string(),
  has_access: z.boolean(),
  version: z.string(),
  is_default: z.boolean(),
  is_demo: z.boolean(),
  production: z.boolean(),
  deployment_status: z.string(),
  keda: z.object({ enabled: z.boolean() }),
  features: z.array(z.looseObject({})),
  engine: z.string(),
  domain: z.string().nullable().optional(),
  registry: z.string().nullable().optional(),
  registry_insecure: z.boolean().optional(),
  own_registry: z.object({ size: z.number(), image: z.string(), proxy_image: z.string() }).nullable().optional(),
  certificate_issuer: z.string().nullable().optional(),
  gateway_class: z.string().nullable().optional(),
  storage_class: z.string().nullable().optional(),
  builder_image: z.string().optional(),
  rootless_builds: z.boolean().optional(),
  pod_security: z.string().optional(),
  addons: z.array(z.string()).optional(),
  environment_quota: z
    .object({ cpu: z.number().nullable(), memory: z.number().nullable(), instances: z.number().nullable() })
    .nullable()
    .optional(),
})

export const clusterStatus = z.object({
  cluster_id: z.string(),
  status: z.string(),
  is_deployed: z.boolean(),
  next_k8s_available_version: z.null(),
  last_execution_id: z.null(),
  cluster_lock: z.null(),
  last_deployment_date: z.string().nullable(),
  reason: z.string(),
})
