import { setTimeout as pause } from 'node:timers/promises'
import { AppError, messageOf } from '../../model/error.ts'
import type { Workload } from '../../model/workload.ts'
import type { Objects } from './apply.ts'
import type { KubeClient } from './client.ts'
import { KubernetesError } from './error.ts'
import { labels, selector } from './label.ts'
import { pathOf, pathTo, type KubeObject, type Reference } from './object.ts'
import { volumeName, workloadName } from './render/name.ts'
import { quantity } from './usage.ts'

/** Milliseconds that a set may take to go, and between looks. */
const REMOVAL_LIMIT = 60_000
const LOOK = 200

type Claim = KubeObject & { spec: { resources: { requests: { storage: string } }; storageClassName?: string } }
type Template = { metadata: { name: string }; spec: { resources: { requests: { storage: string } } } }

/**
 * A StatefulSet's volumes cannot be changed, so before it is applied: claims that exist grow in place, and where the templates differ the set alone is removed;
 * its instances and their volumes stay and belong to the next one. Instances that lack a volume of the new set (or have one more) cannot be taken over:
 * Kubernetes would try to change them for ever, so they end with the old set.
 */
export async function prepareVolumes(
  workload: Workload,
  on: { client: KubeClient; objects: Objects; note: (line: string) => void },
): Promise<void> {
  if (workload.volumes.length === 0) return
  const { place } = workload
  const set: Reference = { kind: 'StatefulSet', namespace: place.namespace, name: workloadName(place) }
  for (const volume of workload.volumes)
    for (const claim of await claimsOf(on.client, { namespace: place.namespace, applicationId: place.applicationId, volumeId: volume.id }))
      await grow(on, claim, volume.sizeGib)
  const live = await on.client.find<KubeObject>('GET', pathTo(set))
  if (!live) return
  const templates = ((live['spec'] as { volumeClaimTemplates?: Template[] }).volumeClaimTemplates ?? []).map(
    (one) => `${one.metadata.name} ${one.spec.resources.requests.storage}`,
  )
  const wanted = workload.volumes.map((volume) => `${volumeName(volume.id)} ${volume.sizeGib}Gi`)
  if (templates.sort().join() === wanted.sort().join()) return
  const names = (all: string[]): string => all.map((one) => one.split(' ')[0]).join()
  const orphan = names(templates) === names(wanted)
  if (!orphan) on.note('Its volumes are others now: the old instances end before the new ones start')
  await on.objects.remove(set, live.metadata.uid ?? null, { orphan })
  await gone(on.client, set, live.metadata.uid)
}

/** One that is on its way out cannot be applied again. */
async function gone(client: KubeClient, set: Reference, uid: string | undefined): Promise<void> {
  const until = Date.now() + REMOVAL_LIMIT
  while ((await client.find<KubeObject>('GET', pathTo(set)))?.metadata.uid === uid) {
    if (Date.now() > until)
      throw new AppError('unavailable', `${set.kind} ${set.name} could not be replaced: it is still there after ${REMOVAL_LIMIT / 1000} s.`)
    await pause(LOOK)
  }
}

async function grow(on: { client: KubeClient; note: (line: string) => void }, claim: Claim, sizeGib: number): Promise<void> {
  const now = gibOf(claim.spec.resources.requests.storage)
  if (now >= sizeGib) return
  const { name, namespace = '' } = claim.metadata
  on.note(`The volume ${name} grows from ${now} to ${sizeGib} GiB`)
  try {
    await on.client.call('PATCH', pathTo({ kind: 'PersistentVolumeClaim', namespace, name }), {
      body: { spec: { resources: { requests: { storage: `${sizeGib}Gi` } } } },
      type: 'application/merge-patch+json',
    })
  } catch (error) {
    if (error instanceof KubernetesError && (error.code === 'forbidden' || error.code === 'invalid'))
      throw new AppError(
        'invalid',
        `The storage class ${claim.spec.storageClassName ?? '(none)'} cannot grow volumes (${messageOf(error)}). Set the size back to ${now} GiB, or use a storage class with allowVolumeExpansion.`,
        'storage',
      )
    throw error
  }
}

const gibOf = (text: string): number => quantity(text) / 2 ** 30

/** The claims of an application, or of one of its volumes, for every instance that ever was. */
export async function claimsOf(client: KubeClient, of: { namespace: string; applicationId: string; volumeId?: string }): Promise<Claim[]> {
  const wanted = { [labels.application]: of.applicationId, ...(of.volumeId === undefined ? {} : { [labels.volume]: of.volumeId }) }
  const found = await client.call<{ items: Claim[] }>(
    'GET',
    `${pathOf('PersistentVolumeClaim', of.namespace)}?labelSelector=${selector(wanted)}`,
  )
  return found.items.map((one) => ({ ...one, kind: 'PersistentVolumeClaim' }))
}
