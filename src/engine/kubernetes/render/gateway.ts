import { systemNamespace } from '../../../model/cluster.ts'
import { labels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { CERTIFICATE, GATEWAY } from './name.ts'
import type { RenderContext } from './pod.ts'

/** What Berth has for a whole cluster: its namespace, its gateway with the certificate of its domain, and the way from HTTP to HTTPS. */
export function renderGateway(
  { clusterId, options }: RenderContext,
  of: { gatewayClass: string; isEnvoy: boolean; certificate: { chain: string; key: string } | null },
): KubeObject[] {
  const namespace = systemNamespace(clusterId.slice(0, 8))
  const ours = { [labels.managedBy]: 'berth', [labels.cluster]: clusterId }
  const allowedRoutes = { namespaces: { from: 'Selector', selector: { matchLabels: { [labels.cluster]: clusterId } } } }
  const wildcard = `*.${options.domain}`
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      // Builds run here, and they need more than applications may have.
      metadata: { name: namespace, labels: { ...ours, 'pod-security.kubernetes.io/enforce': 'privileged' } },
    },
    of.certificate
      ? {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: CERTIFICATE, namespace, labels: ours },
          type: 'kubernetes.io/tls',
          data: { 'tls.crt': base64(of.certificate.chain), 'tls.key': base64(of.certificate.key) },
        }
      : {
          apiVersion: apiVersionOf('Certificate'),
          kind: 'Certificate',
          metadata: { name: CERTIFICATE, namespace, labels: ours },
          spec: { secretName: CERTIFICATE, dnsNames: [wildcard], issuerRef: { kind: 'ClusterIssuer', name: options.issuer } },
        },
    {
      apiVersion: apiVersionOf('Gateway'),
      kind: 'Gateway',
      metadata: { name: GATEWAY, namespace, labels: ours },
      spec: {
        gatewayClassName: of.gatewayClass,
        listeners: [
          { name: 'http', port: 80, protocol: 'HTTP', allowedRoutes },
          {
            name: 'https',
            port: 443,
            protocol: 'HTTPS',
            hostname: wildcard,
            tls: { mode: 'Terminate', certificateRefs: [{ name: CERTIFICATE }] },
            allowedRoutes,
          },
        ],
      },
    },
    {
      apiVersion: apiVersionOf('HTTPRoute'),
      kind: 'HTTPRoute',
      metadata: { name: 'berth-to-https', namespace, labels: ours },
      spec: {
        parentRefs: [{ name: GATEWAY, sectionName: 'http' }],
        rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', port: 443, statusCode: 301 } }] }],
      },
    },
    // Where no instance is ready Envoy would send to those that are not (its panic mode): the answer is 503 instead. A request that no
    // instance has taken, because the one chosen is gone and the gateway does not know yet, goes to another.
    // One of a node that died answers nothing at all: two seconds are waited for it instead of ten.
    ...(of.isEnvoy
      ? [
          {
            apiVersion: apiVersionOf('BackendTrafficPolicy'),
            kind: 'BackendTrafficPolicy',
            metadata: { name: GATEWAY, namespace, labels: ours },
            spec: {
              targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: GATEWAY }],
              healthCheck: { panicThreshold: 0 },
              timeout: { tcp: { connectTimeout: '2s' } },
              retry: { numRetries: 2, retryOn: { triggers: ['connect-failure', 'refused-stream'] } },
            },
          },
        ]
      : []),
  ]
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
