import {
  applicationSpec,
  type Application,
  type ApplicationSpec,
  type GitSource,
  type ImageSource,
  type Volume,
} from '../model/application.ts'
import { AppError, invalid } from '../model/error.ts'
import { parseBranch, parseRepositoryUrl, parseTreePath } from '../model/git.ts'
import { newId } from '../model/id.ts'
import { isDnsLabel, parseServiceName } from '../model/name.ts'
import { checkedPorts, isWeb, type Port } from '../model/port.ts'
import type { Probe } from '../model/probe.ts'
import type { ApplicationFields } from '../store/application.ts'
import { settingsOf, type AdvancedSettings } from './advanced-settings.ts'
import type { PortRequest, ProbeRequest, ServiceRequest } from './schema/service.ts'

/** What creating and editing share: the wanted state, out of a request and, for an edit, of what stands. Throws `invalid` with the field's path. */
export function parseService(
  body: ServiceRequest,
  kind: 'git' | 'image',
  before: Application | null,
  ownRepositoryId: string | null,
): ApplicationFields {
  const spec = before?.spec
  const ports = body.ports ? parsePorts(body.ports, spec?.ports ?? []) : (spec?.ports ?? [])
  const extras = extrasOf(body, before)
  const parsed: ApplicationSpec = {
    source: kind === 'git' ? gitSourceOf(body, spec?.source, ownRepositoryId) : imageSourceOf(body, spec?.source),
    ...resourcesIn(body, spec),
    architecture: body.cpu_architecture === undefined ? (spec?.architecture ?? null) : architectureIn(body.cpu_architecture),
    scaling: scalingOf(body, spec),
    ports,
    volumes: body.storage ? parseVolumes(body.storage, spec?.volumes ?? []) : (spec?.volumes ?? []),
    readiness: parseProbe(body.healthchecks.readiness_probe, 'healthchecks.readiness_probe', ports),
    liveness: parseProbe(body.healthchecks.liveness_probe, 'healthchecks.liveness_probe', ports),
    entrypoint: body.entrypoint === undefined ? (spec?.entrypoint ?? null) : body.entrypoint || null,
    arguments: body.arguments ?? spec?.arguments ?? [],
    autoDeploy: body.auto_deploy ?? spec?.autoDeploy ?? true,
    settings: settingsOf((extras['advanced'] ?? {}) as AdvancedSettings),
  }
  for (const [index, argument] of parsed.arguments.entries()) refuseControl(argument, `arguments[${index}]`)
  if (parsed.entrypoint !== null) refuseControl(parsed.entrypoint, 'entrypoint')
  if (parsed.liveness && parsed.liveness.successThreshold !== 1)
    throw invalid(
      'healthchecks.liveness_probe.success_threshold',
      `expected 1 for a liveness probe, found ${parsed.liveness.successThreshold}`,
    )
  const name = body.name === undefined ? (before?.name ?? '') : parseServiceName(body.name, 'name')
  return { name, description: body.description ?? before?.description ?? '', spec: applicationSpec.parse(parsed), extras }
}

const resourcesIn = (body: ServiceRequest, spec: ApplicationSpec | undefined) => ({
  cpuMilli: body.cpu ?? spec?.cpuMilli ?? 500,
  memoryMib: body.memory ?? spec?.memoryMib ?? 512,
  ephemeralGib: body.ephemeral_storage_in_gib === undefined ? (spec?.ephemeralGib ?? null) : body.ephemeral_storage_in_gib || null,
  gpu: body.gpu ?? spec?.gpu ?? 0,
})

const architectureIn = (sent: 'AMD64' | 'ARM64' | null): ApplicationSpec['architecture'] =>
  sent === null ? null : sent === 'AMD64' ? 'amd64' : 'arm64'

/** Fields that are kept and given back without any effect here. */
function extrasOf(body: ServiceRequest, before: Application | null): Record<string, unknown> {
  const kept = ['icon_uri', 'auto_preview', 'annotations_groups', 'labels_groups'] as const
  const sent = Object.fromEntries(kept.flatMap((key) => (body[key] === undefined || body[key] === null ? [] : [[key, body[key]]])))
  if ((body.annotations_groups?.length ?? 0) > 0 || (body.labels_groups?.length ?? 0) > 0)
    throw new AppError(
      'invalid',
      'there is no such group in this organization',
      body.annotations_groups?.length ? 'annotations_groups' : 'labels_groups',
    )
  return { ...before?.extras, ...sent }
}

// eslint-disable-next-line no-control-regex
const control = /\u0000/
function refuseControl(text: string, path: string): void {
  if (control.test(text)) throw invalid(path, 'expected text without NUL characters')
}

function gitSourceOf(body: ServiceRequest, before: ApplicationSpec['source'] | undefined, ownRepositoryId: string | null): GitSource {
  const old = before?.kind === 'git' ? before : undefined
  const repository = body.git_repository
  if (!repository && !old) throw invalid('git_repository', 'expected a Git repository, found none')
  const dockerfile = body.dockerfile_path === undefined ? (old?.dockerfilePath ?? 'Dockerfile') : body.dockerfile_path || 'Dockerfile'
  const target = body.docker_target_build_stage === undefined ? (old?.target ?? null) : body.docker_target_build_stage || null
  if (target !== null && !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(target))
    throw invalid('docker_target_build_stage', `expected the name of a stage, found ${JSON.stringify(target)}`)
  const url = repository?.url ?? old?.url ?? ''
  if (repository && ownRepositoryId === null) parseRepositoryUrl(url, 'git_repository.url')
  return {
    kind: 'git',
    url,
    provider: repository?.provider ?? old?.provider ?? 'GITHUB',
    branch: parseBranch(repository?.branch ?? old?.branch ?? 'main', 'git_repository.branch'),
    rootPath: parseTreePath(repository ? (repository.root_path ?? '/') : (old?.rootPath ?? ''), 'git_repository.root_path'),
    dockerfilePath: parseTreePath(dockerfile, 'dockerfile_path') || 'Dockerfile',
    target,
    tokenId: repository ? (repository.git_token_id ?? null) : (old?.tokenId ?? null),
    ownRepositoryId: repository ? ownRepositoryId : (old?.ownRepositoryId ?? null),
  }
}

function imageSourceOf(body: ServiceRequest, before: ApplicationSpec['source'] | undefined): ImageSource {
  const old = before?.kind === 'image' ? before : undefined
  const name = body.image_name ?? old?.name ?? ''
  const tag = body.tag ?? old?.tag ?? ''
  if (!/^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/.test(name))
    throw invalid(
      'image_name',
      `expected an image name such as nginx or library/nginx, in lower case and without tag, found ${JSON.stringify(name.slice(0, 80))}`,
    )
  parseTag(tag, 'tag')
  return { kind: 'image', registryId: body.registry_id ?? old?.registryId ?? '', name, tag }
}

export function parseTag(tag: string, path: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag))
    throw invalid(path, `expected an image tag, found ${JSON.stringify(tag.slice(0, 80))}`)
  return tag
}

/** min = max is a fixed number; KEDA and min < max are for engines that can scale. */
function scalingOf(body: ServiceRequest, spec: ApplicationSpec | undefined): ApplicationSpec['scaling'] {
  if (body.autoscaling)
    throw new AppError(
      'unsupported',
      'Event-driven autoscaling (KEDA) needs a Kubernetes cluster with KEDA; here use a fixed number of instances.',
      'autoscaling',
    )
  const old = spec?.scaling.kind === 'fixed' ? { min: spec.scaling.instances, max: spec.scaling.instances } : spec?.scaling
  const min = body.min_running_instances ?? old?.min ?? 1
  const max =
    body.max_running_instances ??
    (body.min_running_instances === undefined || body.min_running_instances === null ? (old?.max ?? 1) : Math.max(old?.max ?? 1, min))
  if (max !== -1 && min > max) throw invalid('min_running_instances', `expected at most max_running_instances (${max}), found ${min}`)
  if (min === 0)
    throw new AppError(
      'unsupported',
      'expected at least 1: only event-driven autoscaling can scale to zero; to stop an application use stop',
      'min_running_instances',
    )
  return min === max ? { kind: 'fixed', instances: min } : { kind: 'resource', min, max }
}

function parsePorts(sent: PortRequest[], before: Port[]): Port[] {
  const ports = sent.map((port, index): Port => {
    const old = port.id ? before.find((one) => one.id === port.id) : undefined
    const protocol = (port.protocol ?? old?.protocol.toUpperCase() ?? 'HTTP').toLowerCase() as Port['protocol']
    const name = port.name ?? old?.name ?? `p${port.internal_port}`
    if (!isDnsLabel(name) || name.length > 30)
      throw invalid(
        `ports[${index}].name`,
        `expected a name of lower-case letters, digits and hyphens, at most 30 (it becomes a host name), found ${JSON.stringify(name)}`,
      )
    const web = protocol === 'http' || protocol === 'grpc'
    const external = port.publicly_accessible ? (web ? 443 : (port.external_port ?? port.internal_port)) : null
    return {
      id: old?.id ?? newId(),
      name,
      internal: port.internal_port,
      external,
      public: port.publicly_accessible,
      isDefault: port.is_default ?? false,
      protocol,
      publicPath: port.public_path ?? null,
      publicPathRewrite: port.public_path_rewrite ?? null,
    }
  })
  return checkedPorts(ports)
}

const RESERVED_MOUNTS = ['/proc', '/sys', '/dev', '/etc', '/run', '/var/run', '/bin', '/sbin', '/lib', '/usr', '/boot']

function parseVolumes(sent: NonNullable<ServiceRequest['storage']>, before: Volume[]): Volume[] {
  const seen = new Set<string>()
  return sent.map((volume, index) => {
    const path = `storage[${index}]`
    const mountPath = volume.mount_point.replace(/\/+$/, '')
    if (!/^(\/[A-Za-z0-9._-]+)+$/.test(mountPath) || mountPath.split('/').some((part) => part === '..' || part === '.'))
      throw invalid(`${path}.mount_point`, `expected an absolute path of ordinary names, found ${JSON.stringify(volume.mount_point)}`)
    if (
      RESERVED_MOUNTS.includes(mountPath) ||
      mountPath.startsWith('/proc/') ||
      mountPath.startsWith('/sys/') ||
      mountPath.startsWith('/dev/')
    )
      throw invalid(`${path}.mount_point`, `expected a path of the application's own, found ${mountPath}, which belongs to the system`)
    if (seen.has(mountPath)) throw invalid(`${path}.mount_point`, `expected each path once, found ${mountPath} twice`)
    seen.add(mountPath)
    const old = volume.id ? before.find((one) => one.id === volume.id) : before.find((one) => one.mountPath === mountPath)
    if (old && volume.size < old.sizeGib)
      throw invalid(`${path}.size`, `expected at least ${old.sizeGib} GB: a volume only grows, found ${volume.size}`)
    return { id: old?.id ?? newId(), sizeGib: volume.size, mountPath }
  })
}

function parseProbe(sent: ProbeRequest | null | undefined, path: string, ports: Port[]): Probe | null {
  if (!sent) return null
  const { tcp, http, exec, grpc } = sent.type
  const set = [tcp, http, exec, grpc].filter((one) => one !== null && one !== undefined)
  if (set.length !== 1) throw invalid(`${path}.type`, `expected exactly one of tcp, http, exec and grpc, found ${set.length}`)
  const probed = tcp?.port ?? http?.port ?? grpc?.port
  if (probed !== undefined && !ports.some((port) => port.internal === probed && (port.protocol !== 'udp' || !isWeb(port))))
    throw invalid(
      `${path}.type`,
      `expected one of the application's ports (${ports.map((port) => port.internal).join(', ') || 'it has none'}), found ${probed}`,
    )
  const times = {
    initialDelay: sent.initial_delay_seconds,
    period: sent.period_seconds,
    timeout: sent.timeout_seconds,
    successThreshold: sent.success_threshold,
    failureThreshold: sent.failure_threshold,
  }
  if (tcp) return { check: { kind: 'tcp', port: tcp.port }, ...times }
  if (grpc) return { check: { kind: 'grpc', port: grpc.port, service: grpc.service ?? '' }, ...times }
  if (exec) return { check: { kind: 'exec', command: exec.command }, ...times }
  if (!http) throw invalid(`${path}.type`, 'expected a kind of probe')
  if (!http.path.startsWith('/') || /\s/.test(http.path))
    throw invalid(`${path}.type.http.path`, `expected a path that starts with /, found ${JSON.stringify(http.path)}`)
  return { check: { kind: 'http', path: http.path, scheme: http.scheme === 'HTTPS' ? 'https' : 'http', port: http.port }, ...times }
}
