import { publicStreamPorts, publicWebPorts, type Port } from '../../../model/port.ts'

/** What the edge needs of one application: its names and the addresses that may get its traffic. */
export type EdgeApplication = { applicationId: string; label: string; ports: Port[]; addresses: string[] }
export type EdgeInput = {
  version: number
  domain: string
  httpsPort: number
  httpPort: number
  certificate: { chain: string; key: string }
  applications: EdgeApplication[]
}

type Resource = Record<string, unknown>
/** The files Envoy watches, by name; each is one discovery response. */
export type EdgeFiles = Record<'cds.json' | 'lds.json' | 'rds.json' | 'sds.json', Resource>

const TYPE = 'type.googleapis.com/'
const typed = (type: string, value: Resource): Resource => ({ '@type': TYPE + type, ...value })
const response = (input: EdgeInput, type: string, resources: Resource[]): Resource => ({
  version_info: String(input.version),
  resources: resources.map((resource) => typed(type, resource)),
})

/** Seconds to connect to an instance. */
const CONNECT_TIMEOUT = '5s'
/** Seconds without a byte in either direction after which a TCP connection is closed: the contract's default. */
const TCP_IDLE = '3600s'

export function renderEdge(input: EdgeInput): EdgeFiles {
  return {
    'cds.json': response(input, 'envoy.config.cluster.v3.Cluster', input.applications.flatMap(clustersOf)),
    'lds.json': response(input, 'envoy.config.listener.v3.Listener', [
      httpsListener(input),
      redirectListener(input),
      ...input.applications.flatMap(streamListeners),
    ]),
    'rds.json': response(input, 'envoy.config.route.v3.RouteConfiguration', [
      { name: 'https', virtual_hosts: [...input.applications.flatMap((one) => virtualHosts(one, input)), nobody] },
    ]),
    'sds.json': response(input, 'envoy.extensions.transport_sockets.tls.v3.Secret', [
      {
        name: 'local',
        tls_certificate: {
          certificate_chain: { inline_string: input.certificate.chain },
          private_key: { inline_string: input.certificate.key },
        },
      },
    ]),
  }
}

const clusterName = (application: EdgeApplication, port: Port): string =>
  `${application.applicationId}/${port.protocol === 'udp' ? 'udp' : 'tcp'}/${port.internal}`
const socket = (address: string, port: number, udp = false): Resource => ({
  socket_address: { address, port_value: port, ...(udp ? { protocol: 'UDP' } : {}) },
})

function clustersOf(application: EdgeApplication): Resource[] {
  return application.ports
    .filter((port) => port.public)
    .map((port) => ({
      name: clusterName(application, port),
      type: 'STATIC',
      connect_timeout: CONNECT_TIMEOUT,
      ...(port.protocol === 'grpc'
        ? {
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
                explicit_http_config: { http2_protocol_options: {} },
              }),
            },
          }
        : {}),
      load_assignment: {
        cluster_name: clusterName(application, port),
        endpoints: [
          {
            lb_endpoints: application.addresses.map((address) => ({
              endpoint: { address: socket(address, port.internal, port.protocol === 'udp') },
            })),
          },
        ],
      },
    }))
}

/** The default port answers on the bare name, every public web port on `<port name>-<name>` too. */
export const hostsOf = (label: string, port: Port, domain: string): string[] => [
  ...(port.isDefault ? [`${label}.${domain}`] : []),
  `${port.name}-${label}.${domain}`,
]

function virtualHosts(application: EdgeApplication, input: EdgeInput): Resource[] {
  return publicWebPorts(application.ports).map((port) => ({
    name: clusterName(application, port),
    domains: hostsOf(application.label, port, input.domain),
    routes: [{ match: { prefix: '/' }, route: { cluster: clusterName(application, port), timeout: '0s', retry_policy: retry } }],
  }))
}

/** Only what surely never reached the application is tried again, so that nothing is done twice. */
const retry: Resource = {
  retry_on: 'connect-failure,refused-stream,reset-before-request',
  num_retries: 4,
  host_selection_retry_max_attempts: 4,
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: typed('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
    },
  ],
}

const nobody: Resource = {
  name: 'nobody',
  domains: ['*'],
  routes: [{ match: { prefix: '/' }, direct_response: { status: 404, body: { inline_string: 'No application answers to this name.\n' } } }],
}

const manager = (prefix: string, more: Resource): Resource => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: prefix,
    strip_any_host_port: true,
    use_remote_address: true,
    normalize_path: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router', {}) }],
    ...more,
  }),
})

function httpsListener(input: EdgeInput): Resource {
  const tls = typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: {
      alpn_protocols: ['h2', 'http/1.1'],
      tls_certificate_sds_secret_configs: [{ name: 'local', sds_config: fileSource('sds.json') }],
    },
  })
  return {
    name: 'https',
    address: socket('0.0.0.0', input.httpsPort),
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: typed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}),
      },
    ],
    filter_chains: [
      {
        filter_chain_match: { server_names: [`*.${input.domain}`] },
        transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
        filters: [manager('https', { rds: { route_config_name: 'https', config_source: fileSource('rds.json') } })],
      },
    ],
  }
}

function redirectListener(input: EdgeInput): Resource {
  const redirect = { https_redirect: true, ...(input.httpsPort === 443 ? {} : { port_redirect: input.httpsPort }) }
  const routes = [{ match: { prefix: '/' }, redirect: { ...redirect, response_code: 'PERMANENT_REDIRECT' } }]
  return {
    name: 'redirect',
    address: socket('0.0.0.0', input.httpPort),
    filter_chains: [
      { filters: [manager('redirect', { route_config: { name: 'redirect', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] } })] },
    ],
  }
}

function streamListeners(application: EdgeApplication): Resource[] {
  return publicStreamPorts(application.ports).map((port) =>
    port.protocol === 'udp' ? udpListener(application, port) : tcpListener(application, port),
  )
}

const tcpListener = (application: EdgeApplication, port: Port): Resource => ({
  name: `tcp-${port.external ?? port.internal}`,
  address: socket('0.0.0.0', port.external ?? port.internal),
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.tcp_proxy',
          typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
            stat_prefix: 'tcp',
            cluster: clusterName(application, port),
            idle_timeout: TCP_IDLE,
          }),
        },
      ],
    },
  ],
})

const udpListener = (application: EdgeApplication, port: Port): Resource => ({
  name: `udp-${port.external ?? port.internal}`,
  address: socket('0.0.0.0', port.external ?? port.internal, true),
  udp_listener_config: { downstream_socket_config: { max_rx_datagram_size: '9000' } },
  listener_filters: [
    {
      name: 'envoy.filters.udp_listener.udp_proxy',
      typed_config: typed('envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig', {
        stat_prefix: 'udp',
        matcher: {
          on_no_match: {
            action: {
              name: 'route',
              typed_config: typed('envoy.extensions.filters.udp.udp_proxy.v3.Route', { cluster: clusterName(application, port) }),
            },
          },
        },
      }),
    },
  ],
})

/** Where the folder of these files is inside the edge's container. */
export const CONFIG_FOLDER = '/etc/berth-edge'

function fileSource(file: string): Resource {
  return {
    path_config_source: { path: `${CONFIG_FOLDER}/${file}`, watched_directory: { path: CONFIG_FOLDER } },
    resource_api_version: 'V3',
  }
}

/** The configuration Envoy starts with; everything else comes from the watched files. The admin interface is a socket in a folder of its own. */
export const renderBootstrap = (): Resource => ({
  node: { id: 'berth-edge', cluster: 'berth-edge' },
  admin: { address: { pipe: { path: '/run/berth-edge/admin.sock', mode: 0o600 } } },
  dynamic_resources: { cds_config: fileSource('cds.json'), lds_config: fileSource('lds.json') },
})
