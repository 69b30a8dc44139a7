import type { Application } from '../../model/application.ts'
import type { Commit } from '../../model/git.ts'
import type { Port } from '../../model/port.ts'
import type { Probe } from '../../model/probe.ts'
import type { ServiceResponse } from '../schema/service.ts'

export type Registry = { id: string; name: string; url: string; kind: string }
export type Facts = { commits: Map<string, Commit | null>; registries: Map<string, Registry> }

/** What the contract calls the two sources. */
export const serviceTypeOf = (application: Application): 'APPLICATION' | 'CONTAINER' =>
  application.spec.source.kind === 'git' ? 'APPLICATION' : 'CONTAINER'

/** One application in the contract's spelling of its source. Memory in MiB, CPU in millicores. */
export function presentService(application: Application, facts: Facts): ServiceResponse {
  const { spec, extras } = application
  const common = {
    id: application.id,
    created_at: application.createdAt.toISOString(),
    updated_at: application.updatedAt.toISOString(),
    environment: { id: application.environmentId },
    name: application.name,
    description: application.description,
    cpu: spec.cpuMilli,
    memory: spec.memoryMib,
    gpu: spec.gpu,
    maximum_cpu: spec.cpuMilli,
    maximum_memory: spec.memoryMib,
    ...(spec.ephemeralGib === null ? {} : { ephemeral_storage_in_gib: spec.ephemeralGib }),
    ...(spec.architecture ? { cpu_architecture: spec.architecture.toUpperCase() } : {}),
    min_running_instances: spec.scaling.kind === 'fixed' ? spec.scaling.instances : spec.scaling.min,
    max_running_instances: spec.scaling.kind === 'fixed' ? spec.scaling.instances : spec.scaling.max,
    healthchecks: { readiness_probe: presentProbe(spec.readiness), liveness_probe: presentProbe(spec.liveness) },
    auto_preview: extras['auto_preview'] === true,
    auto_deploy: spec.autoDeploy,
    ports: spec.ports.map(presentPort),
    arguments: spec.arguments,
    ...(spec.entrypoint === null ? {} : { entrypoint: spec.entrypoint }),
    storage: spec.volumes.map((volume) => ({ id: volume.id, type: 'FAST_SSD', size: volume.sizeGib, mount_point: volume.mountPath })),
    annotations_groups: [],
    labels_groups: [],
    service_type: serviceTypeOf(application),
  }
  const icon = extras['icon_uri']
  return spec.source.kind === 'git'
    ? {
        ...common,
        service_type: 'APPLICATION',
        icon_uri: typeof icon === 'string' ? icon : 'app://qovery-console/application',
        maximun_gpu: spec.gpu,
        ...presentGit(application, facts),
      }
    : {
        ...common,
        service_type: 'CONTAINER',
        icon_uri: typeof icon === 'string' ? icon : 'app://qovery-console/container',
        maximum_gpu: spec.gpu,
        ...presentImage(application, facts),
      }
}

function presentGit(application: Application, facts: Facts) {
  const { source } = application.spec
  if (source.kind !== 'git') throw new TypeError('not a Git source')
  const path = new URL(source.url).pathname.replace(/^\/+|\.git$|\/+$/g, '').split('/')
  const commit = application.servingReleaseId ? facts.commits.get(application.servingReleaseId) : undefined
  return {
    build_mode: 'DOCKER',
    dockerfile_path: source.dockerfilePath,
    docker_target_build_stage: source.target,
    git_repository: {
      has_access: true,
      provider: source.provider,
      owner: path.slice(0, -1).join('/'),
      url: source.url,
      name: path.join('/'),
      branch: source.branch,
      root_path: `/${source.rootPath}`,
      ...(commit
        ? {
            deployed_commit_id: commit.id,
            deployed_commit_date: commit.at,
            deployed_commit_contributor: commit.author,
            deployed_commit_tag: '',
          }
        : {}),
      git_token_id: source.tokenId,
      git_token_name: null,
    },
  }
}

function presentImage(application: Application, facts: Facts) {
  const { source } = application.spec
  if (source.kind !== 'image') throw new TypeError('not an image source')
  const registry = facts.registries.get(source.registryId)
  return {
    image_name: source.name,
    tag: source.tag,
    registry_id: source.registryId,
    registry: { id: source.registryId, name: registry?.name ?? '', url: registry?.url ?? '', kind: registry?.kind ?? 'GENERIC_CR' },
  }
}

function presentPort(port: Port) {
  return {
    id: port.id,
    name: port.name,
    internal_port: port.internal,
    ...(port.external === null ? {} : { external_port: port.external }),
    publicly_accessible: port.public,
    is_default: port.isDefault,
    protocol: port.protocol.toUpperCase(),
    ...(port.publicPath === null ? {} : { public_path: port.publicPath }),
    ...(port.publicPathRewrite === null ? {} : { public_path_rewrite: port.publicPathRewrite }),
  }
}

function presentProbe(probe: Probe | null) {
  if (!probe) return null
  const { check } = probe
  const type = {
    tcp: check.kind === 'tcp' ? { port: check.port, host: null } : null,
    http: check.kind === 'http' ? { path: check.path, scheme: check.scheme.toUpperCase(), port: check.port } : null,
    ...(check.kind === 'exec' ? { exec: { command: check.command } } : { exec: null }),
    grpc: check.kind === 'grpc' ? { service: check.service === '' ? null : check.service, port: check.port } : null,
  }
  return {
    type,
    initial_delay_seconds: probe.initialDelay,
    period_seconds: probe.period,
    timeout_seconds: probe.timeout,
    success_threshold: probe.successThreshold,
    failure_threshold: probe.failureThreshold,
  }
}
