import { mkdirSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createApi } from './api/app.ts'
import { gentleClose } from './api/close.ts'
import { readConfig } from './config.ts'
import { Conductor } from './deploy/conductor.ts'
import type { ClusterAdapters, ClusterRow, Dependencies } from './deploy/dependencies.ts'
import { Holder } from './deploy/holder.ts'
import { Turns } from './deploy/turns.ts'
import { reach } from './model/cluster.ts'
import { AppError, messageOf } from './model/error.ts'
import { newId } from './model/id.ts'
import { Egress } from './source/egress.ts'
import { ensureFirstToken } from './store/account.ts'
import { ensureAuthority } from './store/authority.ts'
import { openDatabase, sql, type Db } from './store/database.ts'
import { startEmbeddedPostgres } from './store/embedded.ts'
import { migrate } from './store/migrate.ts'
import { Wakeups } from './store/notify.ts'
import { Vault } from './store/seal.ts'
import { checkKey } from './store/secret.ts'
import { authorityFile, firstAuthority, publishAuthority } from './wire/certificate.ts'
import { wireDocker } from './wire/docker.ts'
import { firstToken, infoFile, lockHome, markCluster, masterKey, writePrivate, type ServerInfo } from './wire/home.ts'
import { wireKubernetes } from './wire/kubernetes.ts'
import { wireMemory } from './wire/memory.ts'

const VERSION = '0.1.0'
/** Milliseconds that a clean shutdown may take: a fast stop of the embedded database has 20 s of its own. */
const STOP_LIMIT = 30_000

/** The only place that names concrete adapters. Starts in the order things need each other, stops in the reverse one. */
async function main(): Promise<void> {
  const config = readConfig(process.env)
  const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['req.headers.authorization'] })
  const lock = await lockHome(config.home)
  const postgres = config.databaseUrl ? null : await startEmbeddedPostgres(config.home)
  const connection = postgres?.connection ?? { connectionString: config.databaseUrl }
  const db = openDatabase(connection, (error) => log.warn({ error: error.message }, 'a database connection broke'))
  await reachDatabase(db, config.databaseUrl)
  const migrated = await migrate(db)
  if (migrated.length > 0) log.info({ migrated }, 'the schema is up to date')
  const vault = new Vault(masterKey(config.masterKeyFile))
  await checkKey(db, vault)
  const wakeups = new Wakeups(connection)
  await wakeups.open()
  const folders = { mirrors: join(config.home, 'mirrors'), work: join(config.home, 'work'), git: config.gitFolder }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 })
  rmSync(folders.work, { recursive: true, force: true })
  const certificates = join(config.home, 'certificates')
  const authority = await ensureAuthority(db, vault, () => firstAuthority(certificates))
  publishAuthority(certificates, authority)
  const egress = new Egress(config.egressAllow)
  const wire = (cluster: ClusterRow): ClusterAdapters => {
    const how = reach.parse(cluster.reach)
    if (how.kind === 'kubernetes') return wireKubernetes({ config, authority, db, vault, egress, log }, cluster, how)
    markCluster(config.home, cluster.id)
    if (how.kind === 'memory') return wireMemory(cluster.id)
    return wireDocker({ config, authority, db, wakeups, log, path: process.env['PATH'] ?? '/usr/bin:/bin' }, cluster.id)
  }
  const adapters = new Map<string, Map<string, ClusterAdapters>>()
  const adaptersOf = (cluster: ClusterRow): ClusterAdapters => {
    const reached = JSON.stringify(cluster.reach)
    const known = adapters.get(cluster.id) ?? new Map<string, ClusterAdapters>()
    const made = known.get(reached) ?? wire(cluster)
    // While a cluster is edited, some still ask for how it was reached before.
    adapters.set(cluster.id, new Map([...[...known].filter(([key]) => key !== reached).slice(-1), [reached, made]]))
    return made
  }
  const deps: Dependencies = {
    db,
    vault,
    wakeups,
    log,
    egress,
    adaptersOf,
    domain: config.domain,
    turns: new Turns(),
    owner: `${config.node}/${process.pid}/${newId().slice(0, 8)}`,
    node: config.node,
    seat: `${hostname()}:${config.home}`,
    keptReleases: config.keptReleases,
    folders,
  }
  await ensureFirstToken(db, firstToken(config.tokenFile), `of ${config.tokenFile}`)
  const holder = new Holder(deps)
  const conductor = new Conductor(deps, () => holder.held)
  const api = await createApi(deps, {
    apiUrl: config.apiUrl,
    version: VERSION,
    edgePort: config.edge.httpsPort,
    edgePorts: [config.edge.httpsPort, config.edge.httpPort],
  })
  const closeApi = gentleClose(api)
  await holder.start()
  conductor.start()
  await api.listen({ host: config.listen, port: config.port })
  const info: ServerInfo = {
    apiUrl: config.apiUrl,
    wsUrl: config.wsUrl,
    consoleUrl: null,
    pid: process.pid,
    tokenFile: config.tokenFile,
    caFile: authorityFile(certificates),
  }
  writePrivate(infoFile(config.home), JSON.stringify(info))
  log.info({ apiUrl: config.apiUrl }, 'Berth is running')

  let stopping = false
  const stop = (signal: string): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping; applications keep serving')
    setTimeout(() => {
      log.error('the shutdown took too long; what was running goes on after the next start')
      process.exit(1)
    }, STOP_LIMIT).unref()
    void (async () => {
      await closeApi()
      await conductor.stop()
      await holder.stop()
      await wakeups.close()
      await db.destroy()
      await postgres?.stop()
      rmSync(infoFile(config.home), { force: true })
      lock.close()
      process.exit(0)
    })().catch((error: unknown) => {
      log.error({ error: messageOf(error) }, 'the shutdown was not clean')
      process.exit(1)
    })
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('unhandledRejection', (error) =>
    log.error({ error: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'a failure nobody waited for'),
  )
}

/** Says which database does not answer, without its password. */
async function reachDatabase(db: Db, url: string | undefined): Promise<void> {
  try {
    await sql`select 1`.execute(db)
  } catch (error) {
    const { hostname: host, port } = new URL(url ?? 'postgresql://localhost')
    throw new AppError(
      'unavailable',
      `PostgreSQL at ${url ? `${host}:${port || 5432}` : 'its socket'} cannot be used (${messageOf(error)}): it must run, be reachable from here and let the user of DATABASE_URL in.`,
    )
  }
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof AppError ? `berth: ${error.message}` : `berth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`}\n`,
  )
  process.exit(1)
})
