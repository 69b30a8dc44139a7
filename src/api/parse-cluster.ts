import { addonNames, type AddonName } from '../model/addon.ts'
import { kubernetesOptions, type EnvironmentQuota, type KubernetesOptions, type OwnRegistry } from '../model/cluster.ts'
import { invalid } from '../model/error.ts'
import { isDnsLabel } from '../model/name.ts'
import { kubernetesFields, type ClusterRequest } from './schema/cluster.ts'

/** The builder as its project publishes it, where a cluster names none. */
const BUILDER_IMAGE = 'docker.io/moby/buildkit:v0.34.2'

/** What a cluster's own registry is made of, as its projects publish them. */
const REGISTRY_IMAGE = 'docker.io/library/registry:3.0.0'
const PROXY_IMAGE = 'docker.io/envoyproxy/envoy:distroless-v1.40.0'

const isName = (text: string): boolean => text.length <= 253 && text.split('.').every(isDnsLabel)

/** Rather than saying that something was changed which nobody reads. */
export function refuseKubernetesOptions(body: Partial<ClusterRequest>, engine: string): void {
  const field = kubernetesFields.find((one) => body[one] !== undefined && body[one] !== null)
  if (field) throw invalid(field, `expected nothing: this cluster is driven by ${engine}, and only one of Kubernetes has this`)
}

/** What a request says of a Kubernetes cluster: absent = keep (or the default), empty = none. Throws `invalid` with the field's path. */
export function parseKubernetesOptions(body: Partial<ClusterRequest>, before: KubernetesOptions | null): KubernetesOptions {
  const name = (key: 'certificate_issuer' | 'gateway_class' | 'storage_class', old: string | null | undefined): string | null => {
    const sent = body[key]
    if (sent === undefined) return old ?? null
    if (sent === null || sent === '') return null
    if (!isName(sent))
      throw invalid(key, `expected the name of an object (lower-case letters, digits, hyphens and dots), found ${JSON.stringify(sent)}`)
    return sent
  }
  const domain = body.domain ?? before?.domain ?? ''
  if (!isName(domain) || !domain.includes('.'))
    throw invalid(
      'domain',
      `expected the domain below which applications get their names, such as apps.example.com, found ${JSON.stringify(domain)}`,
    )
  const own = ownRegistryIn(body, before)
  const registry = registryIn(body, own && body.registry === undefined ? null : before)
  if (own && registry !== null) throw invalid('registry', 'expected none beside own_registry')
  return kubernetesOptions.parse({
    domain,
    registry,
    ownRegistry: own,
    insecureRegistry: body.registry_insecure ?? before?.insecureRegistry ?? false,
    issuer: name('certificate_issuer', before?.issuer),
    gatewayClass: name('gateway_class', before?.gatewayClass),
    storageClass: name('storage_class', before?.storageClass),
    builderImage: imageIn('builder_image', body.builder_image, before?.builderImage ?? BUILDER_IMAGE),
    rootlessBuilds: body.rootless_builds ?? before?.rootlessBuilds ?? false,
    podSecurity: body.pod_security ?? before?.podSecurity ?? 'baseline',
    addons: addonsIn(body, before),
    environmentQuota: quotaIn(body, before),
  })
}

function registryIn(body: Partial<ClusterRequest>, before: KubernetesOptions | null): string | null {
  if (body.registry === undefined) return before?.registry ?? null
  if (body.registry === null || body.registry === '') return null
  if (!/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/.test(body.registry))
    throw invalid('registry', `expected host[:port][/path] in lower case and without https://, found ${JSON.stringify(body.registry)}`)
  return body.registry
}

/** The contract's own way to ask for KEDA goes beside the list. */
function addonsIn(body: Partial<ClusterRequest>, before: KubernetesOptions | null): AddonName[] {
  const asked = new Set(body.addons ?? before?.addons ?? [])
  if (body.keda) asked[body.keda.enabled ? 'add' : 'delete']('keda')
  return addonNames.filter((name) => asked.has(name))
}

/** As a whole: what is not named of a quota is not limited, and a quota of nothing is none. */
function quotaIn({ environment_quota: sent }: Partial<ClusterRequest>, before: KubernetesOptions | null): EnvironmentQuota | null {
  if (sent === undefined) return before?.environmentQuota ?? null
  const quota = { cpuMilli: sent?.cpu ?? null, memoryMib: sent?.memory ?? null, instances: sent?.instances ?? null }
  return Object.values(quota).some((limit) => limit !== null) ? quota : null
}

/** One that is given another registry by name has no own one any more. */
function ownRegistryIn(body: Partial<ClusterRequest>, before: KubernetesOptions | null): OwnRegistry | null {
  const sent = body.own_registry
  if (sent === null || (sent === undefined && body.registry)) return null
  const old = before?.ownRegistry ?? null
  if (sent === undefined) return old
  const sizeGib = sent.size ?? old?.sizeGib
  if (sizeGib === undefined)
    throw invalid('own_registry.size', 'expected how many GiB the registry may hold: the cluster has no own one yet')
  return {
    sizeGib,
    image: imageIn('own_registry.image', sent.image, old?.image ?? REGISTRY_IMAGE),
    proxyImage: imageIn('own_registry.proxy_image', sent.proxy_image, old?.proxyImage ?? PROXY_IMAGE),
  }
}

function imageIn(field: string, sent: string | null | undefined, otherwise: string): string {
  const image = sent ?? otherwise
  if (!/^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/.test(image)) throw invalid(field, `expected the name of an image, found ${JSON.stringify(image)}`)
  return image
}
