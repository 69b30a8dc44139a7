import { systemNamespace } from '../../model/cluster.ts'
import { AppError, messageOf } from '../../model/error.ts'
import type { Finding } from '../port.ts'
import type { CallOptions, KubeClient } from './client.ts'
import { isMissing } from './error.ts'
import { pathOf, pathTo, type Condition, type KubeObject } from './object.ts'
import { buildsOf } from './check-builds.ts'
import { GATEWAY } from './render/name.ts'
import type { RenderContext } from './render/pod.ts'

/** Oldest Kubernetes that is driven: native sleep before stopping and immutable Secrets are there, and field validation is the server's. */
const OLDEST = 30
/** Milliseconds that each question may take. */
const QUICK = { patience: 0, limit: 5000 }

/** What Berth does on a cluster, as `kubectl auth can-i` names it: one right of each group of the role in docs/reference/kubernetes-role.yaml. */
const rights: [string, string, string][] = [
  ['', 'namespaces', 'create'],
  ['', 'secrets', 'create'],
  ['', 'services', 'create'],
  ['', 'pods', 'list'],
  ['', 'pods/exec', 'create'],
  ['', 'events', 'list'],
  ['apps', 'deployments', 'create'],
  ['apps', 'statefulsets', 'create'],
  ['', 'persistentvolumeclaims', 'delete'],
  ['autoscaling', 'horizontalpodautoscalers', 'create'],
  ['policy', 'poddisruptionbudgets', 'create'],
  ['networking.k8s.io', 'networkpolicies', 'create'],
  ['gateway.networking.k8s.io', 'httproutes', 'create'],
]

type Node = {
  metadata: { labels?: Record<string, string> }
  status: { allocatable?: Record<string, string>; conditions?: Condition[] }
}
type Gateway = KubeObject & { status?: { conditions?: Condition[]; addresses?: { value: string }[] } }

/** One row per thing, each with what to do where it is not all right. A cluster that does not answer is one row. */
export async function findings(client: KubeClient, { clusterId, options }: RenderContext): Promise<Finding[]> {
  let version: { gitVersion: string; major: string; minor: string }
  try {
    version = await client.call('GET', '/version', QUICK)
  } catch (error) {
    return [
      {
        what: 'kubernetes',
        found: messageOf(error),
        ok: false,
        remedy:
          error instanceof AppError && error.code === 'unauthenticated'
            ? 'The token or certificate is not accepted (any more): give the cluster a new kubeconfig with berth cluster kubeconfig --set.'
            : 'The API server must run and be reachable from here; the address is in the kubeconfig.',
      },
    ]
  }
  const minor = Number.parseInt(version.minor, 10)
  const rows = await Promise.all([
    ask('rights', () => rightsOf(client)),
    ask('nodes', () => nodesOf(client)),
    ask('metrics-server', () =>
      apiOf(
        client,
        '/apis/metrics.k8s.io/v1beta1',
        'metrics-server',
        'Let Berth bring it (berth cluster edit --addons metrics-server) or install it: scaling by CPU and memory, and berth app top, need it.',
      ),
    ),
    ask('gateway class', () => classOf(client, options.gatewayClass)),
    ask('gateway', () => gatewayOf(client, systemNamespace(clusterId.slice(0, 8)), options.domain)),
    ask('certificates', () => issuerOf(client, options.issuer)),
    ask('storage', () => storageOf(client, options.storageClass)),
    ask('keda', () => kedaOf(client)),
    ask('builds', () => buildsOf(client, { clusterId, options }, QUICK)),
  ])
  return [
    { what: 'kubernetes', found: version.gitVersion, ok: minor >= OLDEST, remedy: `Kubernetes 1.${OLDEST} or newer is needed.` },
    ...rows.flat(),
  ]
}

async function ask(what: string, question: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await question()
  } catch (error) {
    return [{ what, found: messageOf(error), ok: false, remedy: 'Berth could not ask: see the rights, and that the API server answers.' }]
  }
}

async function rightsOf(client: KubeClient): Promise<Finding[]> {
  const answers = await Promise.all(
    rights.map(async ([group, resource, verb]) => {
      const [name, subresource] = resource.split('/')
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { group, resource: name, ...(subresource ? { subresource } : {}), verb } },
      }
      const answer = await client.call<{ status: { allowed: boolean } }>('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        ...QUICK,
        body,
      })
      return answer.status.allowed ? [] : [`${verb} ${resource}`]
    }),
  )
  const lacking = answers.flat()
  return [
    {
      what: 'rights',
      found: lacking.length === 0 ? 'enough' : `lacks ${lacking.join(', ')}`,
      ok: lacking.length === 0,
      remedy: lacking.length === 0 ? '' : 'Bind the account to the role in docs/reference/kubernetes-role.yaml.',
    },
  ]
}

async function nodesOf(client: KubeClient): Promise<Finding[]> {
  const { items } = await client.call<{ items: Node[] }>('GET', '/api/v1/nodes', QUICK)
  const ready = items.filter((node) => node.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
  const architectures = [...new Set(items.map((node) => node.metadata.labels?.['kubernetes.io/arch'] ?? 'unknown'))]
  const gpus = items.reduce((sum, node) => sum + Number(node.status.allocatable?.['nvidia.com/gpu'] ?? 0), 0)
  return [
    {
      what: 'nodes',
      found: `${ready.length} of ${items.length} ready, ${architectures.join(', ')}`,
      ok: ready.length > 0,
      remedy: 'At least one node must be ready.',
    },
    { what: 'gpu', found: gpus === 0 ? 'none' : `${gpus} NVIDIA`, ok: true, remedy: '' },
  ]
}

async function apiOf(client: KubeClient, path: string, what: string, remedy: string): Promise<Finding[]> {
  try {
    await client.call('GET', path, QUICK)
    return [{ what, found: 'there', ok: true, remedy: '' }]
  } catch (error) {
    return [{ what, found: isMissing(error) ? 'missing' : messageOf(error), ok: false, remedy }]
  }
}

/** Envoy Gateway's own name for itself. */
export const ENVOY_CONTROLLER = 'gateway.envoyproxy.io/gatewayclass-controller'

type GatewayClass = KubeObject & { spec: { controllerName: string }; status?: { conditions?: Condition[] } }

/** The GatewayClasses that a controller has accepted, with its name; undefined where there is no Gateway API. */
export async function gatewayClasses(
  client: KubeClient,
  options: CallOptions = {},
): Promise<{ name: string; controller: string }[] | undefined> {
  const all = await client.find<{ items: GatewayClass[] }>('GET', pathOf('GatewayClass'), options)
  return all?.items
    .filter((one) => one.status?.conditions?.some(({ type, status }) => type === 'Accepted' && status === 'True'))
    .map((one) => ({ name: one.metadata.name, controller: one.spec.controllerName }))
}

async function classOf(client: KubeClient, wanted: string | null): Promise<Finding[]> {
  const remedy =
    'Let Berth bring Envoy Gateway (berth cluster edit --addons envoy-gateway), or install its chart, which brings the Gateway API along, and a GatewayClass.'
  const classes = ((await gatewayClasses(client, QUICK)) ?? []).map((one) => one.name)
  const ok = wanted === null ? classes.length > 0 : classes.includes(wanted)
  return [{ what: 'gateway class', found: classes.join(', ') || 'none', ok, remedy: ok ? '' : remedy }]
}

async function gatewayOf(client: KubeClient, namespace: string, domain: string): Promise<Finding[]> {
  const remedy = 'Deploy the cluster (berth cluster deploy): it makes the gateway.'
  const live = await client.find<Gateway>('GET', pathTo({ kind: 'Gateway', namespace, name: GATEWAY }), QUICK)
  const address = live?.status?.addresses?.[0]?.value
  const programmed = live?.status?.conditions?.find((one) => one.type === 'Programmed')
  const ok = programmed?.status === 'True' && address !== undefined
  return [
    {
      what: 'gateway',
      found: ok ? `${address} for *.${domain}` : live ? (programmed?.message ?? 'not ready') : 'missing',
      ok,
      remedy: ok ? '' : remedy,
    },
  ]
}

async function issuerOf(client: KubeClient, issuer: string | null): Promise<Finding[]> {
  if (issuer === null) return [{ what: 'certificates', found: "of Berth's own authority", ok: true, remedy: '' }]
  const live = await client.find<KubeObject & { status?: { conditions?: Condition[] } }>(
    'GET',
    `/apis/cert-manager.io/v1/clusterissuers/${issuer}`,
    QUICK,
  )
  const ok = live?.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
  return [
    {
      what: 'certificates',
      found: live ? `cert-manager's ${issuer}${ok ? '' : ', not ready'}` : `no ClusterIssuer ${issuer}`,
      ok,
      remedy: ok ? '' : 'Install cert-manager and make the ClusterIssuer, or clear the issuer: then Berth signs the certificate itself.',
    },
  ]
}

async function storageOf(client: KubeClient, wanted: string | null): Promise<Finding[]> {
  const { items } = await client.call<{ items: (KubeObject & { allowVolumeExpansion?: boolean })[] }>(
    'GET',
    '/apis/storage.k8s.io/v1/storageclasses',
    QUICK,
  )
  const isDefault = (one: KubeObject): boolean => one.metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true'
  const fast = wanted === null ? items.find(isDefault) : items.find((one) => one.metadata.name === wanted)
  const names = items.map((one) => one.metadata.name).join(', ') || 'none'
  return [
    {
      what: 'storage',
      found: fast ? `fast_ssd is ${fast.metadata.name}${fast.allowVolumeExpansion ? ', can grow' : ', cannot grow'} (of ${names})` : names,
      ok: fast !== undefined,
      remedy: fast
        ? ''
        : 'Applications with volumes need a storage class: mark one as the default, or name one with berth cluster edit --storage-class.',
    },
  ]
}

async function kedaOf(client: KubeClient): Promise<Finding[]> {
  const there = await client.find('GET', '/apis/keda.sh/v1alpha1', QUICK)
  return [{ what: 'keda', found: there ? 'there' : 'missing', ok: true, remedy: there ? '' : 'Only event-driven autoscaling needs it.' }]
}
