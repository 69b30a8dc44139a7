import { reach, type EnvironmentQuota, type OwnRegistry } from '../../model/cluster.ts'
import type { ClusterRecord } from '../../store/cluster.ts'

/** A cluster that no process holds is not ready, whatever it was. */
export const isHeld = (row: ClusterRecord): boolean => row.holder !== null && row.holder_until !== null && row.holder_until > new Date()

/** Deployed: a process holds it, and for Kubernetes what Berth needs was brought onto it. */
const isDeployed = (row: ClusterRecord): boolean =>
  isHeld(row) && (row.engine !== 'kubernetes' || row.contract_extras['deployed_at'] !== undefined)

const statusOf = (row: ClusterRecord): string => {
  const until = row.contract_extras['deploying_until']
  if (typeof until === 'string') return Date.parse(until) > Date.now() ? 'DEPLOYING' : 'DEPLOYMENT_ERROR'
  if (typeof row.contract_extras['deploy_error'] === 'string') return 'DEPLOYMENT_ERROR'
  return isDeployed(row) ? 'DEPLOYED' : 'READY'
}

const presentQuota = (quota: EnvironmentQuota | null) =>
  quota && { cpu: quota.cpuMilli, memory: quota.memoryMib, instances: quota.instances }

const presentRegistry = (own: OwnRegistry | null) => own && { size: own.sizeGib, image: own.image, proxy_image: own.proxyImage }

export function presentCluster(row: ClusterRecord) {
  const how = reach.parse(row.reach)
  return {
    id: row.id,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    organization: { id: row.organization_id },
    name: row.name,
    description: row.description,
    region: 'on-premise',
    cloud_provider: 'ON_PREMISE',
    kubernetes: 'SELF_MANAGED',
    status: statusOf(row),
    has_access: true,
    version: '',
    is_default: row.is_default,
    is_demo: false,
    production: false,
    deployment_status: 'UP_TO_DATE',
    keda: { enabled: how.kind === 'kubernetes' && how.addons.includes('keda') },
    features: [],
    engine: row.engine,
    ...(how.kind === 'kubernetes'
      ? {
          domain: how.domain,
          registry: how.registry,
          registry_insecure: how.insecureRegistry,
          own_registry: presentRegistry(how.ownRegistry),
          certificate_issuer: how.issuer,
          gateway_class: how.gatewayClass,
          storage_class: how.storageClass,
          builder_image: how.builderImage,
          rootless_builds: how.rootlessBuilds,
          pod_security: how.podSecurity,
          addons: how.addons,
          environment_quota: presentQuota(how.environmentQuota),
        }
      : {}),
  }
}

export const presentClusterStatus = (row: ClusterRecord) => ({
  cluster_id: row.id,
  status: statusOf(row),
  is_deployed: isDeployed(row),
  next_k8s_available_version: null,
  last_execution_id: null,
  cluster_lock: null,
  last_deployment_date:
    typeof row.contract_extras['deployed_at'] === 'string' ? row.contract_extras['deployed_at'] : row.created_at.toISOString(),
  reason: 'UNSPECIFIED',
})
