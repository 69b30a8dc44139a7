import { systemNamespace } from '../../../model/cluster.ts'
import { publicStreamPorts, publicWebPorts, type Port } from '../../../model/port.ts'
import type { Place } from '../../../model/workload.ts'
import { labels, placeLabels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { GATEWAY, portName, publicPolicyName, publicServiceName, routeName, serviceName } from './name.ts'
import type { RenderContext } from './pod.ts'

/** How the outside reaches an application: a route per public web port, a load balancer per protocol of the others. */
export function renderRoutes(place: Place, ports: Port[], context: RenderContext & { redirect: boolean }): KubeObject[] {
  const streams = publicStreamPorts(ports)
  return [
    ...publicWebPorts(ports).map((port) => renderRoute(place, port, context)),
    ...(['tcp', 'udp'] as const).flatMap((protocol) => {
      const mine = streams.filter((port) => port.protocol === protocol)
      return mine.length === 0 ? [] : [renderBalancer(place, mine, { ...context, protocol })]
    }),
    ...(streams.length === 0 ? [] : [renderPolicy(place, streams, context)]),
  ]
}

export function hostsOf(place: Place, port: Port, domain: string): string[] {
  const bare = `${place.addressLabel}.${domain}`
  return [`${port.name}-${bare}`, ...(port.isDefault ? [bare] : [])]
}

function renderRoute(place: Place, port: Port, context: RenderContext & { redirect: boolean }): KubeObject {
  const kind = port.protocol === 'grpc' ? 'GRPCRoute' : 'HTTPRoute'
  const gateway = { name: GATEWAY, namespace: systemNamespace(context.clusterId.slice(0, 8)) }
  const listeners = context.redirect ? ['https'] : ['https', 'http']
  return {
    apiVersion: apiVersionOf(kind),
    kind,
    metadata: { name: routeName(place, port), namespace: place.namespace, labels: placeLabels(context.clusterId, place) },
    spec: {
      parentRefs: listeners.map((sectionName) => ({ ...gateway, sectionName })),
      hostnames: hostsOf(place, port, context.options.domain),
      rules: [
        {
          backendRefs: [{ name: serviceName(place), port: port.internal }],
          // Envoy would cut every answer that takes longer than 15 s as a whole.
          ...(kind === 'HTTPRoute' ? { timeouts: { request: '0s' } } : {}),
        },
      ],
    },
  }
}

function renderBalancer(place: Place, ports: Port[], context: RenderContext & { protocol: 'tcp' | 'udp' }): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: publicServiceName(place, context.protocol),
      namespace: place.namespace,
      labels: placeLabels(context.clusterId, place),
    },
    spec: {
      type: 'LoadBalancer',
      // The caller's address stays visible, and no node without an instance gets traffic.
      externalTrafficPolicy: 'Local',
      selector: { [labels.application]: place.applicationId },
      ports: ports.map((port) => ({
        name: portName(port),
        port: port.external ?? port.internal,
        targetPort: port.internal,
        protocol: context.protocol.toUpperCase(),
      })),
    },
  }
}

/** What is public may come from anywhere; everything else only from the same environment (`render/environment.ts`). */
function renderPolicy(place: Place, ports: Port[], context: RenderContext): KubeObject {
  return {
    apiVersion: apiVersionOf('NetworkPolicy'),
    kind: 'NetworkPolicy',
    metadata: { name: publicPolicyName(place), namespace: place.namespace, labels: placeLabels(context.clusterId, place) },
    spec: {
      podSelector: { matchLabels: { [labels.application]: place.applicationId } },
      policyTypes: ['Ingress'],
      ingress: [{ ports: ports.map((port) => ({ port: port.internal, protocol: port.protocol.toUpperCase() })) }],
    },
  }
}
