import type { Exit } from '../../model/observation.ts'

/**
 * What this process knows of an instance beyond Docker, which forgets an exit code once the container runs again. `killed`: somebody else than Berth
 * sent a signal; `liveness`: what the liveness probe found, where Berth ends it for that.
 */
export type Fate = { stopping: boolean; killed: boolean; liveness: string | null; restarts: number; exit: Exit | null }

export const NOTHING_KNOWN: Fate = { stopping: false, killed: false, liveness: null, restarts: 0, exit: null }

/** The fates of instances by their name. */
export class Fates {
  readonly #known = new Map<string, Fate>()

  of(name: string): Fate {
    return this.#known.get(name) ?? NOTHING_KNOWN
  }

  set(name: string, more: Partial<Fate>): void {
    this.#known.set(name, { ...this.of(name), ...more })
  }

  forget(name: string): void {
    this.#known.delete(name)
  }
}
