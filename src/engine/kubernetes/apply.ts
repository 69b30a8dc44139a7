import { AppError } from '../../model/error.ts'
import type { Place } from '../../model/workload.ts'
import type { KubeClient } from './client.ts'
import { isMissing, KubernetesError } from './error.ts'
import { fingerprint, MANAGER, SCALE_MANAGER } from './fingerprint.ts'
import type { Entry, Inventory } from './inventory.ts'
import { pathTo, referenceTo, type KubeObject, type Reference } from './object.ts'

/** `dryRun`: the server says what would be, and nothing changes. */
type ApplyOptions = { manager?: string; dryRun?: boolean; signal?: AbortSignal | undefined }

/** Writes objects by server-side apply, each into the inventory of its application before it exists. */
export class Objects {
  readonly #client: KubeClient
  readonly #inventory: Inventory

  constructor(client: KubeClient, inventory: Inventory) {
    this.#client = client
    this.#inventory = inventory
  }

  /** Applies in order. `mark` says what they belong to: a rollout, or the routes. `counts`: objects whose count is ours too, with it. */
  async applyAll(place: Place, objects: KubeObject[], of: { mark: string; count: KubeObject | null; signal: AbortSignal }): Promise<void> {
    const begun = objects.map((object): Entry => ({ ...referenceTo(object), mark: of.mark, uid: null, fingerprint: null, version: '0' }))
    await this.#inventory.record(place, begun)
    const done: Entry[] = []
    try {
      for (const object of objects) {
        let live = await this.apply(object, { signal: of.signal })
        const counted = of.count !== null && of.count.kind === object.kind && of.count.metadata.name === object.metadata.name
        if (counted && of.count) live = await this.apply(of.count, { manager: SCALE_MANAGER, signal: of.signal })
        done.push(entryOf(live, object, { mark: of.mark, managers: counted ? [MANAGER, SCALE_MANAGER] : [MANAGER] }))
      }
    } finally {
      await this.#inventory.record(place, done)
    }
  }

  /** One object as the server has it afterwards. */
  async apply(object: KubeObject, { manager = MANAGER, dryRun = false, signal }: ApplyOptions = {}): Promise<KubeObject> {
    const path = `${pathTo(referenceTo(object))}?fieldManager=${manager}&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`
    try {
      return await this.#client.call<KubeObject>('PATCH', path, { body: object, type: 'application/apply-patch+yaml', signal })
    } catch (error) {
      if (!dryRun && object['immutable'] === true && error instanceof KubernetesError && error.status === 422)
        return this.#replace(object, signal)
      throw error
    }
  }

  /** Removes one object, only while it is the one that is meant; true when it was there. */
  async remove(reference: Reference, uid: string | null, options: { orphan?: boolean } = {}): Promise<boolean> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: options.orphan ? 'Orphan' : 'Background',
      ...(uid === null ? {} : { preconditions: { uid } }),
    }
    try {
      await this.#client.call('DELETE', pathTo(reference), { body })
      return true
    } catch (error) {
      // Another object of this name is not ours to remove.
      if (isMissing(error) || (error instanceof AppError && error.code === 'conflict')) return false
      throw error
    }
  }

  /** What cannot be changed is made anew: only after somebody else took its name, since a release's variables never change. */
  async #replace(object: KubeObject, signal: AbortSignal | undefined): Promise<KubeObject> {
    await this.remove(referenceTo(object), null)
    return this.apply(object, { signal })
  }
}

function entryOf(live: KubeObject, wanted: KubeObject, of: { mark: string; managers: string[] }): Entry {
  return {
    ...referenceTo(wanted),
    mark: of.mark,
    uid: live.metadata.uid ?? null,
    // Values of variables are not watched, so all that is known of them is that they are there; immutable they are anyway.
    fingerprint: wanted.kind === 'Secret' ? null : fingerprint(live, of.managers),
    version: live.metadata.resourceVersion ?? '0',
  }
}
