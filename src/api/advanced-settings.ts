import { z } from 'zod'
import { AppError } from '../model/error.ts'
import { defaultSettings, type Settings } from '../model/settings.ts'

type Kind = { schema: z.ZodType; fallback: unknown }
const int = (fallback: number | null, min = 0, max = 1_000_000): Kind => ({ schema: z.number().int().min(min).max(max), fallback })
const bool = (fallback: boolean): Kind => ({ schema: z.boolean(), fallback })
const text = (fallback: string | null): Kind => ({ schema: z.string().max(10_000), fallback })
const choice = (fallback: string, ...values: string[]): Kind => ({ schema: z.enum(values), fallback })
const strings: Kind = { schema: z.array(z.string().max(10_000)).max(100), fallback: [] }
const map: Kind = { schema: z.record(z.string().max(300), z.string().max(10_000)), fallback: {} }

const CORS_METHODS = 'GET, PUT, POST, DELETE, PATCH, OPTIONS'
const CORS_HEADERS = 'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization'

/** Every key of the contract with its type and default; `a` marks those that only applications built from Git have. */
const keys: Record<string, Kind & { only?: 'git' }> = {
  'build.timeout_max_sec': { ...int(1800, 1, 86_400), only: 'git' },
  'build.cpu_max_in_milli': { ...int(4000, 100, 128_000), only: 'git' },
  'build.ram_max_in_gib': { ...int(8, 1, 1024), only: 'git' },
  'build.ephemeral_storage_in_gib': { ...int(null, 1), only: 'git' },
  'build.disable_buildkit_cache': { ...bool(false), only: 'git' },
  'build.skip_git_submodules': { ...bool(false), only: 'git' },
  'deployment.custom_domain_check_enabled': bool(true),
  'deployment.termination_grace_period_seconds': int(60, 0, 3600),
  'deployment.affinity.node.required': map,
  'deployment.antiaffinity.pod': choice('Preferred', 'Preferred', 'Required', 'Requirred'),
  'deployment.topology_spread.zone': choice('Disabled', 'Disabled', 'ScheduleAnyway', 'DoNotSchedule'),
  'deployment.update_strategy.type': choice('RollingUpdate', 'RollingUpdate', 'Recreate'),
  'deployment.update_strategy.rolling_update.max_unavailable_percent': int(25, 0, 100),
  'deployment.update_strategy.rolling_update.max_surge_percent': int(25, 0, 100),
  'deployment.lifecycle.post_start_exec_command': strings,
  'deployment.lifecycle.pre_stop_exec_command': strings,
  'network.ingress.proxy_body_size_mb': int(100),
  'network.ingress.force_ssl_redirect': bool(true),
  'network.ingress.enable_cors': bool(false),
  'network.ingress.cors_allow_origin': text('*'),
  'network.ingress.cors_allow_methods': text(CORS_METHODS),
  'network.ingress.cors_allow_headers': text(CORS_HEADERS),
  'network.ingress.proxy_buffer_size_kb': int(4),
  'network.ingress.keepalive_time_seconds': int(3600),
  'network.ingress.keepalive_timeout_seconds': int(60),
  'network.ingress.send_timeout_seconds': int(60),
  'network.ingress.proxy_connect_timeout_seconds': int(60),
  'network.ingress.proxy_send_timeout_seconds': int(60),
  'network.ingress.proxy_read_timeout_seconds': int(60),
  'network.ingress.grpc_send_timeout_seconds': int(60),
  'network.ingress.grpc_read_timeout_seconds': int(60),
  'network.ingress.proxy_buffering': choice('on', 'on', 'off'),
  'network.ingress.proxy_request_buffering': choice('on', 'on', 'off'),
  'network.ingress.proxy_set_headers': map,
  'network.ingress.add_headers': map,
  'network.ingress.extra_headers': text(''),
  'network.ingress.whitelist_source_range': text('0.0.0.0/0'),
  'network.ingress.denylist_source_range': text(''),
  'network.ingress.basic_auth_env_var': text(''),
  'network.ingress.enable_sticky_session': bool(false),
  'network.ingress.nginx_controller_configuration_snippet': text(null),
  'network.ingress.nginx_controller_server_snippet': text(null),
  'network.ingress.nginx_limit_rpm': int(null),
  'network.ingress.nginx_limit_rps': int(null),
  'network.ingress.nginx_limit_burst_multiplier': int(null),
  'network.ingress.nginx_limit_connections': int(null),
  'network.ingress.nginx_custom_http_errors': text(null),
  'network.gateway_api.enable_sticky_session': bool(false),
  'network.gateway_api.sticky_session_type': text('Cookie'),
  'network.gateway_api.force_ssl_redirect': bool(true),
  'network.gateway_api.enable_cors': bool(false),
  'network.gateway_api.cors_allow_origin': text('*'),
  'network.gateway_api.cors_allow_methods': text(CORS_METHODS),
  'network.gateway_api.cors_allow_headers': text(CORS_HEADERS),
  'network.gateway_api.whitelist_source_range': text('0.0.0.0/0, ::/0'),
  'network.gateway_api.denylist_source_range': text(''),
  'network.gateway_api.basic_auth_env_var': text(''),
  'network.gateway_api.route_limit_source_cidrs': text(''),
  'network.gateway_api.route_limit_headers': text(''),
  'network.gateway_api.route_limit_rpm': int(null),
  'network.gateway_api.route_limit_rps': int(null),
  'network.gateway_api.add_headers': map,
  'network.gateway_api.proxy_set_headers': map,
  'network.gateway_api.custom_http_errors': text(null),
  'network.gateway_api.circuit_breaker.max_connections': int(null),
  'network.gateway_api.circuit_breaker.max_pending_requests': int(null),
  'network.gateway_api.circuit_breaker.max_parallel_requests': int(null),
  'network.gateway_api.tcp_keepalive_idle_time_seconds': int(null),
  'network.gateway_api.tcp_keepalive_interval_seconds': int(null),
  'network.gateway_api.http_request_timeout_seconds': int(null),
  'network.gateway_api.http_connection_idle_timeout_seconds': int(null),
  'network.gateway_api.http_max_stream_duration_seconds': int(null),
  'network.gateway_api.retry.num_retries': int(null),
  'network.gateway_api.retry.retry_on': text(null),
  'network.gateway_api.retry.http_status_codes': text(null),
  'network.gateway_api.retry.per_try_timeout_seconds': int(null, 1),
  'network.dns.ndots': int(null),
  'hpa.cpu.average_utilization_percent': int(60, 1, 100),
  'hpa.memory.average_utilization_percent': int(null, 1, 100),
  'resources.override.limit.cpu_in_milli': int(null, 1),
  'resources.override.limit.ram_in_mib': int(null, 1),
  'security.service_account_name': text(''),
  'security.automount_service_account_token': bool(false),
  'security.read_only_root_filesystem': bool(false),
}

export type AdvancedSettings = Record<string, unknown>

export const defaultAdvancedSettings = (source: 'git' | 'image'): AdvancedSettings =>
  Object.fromEntries(
    Object.entries(keys)
      .filter(([, kind]) => kind.only === undefined || kind.only === source)
      .map(([key, kind]) => [key, kind.fallback]),
  )

/** Checks what was sent; only the overrides are kept. null = back to the default. */
export function mergeAdvancedSettings(source: 'git' | 'image', before: AdvancedSettings, sent: Record<string, unknown>): AdvancedSettings {
  const merged = { ...before }
  for (const [key, value] of Object.entries(sent)) {
    const kind = keys[key]
    if (!kind || (kind.only !== undefined && kind.only !== source)) throw new AppError('invalid', 'there is no such advanced setting', key)
    if (value === null) {
      delete merged[key]
      continue
    }
    const parsed = kind.schema.safeParse(value)
    if (!parsed.success)
      throw new AppError(
        'invalid',
        `${parsed.error.issues[0]?.message.replace(/^Invalid input: /, '') ?? 'is wrong'}, found ${JSON.stringify(value)}`,
        key,
      )
    if (JSON.stringify(parsed.data) === JSON.stringify(kind.fallback)) delete merged[key]
    else merged[key] = parsed.data
  }
  return merged
}

/** The settings that take effect, out of the overrides. */
export function settingsOf(overrides: AdvancedSettings): Settings {
  const read = <T>(key: string, fallback: T): T => (overrides[key] ?? fallback) as T
  const base = defaultSettings
  const spread = { Disabled: 'disabled', ScheduleAnyway: 'preferred', DoNotSchedule: 'required' } as const
  return {
    build: {
      timeout: read('build.timeout_max_sec', base.build.timeout),
      cpuMilli: read('build.cpu_max_in_milli', base.build.cpuMilli),
      memoryGib: read('build.ram_max_in_gib', base.build.memoryGib),
      ephemeralGib: read('build.ephemeral_storage_in_gib', base.build.ephemeralGib),
      noCache: read('build.disable_buildkit_cache', base.build.noCache),
    },
    gracePeriod: read('deployment.termination_grace_period_seconds', base.gracePeriod),
    updateStrategy: read<string>('deployment.update_strategy.type', 'RollingUpdate') === 'Recreate' ? 'recreate' : 'rolling',
    maxUnavailablePercent: read('deployment.update_strategy.rolling_update.max_unavailable_percent', base.maxUnavailablePercent),
    maxSurgePercent: read('deployment.update_strategy.rolling_update.max_surge_percent', base.maxSurgePercent),
    postStart: read('deployment.lifecycle.post_start_exec_command', base.postStart),
    preStop: read('deployment.lifecycle.pre_stop_exec_command', base.preStop),
    readOnlyRoot: read('security.read_only_root_filesystem', base.readOnlyRoot),
    nodeLabels: read('deployment.affinity.node.required', base.nodeLabels),
    apart: read<string>('deployment.antiaffinity.pod', 'Preferred').startsWith('Requir') ? 'required' : 'preferred',
    zoneSpread: spread[read<keyof typeof spread>('deployment.topology_spread.zone', 'Disabled')],
    limits: {
      cpuMilli: read('resources.override.limit.cpu_in_milli', base.limits.cpuMilli),
      memoryMib: read('resources.override.limit.ram_in_mib', base.limits.memoryMib),
    },
    scaleAt: {
      cpuPercent: read('hpa.cpu.average_utilization_percent', base.scaleAt.cpuPercent),
      memoryPercent: read('hpa.memory.average_utilization_percent', base.scaleAt.memoryPercent),
    },
    serviceAccount: read('security.service_account_name', '') || null,
    mountToken: read('security.automount_service_account_token', base.mountToken),
    ndots: read('network.dns.ndots', base.ndots),
    redirectToHttps:
      read('network.gateway_api.force_ssl_redirect', base.redirectToHttps) &&
      read('network.ingress.force_ssl_redirect', base.redirectToHttps),
  }
}
