import type { AddonObject, AddonRecord } from '../../../model/addon.ts'
import { identityOf } from './manifest.ts'

/** The record of one add-on while it is worked on, written with every change. */
export class RecordWriter {
  #record: AddonRecord
  readonly #write: (record: AddonRecord) => Promise<void>

  constructor(record: AddonRecord, write: (record: AddonRecord) => Promise<void>) {
    this.#record = record
    this.#write = write
  }

  get objects(): AddonObject[] {
    return this.#record.objects
  }

  has(thing: AddonObject): boolean {
    return this.#record.objects.some((one) => identityOf(one) === identityOf(thing))
  }

  begin(version: string): Promise<void> {
    return this.#set({ ...this.#record, version, complete: false })
  }

  /** What is there already keeps its place and, until it is known anew, its uid. */
  record(thing: AddonObject): Promise<void> {
    const known = this.#record.objects.find((one) => identityOf(one) === identityOf(thing))
    const next = { ...thing, uid: thing.uid ?? known?.uid ?? null }
    const objects = known ? this.#record.objects.map((one) => (one === known ? next : one)) : [...this.#record.objects, next]
    return this.#set({ ...this.#record, objects })
  }

  forget(thing: AddonObject): Promise<void> {
    return this.#set({ ...this.#record, objects: this.#record.objects.filter((one) => identityOf(one) !== identityOf(thing)) })
  }

  complete(): Promise<void> {
    return this.#set({ ...this.#record, complete: true })
  }

  async #set(record: AddonRecord): Promise<void> {
    this.#record = record
    await this.#write(record)
  }
}
