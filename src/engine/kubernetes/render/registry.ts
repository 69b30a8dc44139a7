import { createHash } from 'node:crypto'
import { ownRegistryNames, systemNamespace, type OwnRegistry } from '../../../model/cluster.ts'
import { labels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { REGISTRY, REGISTRY_PROXY } from './name.ts'
import type { RenderContext } from './pod.ts'

export const REGISTRY_PORT = 5000
export const REGISTRY_CONFIG = '/etc/berth/registry.json'
export const REGISTRY_USER = 'berth'

/** `hash`: of the password, as htpasswd has it. `storageClass`: null = the cluster's default one. */
export type RegistryRequest = { own: OwnRegistry; password: string; hash: string; storageClass: string | null }

/**
 * A registry in Berth's own namespace, with a password, and on every node's loopback a proxy that knows it and only pulls: container runtimes take loopback for
 * trusted without TLS, and no pod that has not the node's network reaches it.
 */
export function renderRegistry({ clusterId }: RenderContext, request: RegistryRequest): KubeObject[] {
  const namespace = systemNamespace(clusterId.slice(0, 8))
  const ours = { [labels.managedBy]: 'berth', [labels.cluster]: clusterId }
  const names = ownRegistryNames(clusterId)
  const basic = Buffer.from(`${REGISTRY_USER}:${request.password}`).toString('base64')
  const texts = { registry: JSON.stringify(registryConfig), proxy: JSON.stringify(proxyConfig(names, basic)) }
  const metadata = (name: string) => ({ name, namespace, labels: ours })
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata(REGISTRY),
      stringData: {
        password: request.password,
        htpasswd: `${REGISTRY_USER}:${request.hash}\n`,
        'registry.json': texts.registry,
        'proxy.json': texts.proxy,
        'config.json': JSON.stringify({ auths: { [names.push]: { auth: basic } } }),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: metadata(REGISTRY),
      spec: {
        accessModes: ['ReadWriteOnce'],
        ...(request.storageClass === null ? {} : { storageClassName: request.storageClass }),
        resources: { requests: { storage: `${request.own.sizeGib}Gi` } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(REGISTRY),
      spec: { selector: { app: REGISTRY }, ports: [{ name: 'http', port: REGISTRY_PORT, targetPort: 'http' }] },
    },
    {
      apiVersion: apiVersionOf('Deployment'),
      kind: 'Deployment',
      metadata: metadata(REGISTRY),
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: { app: REGISTRY } },
        template: {
          metadata: { labels: { ...ours, app: REGISTRY }, annotations: { 'berth/config': digestOf(texts.registry) } },
          spec: registryPod(request.own.image),
        },
      },
    },
    {
      apiVersion: apiVersionOf('DaemonSet'),
      kind: 'DaemonSet',
      metadata: metadata(REGISTRY_PROXY),
      spec: {
        selector: { matchLabels: { app: REGISTRY_PROXY } },
        updateStrategy: { rollingUpdate: { maxUnavailable: '100%' } },
        template: {
          metadata: { labels: { ...ours, app: REGISTRY_PROXY }, annotations: { 'berth/config': digestOf(texts.proxy) } },
          spec: proxyPod(request.own.proxyImage, names.port),
        },
      },
    },
  ]
}

/** The password is 256 random bits, so that this tells nothing of it. */
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** YAML, of which JSON is a part. */
const registryConfig = {
  version: '0.1',
  log: { level: 'warn', accesslog: { disabled: true } },
  storage: { filesystem: { rootdirectory: '/data' }, delete: { enabled: true } },
  http: { addr: `:${REGISTRY_PORT}` },
  auth: { htpasswd: { realm: 'berth', path: '/etc/berth/htpasswd' } },
}

const confined = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }
const calm = { automountServiceAccountToken: false, enableServiceLinks: false }
const unprivileged = {
  runAsNonRoot: true,
  runAsUser: 10_001,
  runAsGroup: 10_001,
  fsGroup: 10_001,
  seccompProfile: { type: 'RuntimeDefault' },
}
const filesOf = (...keys: string[]) => ({
  name: 'config',
  secret: { secretName: REGISTRY, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) },
})
const config = { name: 'config', mountPath: '/etc/berth', readOnly: true }

const registryPod = (image: string): Record<string, unknown> => ({
  ...calm,
  securityContext: unprivileged,
  containers: [
    {
      name: REGISTRY,
      image,
      command: ['registry', 'serve', REGISTRY_CONFIG],
      ports: [{ name: 'http', containerPort: REGISTRY_PORT }],
      readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 2 },
      resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '512Mi' } },
      securityContext: confined,
      volumeMounts: [config, { name: 'data', mountPath: '/data' }],
    },
  ],
  volumes: [filesOf('htpasswd', 'registry.json'), { name: 'data', persistentVolumeClaim: { claimName: REGISTRY } }],
})

/** Ready where a node can pull. It runs on every node, whatever keeps others away, since applications may too. */
const proxyPod = (image: string, port: number): Record<string, unknown> => ({
  ...calm,
  hostNetwork: true,
  dnsPolicy: 'ClusterFirstWithHostNet',
  tolerations: [{ operator: 'Exists' }],
  securityContext: unprivileged,
  containers: [
    {
      name: 'envoy',
      image,
      command: ['envoy', '--config-path', '/etc/berth/proxy.json', '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warn'],
      readinessProbe: { httpGet: { host: '127.0.0.1', port, path: '/v2/' }, periodSeconds: 2, timeoutSeconds: 2 },
      resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } },
      securityContext: confined,
      volumeMounts: [config],
    },
  ],
  volumes: [filesOf('proxy.json')],
})

function proxyConfig(names: { push: string; port: number }, basic: string) {
  const [host, port] = names.push.split(':')
  const pulling = {
    match: { prefix: '/v2/', headers: [{ name: ':method', string_match: { safe_regex: { regex: 'GET|HEAD' } } }] },
    route: { cluster: REGISTRY, timeout: '0s' },
    request_headers_to_add: [{ header: { key: 'authorization', value: `Basic ${basic}` }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
  }
  const other = { match: { prefix: '/' }, direct_response: { status: 403, body: { inline_string: 'Images are only pulled here.\n' } } }
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'pull',
    route_config: { virtual_hosts: [{ name: 'pull', domains: ['*'], routes: [pulling, other] }] },
    http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
  }
  const at = (address: string, portValue: number) => ({ socket_address: { address, port_value: portValue } })
  return {
    static_resources: {
      listeners: [
        {
          name: 'pull',
          address: at('127.0.0.1', names.port),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: REGISTRY,
          type: 'STRICT_DNS',
          dns_lookup_family: 'V4_PREFERRED',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: REGISTRY,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(host ?? '', Number(port)) } }] }],
          },
        },
      ],
    },
  }
}
