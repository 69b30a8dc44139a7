import { KubeClient } from '../../src/engine/kubernetes/client.ts'
import { KubernetesEngine } from '../../src/engine/kubernetes/engine.ts'
import type { Entry, InventoryBook } from '../../src/engine/kubernetes/inventory.ts'
import { keyOf } from '../../src/engine/kubernetes/object.ts'
import type { RenderContext } from '../../src/engine/kubernetes/render/pod.ts'
import type { KubernetesOptions } from '../../src/model/cluster.ts'
import { parseKubeconfig } from '../../src/model/kubeconfig.ts'
import { builderImage, kubeconfig, registryName } from './cluster.ts'

export const options: KubernetesOptions = {
  domain: 'apps.test',
  registry: registryName,
  ownRegistry: null,
  insecureRegistry: true,
  issuer: null,
  gatewayClass: null,
  storageClass: null,
  builderImage,
  rootlessBuilds: false,
  podSecurity: 'baseline',
  addons: [],
  environmentQuota: null,
}

export const kubeClient = (): KubeClient =>
  new KubeClient({ access: () => Promise.resolve(parseKubeconfig(kubeconfig())), address: (host) => Promise.resolve(host) })

/** An inventory that lives as long as the test. */
export function memoryBook(): InventoryBook {
  const rows = new Map<string, Map<string, Entry>>()
  const of = (id: string): Map<string, Entry> => rows.get(id) ?? rows.set(id, new Map()).get(id) ?? new Map<string, Entry>()
  return {
    record: ({ applicationId }, entries) => {
      for (const entry of entries) of(applicationId).set(keyOf(entry), entry)
      return Promise.resolve()
    },
    forget: (applicationId, references) => {
      for (const one of references) of(applicationId).delete(keyOf(one))
      return Promise.resolve()
    },
    list: (applicationId) => Promise.resolve([...of(applicationId).values()]),
  }
}

/** The engine on the test cluster, with nothing but what `server.ts` would give it. */
export function kubernetesEngine(clusterId: string, more: Partial<KubernetesOptions> = {}) {
  const render: RenderContext = { clusterId, options: { ...options, ...more } }
  const client = kubeClient()
  return { client, render, engine: new KubernetesEngine(client, render, { book: memoryBook(), makeRoom: () => Promise.resolve() }) }
}
