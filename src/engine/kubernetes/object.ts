/** What every Kubernetes object has. */
export type Metadata = {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  finalizers?: string[]
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[]
  managedFields?: ManagedFields[]
}
export type ManagedFields = { manager: string; operation: string; subresource?: string; fieldsV1?: Record<string, unknown> }

export type KubeObject = { apiVersion: string; kind: string; metadata: Metadata; [field: string]: unknown }

export type Condition = {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
  observedGeneration?: number
}

export type Reference = { kind: Kind; namespace: string; name: string }

/** The kinds that Berth writes, and how their API spells them. */
const kinds = {
  Namespace: { api: 'api/v1', plural: 'namespaces', namespaced: false },
  Secret: { api: 'api/v1', plural: 'secrets', namespaced: true },
  Service: { api: 'api/v1', plural: 'services', namespaced: true },
  ServiceAccount: { api: 'api/v1', plural: 'serviceaccounts', namespaced: true },
  PersistentVolumeClaim: { api: 'api/v1', plural: 'persistentvolumeclaims', namespaced: true },
  Pod: { api: 'api/v1', plural: 'pods', namespaced: true },
  Event: { api: 'api/v1', plural: 'events', namespaced: true },
  ConfigMap: { api: 'api/v1', plural: 'configmaps', namespaced: true },
  ResourceQuota: { api: 'api/v1', plural: 'resourcequotas', namespaced: true },
  Deployment: { api: 'apis/apps/v1', plural: 'deployments', namespaced: true },
  StatefulSet: { api: 'apis/apps/v1', plural: 'statefulsets', namespaced: true },
  DaemonSet: { api: 'apis/apps/v1', plural: 'daemonsets', namespaced: true },
  ReplicaSet: { api: 'apis/apps/v1', plural: 'replicasets', namespaced: true },
  HorizontalPodAutoscaler: { api: 'apis/autoscaling/v2', plural: 'horizontalpodautoscalers', namespaced: true },
  PodDisruptionBudget: { api: 'apis/policy/v1', plural: 'poddisruptionbudgets', namespaced: true },
  NetworkPolicy: { api: 'apis/networking.k8s.io/v1', plural: 'networkpolicies', namespaced: true },
  Gateway: { api: 'apis/gateway.networking.k8s.io/v1', plural: 'gateways', namespaced: true },
  GatewayClass: { api: 'apis/gateway.networking.k8s.io/v1', plural: 'gatewayclasses', namespaced: false },
  HTTPRoute: { api: 'apis/gateway.networking.k8s.io/v1', plural: 'httproutes', namespaced: true },
  GRPCRoute: { api: 'apis/gateway.networking.k8s.io/v1', plural: 'grpcroutes', namespaced: true },
  BackendTrafficPolicy: { api: 'apis/gateway.envoyproxy.io/v1alpha1', plural: 'backendtrafficpolicies', namespaced: true },
  Certificate: { api: 'apis/cert-manager.io/v1', plural: 'certificates', namespaced: true },
} as const
export type Kind = keyof typeof kinds

export const apiVersionOf = (kind: Kind): string => kinds[kind].api.replace(/^apis?\//, '')

/** The path of all objects of a kind, in one namespace or in all. */
export function pathOf(kind: Kind, namespace?: string): string {
  const { api, plural, namespaced } = kinds[kind]
  return namespaced && namespace !== undefined ? `/${api}/namespaces/${namespace}/${plural}` : `/${api}/${plural}`
}
export const pathTo = ({ kind, namespace, name }: Reference): string => `${pathOf(kind, namespace)}/${name}`

export const keyOf = ({ kind, namespace, name }: Reference): string => `${kind}/${namespace}/${name}`
export const referenceTo = (object: KubeObject): Reference => ({
  kind: object.kind as Kind,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
})

/** Resource versions of one kind grow (Kubernetes promises that they can be compared as numbers). */
export const versionOf = (text: string | undefined): bigint => (text !== undefined && /^\d+$/.test(text) ? BigInt(text) : 0n)
