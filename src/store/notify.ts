import { EventEmitter } from 'node:events'
import pg from 'pg'
import { sql, type Db, type Tx } from './database.ts'

/** What wakes whom: a channel name and an id. NOTIFY only wakes; what is true stands in the tables. */
export type Channel = 'deployment' | 'observation' | 'edge' | 'log' | 'cluster'

export async function notify(db: Db | Tx, channel: Channel, id: string): Promise<void> {
  await sql`select pg_notify(${'berth_' + channel}, ${id})`.execute(db)
}

/** Listens on one connection of its own, reconnecting after a loss. Waiters always poll too, slower. */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0)
  readonly #connection: pg.ClientConfig
  #client: pg.Client | undefined
  #closed = false

  constructor(connection: pg.ClientConfig) {
    this.#connection = connection
  }

  async open(): Promise<void> {
    const client = new pg.Client(this.#connection)
    client.on('notification', ({ channel, payload }) => this.#emitter.emit(channel, payload ?? ''))
    client.on('error', () => this.#reopen())
    client.on('end', () => this.#reopen())
    this.#client = client
    await client.connect()
    for (const channel of ['deployment', 'observation', 'edge', 'log', 'cluster']) await client.query(`listen berth_${channel}`)
  }

  /** Calls back on every wake-up of a channel until the returned function is called. */
  on(channel: Channel, callback: (id: string) => void): () => void {
    this.#emitter.on(`berth_${channel}`, callback)
    return () => this.#emitter.off(`berth_${channel}`, callback)
  }

  /** Resolves at the next wake-up for this id (any id when undefined), after `ms` at the latest, or when aborted. */
  wait(channel: Channel, options: { id?: string | undefined; ms: number; signal?: AbortSignal | undefined }): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        off()
        options.signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, options.ms)
      const off = this.on(channel, (id) => {
        if (options.id === undefined || options.id === id) done()
      })
      if (options.signal?.aborted) done()
      else options.signal?.addEventListener('abort', done)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#client?.end()
  }

  #reopen(): void {
    if (this.#closed) return
    this.#client?.removeAllListeners()
    this.#client?.on('error', () => undefined)
    setTimeout(() => {
      if (!this.#closed) this.open().catch(() => this.#reopen())
    }, 1000).unref()
  }
}
