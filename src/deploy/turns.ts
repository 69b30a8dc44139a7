/**
 * Who may change an application's instances right now: a deployment while it applies, routes and retires, or the repair of what serves.
 * The holder of a cluster does both, so a turn in its memory is enough; what one of them decided is looked at anew once it has its turn.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `work` when everybody who asked before is done. */
  async take<T>(applicationId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(applicationId) ?? Promise.resolve()
    const mine = before.then(work)
    const done = mine.then(
      () => undefined,
      () => undefined,
    )
    this.#last.set(applicationId, done)
    try {
      return await mine
    } finally {
      if (this.#last.get(applicationId) === done) this.#last.delete(applicationId)
    }
  }

  isTaken(applicationId: string): boolean {
    return this.#last.has(applicationId)
  }
}
