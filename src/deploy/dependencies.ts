import type { Logger } from 'pino'
import type { Builder } from '../build/port.ts'
import type { Engine, Inspection, Provisioning } from '../engine/port.ts'
import type { Egress } from '../source/egress.ts'
import type { Db } from '../store/database.ts'
import type { Wakeups } from '../store/notify.ts'
import type { Vault } from '../store/seal.ts'
import type { Turns } from './turns.ts'

/** `reach`: how it is driven, as `model/cluster.ts` reads it. */
export type ClusterRow = { id: string; organization_id: string; name: string; engine: string; reach: Record<string, unknown> }

/** What drives one cluster. `run` does what its holder must do besides watching (the edge, say) until aborted; `poke` asks for it now. */
export type ClusterAdapters = {
  engine: Engine
  inspection: Inspection
  provisioning: Provisioning
  builder: Builder | null
  run: (signal: AbortSignal) => Promise<void>
  poke: () => void
}

/** What the conductor works with; `server.ts` puts it together. */
export type Dependencies = {
  db: Db
  vault: Vault
  wakeups: Wakeups
  log: Logger
  egress: Egress
  adaptersOf: (cluster: ClusterRow) => ClusterAdapters
  domain: string
  turns: Turns
  /** This process, unique among all that share the database, and the machine it is on. */
  owner: string
  node: string
  /** The locked folder of this process: leases that it left behind are its own to take back. */
  seat: string
  /** How many releases of each application keep their image, beside the serving one. */
  keptReleases: number
  folders: { mirrors: string; work: string; git: string }
}
