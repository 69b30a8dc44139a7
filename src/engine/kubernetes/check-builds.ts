import { ownRegistryNames, systemNamespace } from '../../model/cluster.ts'
import type { Finding } from '../port.ts'
import type { CallOptions, KubeClient } from './client.ts'
import { pathTo, type KubeObject } from './object.ts'
import { REGISTRY, REGISTRY_PROXY } from './render/name.ts'
import type { RenderContext } from './render/pod.ts'

type Node = { status: { nodeInfo?: { containerRuntimeVersion?: string } } }
type Workload = KubeObject & { status?: { readyReplicas?: number; numberReady?: number; desiredNumberScheduled?: number } }

/** Where builds go, and whether nodes can pull from there. */
export async function buildsOf(client: KubeClient, { clusterId, options }: RenderContext, how: CallOptions): Promise<Finding[]> {
  const row = (found: string, remedy = ''): Finding[] => [{ what: 'builds', found, ok: remedy === '', remedy }]
  if (!options.ownRegistry && options.registry === null)
    return row(
      'no registry',
      'Give the cluster a registry that its nodes reach (berth cluster edit --registry), or let Berth run one on it (--own-registry). Without, images are deployed only.',
    )
  if (!options.ownRegistry)
    return row(`pushed to ${options.registry}${options.insecureRegistry ? ' over HTTP' : ''}, by ${options.builderImage}`)
  const namespace = systemNamespace(clusterId.slice(0, 8))
  const [registry, proxies, { items: nodes }] = await Promise.all([
    client.find<Workload>('GET', pathTo({ kind: 'Deployment', namespace, name: REGISTRY }), how),
    client.find<Workload>('GET', pathTo({ kind: 'DaemonSet', namespace, name: REGISTRY_PROXY }), how),
    client.call<{ items: Node[] }>('GET', '/api/v1/nodes', how),
  ])
  const { pull } = ownRegistryNames(clusterId)
  if (!registry) return row('the own registry is missing', 'Deploy the cluster (berth cluster deploy): it brings it.')
  if ((registry.status?.readyReplicas ?? 0) === 0)
    return row('the own registry does not run', `kubectl describe pods -n ${namespace} -l app=${REGISTRY} says what holds it up.`)
  const [ready, wanted] = [proxies?.status?.numberReady ?? 0, proxies?.status?.desiredNumberScheduled ?? 0]
  if (ready < wanted)
    return row(
      `${wanted - ready} of ${wanted} nodes cannot pull from the own registry`,
      `kubectl describe pods -n ${namespace} -l app=${REGISTRY_PROXY} says what holds their proxies up; port ${pull.split(':')[1]} of a node may be taken.`,
    )
  const strict = nodes
    .map((node) => node.status.nodeInfo?.containerRuntimeVersion ?? '')
    .find((name) => !/^(containerd|docker):/.test(name))
  return strict === undefined
    ? row(`pushed to the own registry (${pull}), by ${options.builderImage}`)
    : row(
        `pushed to the own registry (${pull})`,
        `Tell the runtime of the nodes (${strict}) that ${pull} speaks plain HTTP: it takes loopback for no exception.`,
      )
}
