import type { EnvironmentQuota } from '../../../model/cluster.ts'
import type { Place } from '../../../model/workload.ts'
import { environmentLabels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { ISOLATION, QUOTA } from './name.ts'
import type { RenderContext } from './pod.ts'

/** What an environment has for itself: its namespace with the security level, and its wall: in come its own instances and the gateway. */
export function renderEnvironment(place: Place, { clusterId, options }: RenderContext): KubeObject[] {
  const ours = environmentLabels(clusterId, place)
  const level = options.podSecurity
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: place.namespace,
        labels: {
          ...ours,
          'pod-security.kubernetes.io/enforce': level,
          'pod-security.kubernetes.io/enforce-version': 'latest',
        },
      },
    },
    ...renderQuota(place.namespace, ours, options.environmentQuota),
    {
      apiVersion: apiVersionOf('NetworkPolicy'),
      kind: 'NetworkPolicy',
      metadata: { name: ISOLATION, namespace: place.namespace, labels: ours },
      spec: {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [
          { from: [{ podSelector: {} }] },
          { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'app.kubernetes.io/managed-by': 'envoy-gateway' } } }] },
        ],
      },
    },
  ]
}

/** What the pods of a namespace may ask for together. Builds are elsewhere and are not counted. */
export function renderQuota(namespace: string, ours: Record<string, string>, quota: EnvironmentQuota | null): KubeObject[] {
  if (quota === null) return []
  const hard = {
    ...(quota.cpuMilli === null ? {} : { 'requests.cpu': `${quota.cpuMilli}m` }),
    ...(quota.memoryMib === null ? {} : { 'requests.memory': `${quota.memoryMib}Mi` }),
    ...(quota.instances === null ? {} : { pods: String(quota.instances) }),
  }
  return [{ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: QUOTA, namespace, labels: ours }, spec: { hard } }]
}
