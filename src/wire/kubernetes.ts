import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { BuildkitBuilder } from '../build/buildkit/builder.ts'
import type { Config } from '../config.ts'
import { pushAccessOf } from '../deploy/access.ts'
import type { ClusterAdapters, ClusterRow } from '../deploy/dependencies.ts'
import type { AddonBook } from '../engine/kubernetes/addon/addons.ts'
import { BuildPods } from '../engine/kubernetes/build-pods.ts'
import { KubeClient } from '../engine/kubernetes/client.ts'
import { KubernetesEngine } from '../engine/kubernetes/engine.ts'
import type { Entry, InventoryBook } from '../engine/kubernetes/inventory.ts'
import { KubernetesProvisioning } from '../engine/kubernetes/provision.ts'
import { addonNames, type AddonRecord } from '../model/addon.ts'
import { ownRegistryNames, type KubernetesReach } from '../model/cluster.ts'
import { AppError, messageOf } from '../model/error.ts'
import { parseKubeconfig } from '../model/kubeconfig.ts'
import { Catalog } from '../source/catalog.ts'
import type { Egress } from '../source/egress.ts'
import { hasImage, removeImage } from '../source/registry/client.ts'
import type { Authority } from '../store/authority.ts'
import { findReach, noteOnCluster, readClusterNotes } from '../store/cluster.ts'
import type { Db } from '../store/database.ts'
import { forgetInventory, listInventory, recordInventory } from '../store/inventory.ts'
import type { Vault } from '../store/seal.ts'
import { openSecret } from '../store/secret.ts'
import { localCertificate } from './certificate.ts'

type Wiring = { config: Config; authority: Authority; db: Db; vault: Vault; egress: Egress; log: Logger }

/** Milliseconds between looks at the certificate of Berth's own authority, which it renews 30 days before its end, and at what the registry can give back. */
const LOOK = 12 * 3_600_000

/** Everything that drives one Kubernetes cluster. Its credential is read when it is first needed, and again when it is not accepted any more. */
export function wireKubernetes(
  { config, authority, db, vault, egress, log }: Wiring,
  cluster: ClusterRow,
  options: KubernetesReach,
): ClusterAdapters {
  const client = new KubeClient({
    access: async () => {
      const reach = await findReach(db, cluster.id)
      if (reach?.kind !== 'kubernetes') throw new AppError('not_found', `The cluster ${cluster.name} does not exist any more.`)
      return parseKubeconfig(await openSecret(db, vault, cluster.organization_id, reach.credentials))
    },
    address: (host) => egress.addressOf(host, 'kubeconfig.cluster.server'),
  })
  const render = { clusterId: cluster.id, options }
  const book = bookOf(db, cluster.id)
  const pods = new BuildPods(client, render)
  const engine = new KubernetesEngine(client, render, { book, makeRoom: () => pods.makeRoom() })
  const provisioning = new KubernetesProvisioning(client, render, {
    certificate: () => localCertificate(join(config.home, 'certificates'), options.domain, authority),
    book,
    addons: { book: addonBookOf(db, cluster.id), source: new Catalog(config.addons, egress) },
  })
  const builder = builderOf(options, { cluster, pods, provisioning, egress, db, vault, scratch: join(config.home, 'build') })
  return {
    engine,
    inspection: engine,
    provisioning,
    builder,
    run: async (signal) => {
      const tell = (what: string) => (error: unknown) => log.warn({ cluster: cluster.name, error: messageOf(error) }, what)
      await pods.sweep().catch(tell('old builders could not be removed'))
      if (options.ownRegistry)
        await pods.beforeBuilds(() => provisioning.registry.endCollection(signal)).catch(tell('the registry may still be cleaned'))
      while (!signal.aborted) {
        await provisioning.renewCertificate(signal).catch(tell('the certificate could not be looked at'))
        if (options.ownRegistry)
          await pods.whileNobodyBuilds(() => provisioning.registry.collect(signal)).catch(tell('the registry could not be cleaned'))
        await pause(LOOK, undefined, { signal, ref: false }).catch(() => undefined)
      }
    },
    poke: () => undefined,
  }
}

function builderOf(
  options: KubernetesReach,
  of: { cluster: ClusterRow; pods: BuildPods; provisioning: KubernetesProvisioning; egress: Egress; db: Db; vault: Vault; scratch: string },
): BuildkitBuilder | null {
  const { cluster, pods, egress, scratch } = of
  const { registry: name, insecureRegistry: insecure } = options
  if (options.ownRegistry) {
    const { pull, push } = ownRegistryNames(cluster.id)
    const { registry } = of.provisioning
    const asked = { exists: registry.has.bind(registry), remove: registry.remove.bind(registry) }
    const access = () => Promise.resolve(null)
    return new BuildkitBuilder({ workbenches: pods, registry: { name: pull, push, insecure: true }, access, scratch, ...asked })
  }
  if (name === null) return null
  const access = () => pushAccessOf(of, cluster.organization_id, { name, insecure })
  return new BuildkitBuilder({
    workbenches: pods,
    registry: { name, push: name, insecure },
    access,
    scratch,
    exists: async (image) => hasImage(egress, { ...image, insecure, credentials: await access() }),
    remove: async (image) => removeImage(egress, { ...image, insecure, credentials: await access() }),
  })
}

const addonBookOf = (db: Db, clusterId: string): AddonBook => ({
  read: async () => {
    const notes = await readClusterNotes(db, clusterId)
    return new Map(addonNames.flatMap((name) => (notes[`addon:${name}`] ? [[name, notes[`addon:${name}`] as AddonRecord]] : [])))
  },
  write: (name, record) => noteOnCluster(db, clusterId, { [`addon:${name}`]: record ?? undefined }),
})

const bookOf = (db: Db, clusterId: string): InventoryBook => ({
  record: (of, entries) => recordInventory(db, { clusterId, ...of }, entries),
  forget: (applicationId, references) => forgetInventory(db, applicationId, references),
  list: async (applicationId) => (await listInventory(db, applicationId)) as Entry[],
})
