import type { Logger } from 'pino'
import { messageOf } from '../../model/error.ts'
import type { Edge } from './edge.ts'
import type { EdgeInput } from './render/edge.ts'

/** Milliseconds before a rejected or failed configuration is written again. */
const RETRY = 3000

/** Keeps the edge at what the database says: recomputed whole at every poke, one write at a time. */
export class EdgeLoop {
  readonly #edge: Edge
  readonly #read: () => Promise<EdgeInput>
  readonly #done: (version: number, error: string | null) => Promise<void>
  readonly #log: Logger
  #wanted = true
  #wake = (): void => undefined

  constructor(
    edge: Edge,
    books: { read: () => Promise<EdgeInput>; done: (version: number, error: string | null) => Promise<void> },
    log: Logger,
  ) {
    this.#edge = edge
    this.#read = books.read
    this.#done = books.done
    this.#log = log
  }

  poke(): void {
    this.#wanted = true
    this.#wake()
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#wanted) {
        this.#wanted = false
        await this.#write()
      } else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
    }
  }

  async #write(): Promise<void> {
    let version = 0
    try {
      const input = await this.#read()
      version = input.version
      await this.#edge.write(input)
      await this.#done(version, null)
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'the edge could not be written')
      await this.#done(version, messageOf(error)).catch(() => undefined)
      setTimeout(() => this.poke(), RETRY).unref()
    }
  }
}
