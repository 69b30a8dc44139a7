import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'

export type Postgres = { url: string; stop: () => Promise<void> }

/** A PostgreSQL of its own that pods reach at an address of this machine: the embedded one behind a forwarder, since it listens on a socket only. */
export async function postgresAt(address: string): Promise<Postgres> {
  const home = mkdtempSync(join(tmpdir(), 'berth-postgres-'))
  chmodSync(home, 0o711)
  const postgres = await startEmbeddedPostgres(home)
  const socket = join(String(postgres.connection.host), '.s.PGSQL.5432')
  const forwarder = spawn(process.execPath, [resolve(import.meta.dirname, 'forward.ts'), address, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<string>((done, fail) => {
    forwarder.stdout.once('data', (chunk: Buffer) => done(chunk.toString().trim()))
    forwarder.once('error', fail).once('exit', () => fail(new Error('the forwarder ended')))
  })
  return {
    url: `postgresql://berth@${address}:${port}/postgres`,
    stop: async () => {
      forwarder.kill()
      await postgres.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
