import { z } from 'zod'
import { echoed } from '../route.ts'

const portNumber = z.number().int().min(1).max(65_535)
const seconds = (fallback: number, max = 86_400) => z.number().int().min(0).max(max).default(fallback)

export const portRequest = z.strictObject({
  id: z.string().max(100).nullish(),
  name: z.string().max(63).nullish(),
  internal_port: portNumber,
  external_port: portNumber.nullish(),
  publicly_accessible: z.boolean(),
  is_default: z.boolean().nullish(),
  protocol: z.enum(['HTTP', 'GRPC', 'TCP', 'UDP']).nullish(),
  public_path: z.string().max(1000).nullish(),
  public_path_rewrite: z.string().max(1000).nullish(),
  ...echoed('service_id', 'service_name', 'service_type'),
})
export type PortRequest = z.output<typeof portRequest>

const probe = z.strictObject({
  type: z.strictObject({
    tcp: z.strictObject({ port: portNumber, host: z.string().nullish() }).nullish(),
    http: z
      .strictObject({ path: z.string().max(2000).default('/'), scheme: z.enum(['HTTP', 'HTTPS']).default('HTTP'), port: portNumber })
      .nullish(),
    exec: z.strictObject({ command: z.array(z.string().max(10_000)).min(1).max(100) }).nullish(),
    grpc: z.strictObject({ service: z.string().max(120).nullish(), port: portNumber }).nullish(),
  }),
  initial_delay_seconds: seconds(30),
  period_seconds: z.number().int().min(1).max(3600).default(10),
  timeout_seconds: z.number().int().min(1).max(3600).default(5),
  success_threshold: z.number().int().min(1).max(100).default(1),
  failure_threshold: z.number().int().min(1).max(1000).default(9),
})
export type ProbeRequest = z.output<typeof probe>

export const healthchecks = z.strictObject({ readiness_probe: probe.nullish(), liveness_probe: probe.nullish() })

export const storageRequest = z.strictObject({
  id: z.string().max(100).nullish(),
  type: z.literal('FAST_SSD'),
  size: z.number().int().min(1).max(65_536),
  mount_point: z.string().min(2).max(1000),
})

const groups = z.array(z.looseObject({ id: z.string() })).max(100)
const autoscaling = z.looseObject({ mode: z.string() })

/** Fields that both spellings share. Absent = keep (or the default at creation). */
const common = {
  name: z.string().min(1).max(63),
  description: z.string().max(10_000).nullish(),
  cpu: z.number().int().min(10).max(1_000_000).nullish(),
  memory: z.number().int().min(1).max(16_777_216).nullish(),
  gpu: z.number().int().min(0).max(64).nullish(),
  ephemeral_storage_in_gib: z.number().int().min(0).max(65_536).nullish(),
  cpu_architecture: z.enum(['AMD64', 'ARM64']).nullish(),
  min_running_instances: z.number().int().min(0).max(1000).nullish(),
  max_running_instances: z.number().int().min(-1).max(1000).nullish(),
  healthchecks,
  auto_preview: z.boolean().nullish(),
  auto_deploy: z.boolean().nullish(),
  arguments: z.array(z.string().max(10_000)).max(200).nullish(),
  entrypoint: z.string().max(4000).nullish(),
  ports: z.array(portRequest).max(50).nullish(),
  storage: z.array(storageRequest).max(20).nullish(),
  annotations_groups: groups.nullish(),
  labels_groups: groups.nullish(),
  icon_uri: z.string().max(2000).nullish(),
  autoscaling: autoscaling.nullish(),
}

const git = {
  git_repository: z.strictObject({
    url: z.string().min(1),
    provider: z.enum(['GITHUB', 'GITLAB', 'BITBUCKET']),
    branch: z.string().min(1).nullish(),
    root_path: z.string().nullish(),
    git_token_id: z.uuid().nullish(),
    ...echoed(
      'has_access',
      'owner',
      'name',
      'deployed_commit_id',
      'deployed_commit_date',
      'deployed_commit_contributor',
      'deployed_commit_tag',
      'git_token_name',
    ),
  }),
  build_mode: z.literal('DOCKER').nullish(),
  dockerfile_path: z.string().nullish(),
  docker_target_build_stage: z.string().max(200).nullish(),
}

const readOnly = echoed('id', 'created_at', 'updated_at', 'environment', 'maximum_cpu', 'maximum_memory', 'service_type')

export const applicationRequest = z.strictObject({ ...common, ...git, ...readOnly, ...echoed('maximun_gpu') })
export const applicationEditRequest = applicationRequest.partial().extend({ healthchecks })
export const containerRequest = z.strictObject({
  ...common,
  ...readOnly,
  ...echoed('maximum_gpu', 'registry'),
  registry_id: z.string(),
  image_name: z.string().min(1).max(255),
  tag: z.string().min(1).max(128),
})

export type ApplicationRequest = z.output<typeof applicationRequest>
export type ContainerRequest = z.output<typeof containerRequest>
/** Any of the three, as `parseService` reads them. */
export type ServiceRequest = Partial<Omit<ApplicationRequest, 'healthchecks'>> &
  Partial<Pick<ContainerRequest, 'registry_id' | 'image_name' | 'tag'>> & { healthchecks: z.output<typeof healthchecks> }

const time = z.string()
const reference = z.object({ id: z.string() })
const servicePort = z.object({
  id: z.string(),
  name: z.string(),
  internal_port: z.number(),
  external_port: z.number().optional(),
  publicly_accessible: z.boolean(),
  is_default: z.boolean(),
  protocol: z.string(),
  public_path: z.string().optional(),
  public_path_rewrite: z.string().optional(),
})

const answer = {
  id: z.string(),
  created_at: time,
  updated_at: time,
  environment: reference,
  name: z.string(),
  description: z.string(),
  cpu: z.number(),
  memory: z.number(),
  gpu: z.number(),
  ephemeral_storage_in_gib: z.number().optional(),
  cpu_architecture: z.string().nullable().optional(),
  min_running_instances: z.number(),
  max_running_instances: z.number(),
  healthchecks: z.looseObject({}),
  auto_preview: z.boolean(),
  auto_deploy: z.boolean(),
  ports: z.array(servicePort),
  arguments: z.array(z.string()),
  entrypoint: z.string().optional(),
  storage: z.array(z.object({ id: z.string(), type: z.string(), size: z.number(), mount_point: z.string() })),
  annotations_groups: z.array(z.looseObject({})),
  labels_groups: z.array(z.looseObject({})),
  icon_uri: z.string(),
  service_type: z.enum(['APPLICATION', 'CONTAINER']),
  maximum_cpu: z.number(),
  maximum_memory: z.number(),
}

export const applicationResponse = z.object({
  ...answer,
  maximun_gpu: z.number(),
  build_mode: z.string(),
  dockerfile_path: z.string(),
  docker_target_build_stage: z.string().nullable(),
  git_repository: z.object({
    has_access: z.boolean(),
    provider: z.string(),
    owner: z.string(),
    url: z.string(),
    name: z.string(),
    branch: z.string(),
    root_path: z.string(),
    deployed_commit_id: z.string().optional(),
    deployed_commit_date: time.optional(),
    deployed_commit_contributor: z.string().optional(),
    deployed_commit_tag: z.string().optional(),
    git_token_id: z.string().nullable(),
    git_token_name: z.string().nullable(),
  }),
})

export const containerResponse = z.object({
  ...answer,
  maximum_gpu: z.number(),
  image_name: z.string(),
  tag: z.string(),
  registry_id: z.string(),
  registry: z.object({ id: z.string(), name: z.string(), url: z.string(), kind: z.string() }),
})

export const serviceResponse = z.union([applicationResponse, containerResponse])
export type ServiceResponse = z.output<typeof serviceResponse>
