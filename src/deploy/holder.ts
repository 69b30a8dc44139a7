import { messageOf } from '../model/error.ts'
import { instanceCount, type Application } from '../model/application.ts'
import type { ApplyContext } from '../engine/port.ts'
import type { Release } from '../model/release.ts'
import type { Place, Target } from '../model/workload.ts'
import { isFinal } from '../model/deployment.ts'
import { sameRollout, type Instance, type Observation } from '../model/observation.ts'
import { targetsOf } from '../plan/step.ts'
import { HOLDER_LEASE, holdClusters, releaseClusters } from '../store/cluster.ts'
import { listClusterApplications, loadApplication } from '../store/application.ts'
import { lastParts } from '../store/deployment.ts'
import { listObservations, recordInstance, recordObservation } from '../store/observation.ts'
import { findRelease } from '../store/release.ts'
import type { ClusterAdapters, ClusterRow, Dependencies } from './dependencies.ts'
import { placeOf, rolloutOf, workloadOf } from './release.ts'

/** Milliseconds between looks at everything on a cluster, whatever its events say. */
const RESYNC = 15_000
/** Milliseconds of a look that are worth a line: people are promised the truth within 2 s. */
const SLOW = 1500
/** Milliseconds before an instance is started again: doubled with every try up to the limit, back to the first after it was ready. */
const FIRST_BACKOFF = 200
const LAST_BACKOFF = 60_000

/** Holds the leases of clusters; for each one held, turns its events into observations and brings the serving instances back. */
export class Holder {
  readonly #deps: Dependencies
  readonly #watches = new Map<string, ClusterWatch>()
  #timer: NodeJS.Timeout | undefined
  #off = (): void => undefined

  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  get held(): Map<string, ClusterRow> {
    return new Map([...this.#watches].map(([id, watch]) => [id, watch.cluster]))
  }

  async start(): Promise<void> {
    await this.renew()
    this.#off = this.#deps.wakeups.on('cluster', () => void this.renew().catch(() => undefined))
    this.#timer = setInterval(
      () => void this.renew().catch((error: unknown) => this.#deps.log.error({ error }, 'the clusters cannot be held')),
      (HOLDER_LEASE / 3) * 1000,
    )
  }

  async renew(): Promise<void> {
    const held = await holdClusters(this.#deps.db, this.#deps)
    for (const cluster of held)
      if (!this.#isWatched(cluster)) {
        const before = this.#watches.get(cluster.id)
        const watch = new ClusterWatch(this.#deps, cluster)
        this.#watches.set(cluster.id, watch)
        watch.start()
        // Ending may take a while, and nobody should find the cluster unwatched.
        void before?.stop()
      }
    for (const [id, watch] of this.#watches)
      if (!held.some((cluster) => cluster.id === id)) {
        this.#watches.delete(id)
        await watch.stop()
      }
  }

  /** A cluster that is reached in another way now is watched anew. */
  #isWatched(cluster: ClusterRow): boolean {
    const watch = this.#watches.get(cluster.id)
    return watch !== undefined && JSON.stringify(watch.cluster.reach) === JSON.stringify(cluster.reach)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#off()
    await Promise.all([...this.#watches.values()].map((watch) => watch.stop()))
    await releaseClusters(this.#deps.db, this.#deps.owner)
  }
}

class ClusterWatch {
  readonly cluster: ClusterRow
  readonly #deps: Dependencies
  readonly #adapters: ClusterAdapters
  readonly #stop = new AbortController()
  readonly #busy = new Map<string, 'looking' | 'again'>()
  readonly #known = new Map<string, Observation>()
  readonly #tries = new Map<string, { count: number; next: number }>()
  #loops: Promise<void>[] = []

  constructor(deps: Dependencies, cluster: ClusterRow) {
    this.#deps = deps
    this.cluster = cluster
    this.#adapters = deps.adaptersOf(cluster)
  }

  start(): void {
    this.#deps.log.info({ cluster: this.cluster.name }, 'holding the cluster')
    this.#loops = [this.#follow(), this.#resync(), this.#adapters.run(this.#stop.signal)]
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#loops)
  }

  async #follow(): Promise<void> {
    for await (const id of this.#adapters.engine.watch(this.#stop.signal)) void this.#look(id)
  }

  async #resync(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        const applications = await listClusterApplications(this.#deps.db, this.cluster.id)
        const stored = await listObservations(
          this.#deps.db,
          applications.map((one) => one.id),
        )
        for (const [id, observation] of stored) if (!this.#known.has(id)) this.#known.set(id, observation)
        for (const application of applications) await this.#look(application.id)
      } catch (error) {
        this.#deps.log.warn({ cluster: this.cluster.name, error: messageOf(error) }, 'the cluster cannot be observed')
      }
      await this.#deps.wakeups.wait('edge', { id: 'resync', ms: RESYNC, signal })
    }
  }

  /** Looks at one application; a second wish while it is looked at makes for one more look, not for two at once. */
  async #look(id: string): Promise<void> {
    if (this.#busy.has(id)) {
      this.#busy.set(id, 'again')
      return
    }
    do {
      this.#busy.set(id, 'looking')
      const begun = Date.now()
      await this.#observe(id).catch((error: unknown) =>
        this.#deps.log.warn({ application: id, error: messageOf(error) }, 'an application cannot be observed'),
      )
      if (Date.now() - begun > SLOW) this.#deps.log.warn({ application: id, ms: Date.now() - begun }, 'looking at an application took long')
    } while (this.#busy.get(id) === 'again' && !this.#stop.signal.aborted)
    this.#busy.delete(id)
  }

  async #observe(id: string): Promise<void> {
    const application = await loadApplication(this.#deps.db, id)
    if (!application) return
    const place = await placeOf(this.#deps.db, application)
    const before = this.#known.get(id)
    const observation = await this.#adapters.engine.observe(place, before)
    this.#known.set(id, observation)
    for (const one of observation.instances) if (one.state === 'ready') this.#tries.delete(`${id}/${one.generation}/${one.index}`)
    if (!before || differs(before, observation) || Date.parse(observation.at) - Date.parse(before.at) > RESYNC) {
      await recordObservation(
        this.#deps.db,
        { applicationId: id, organizationId: application.organizationId, clusterId: this.cluster.id },
        observation,
      )
      this.#adapters.poke()
    }
    if (!observation.drift?.length) this.#tries.delete(`${id}/drift`)
    const off = this.#adapters.engine.rollsOut === 'by-itself' ? hasDrifted(application, observation) : isShort(application, observation)
    if (off && !this.#deps.turns.isTaken(id)) this.#repairSoon(id)
  }

  /** Beside the looking, which must go on: people are told of an exit within 2 s. */
  #repairSoon(id: string): void {
    void this.#deps.turns
      .take(id, () => this.#repair(id))
      .catch((error: unknown) => this.#deps.log.warn({ application: id, error: messageOf(error) }, 'an application could not be repaired'))
      .then((acted) => (acted ? this.#look(id) : undefined))
  }

  /** Brings the instances of the serving release back, and removes what is left of others, unless a deployment is at work on the application. True when it did something. */
  async #repair(id: string): Promise<boolean> {
    const application = await loadApplication(this.#deps.db, id)
    if (!application || application.presence !== 'running' || !application.servingReleaseId || this.#stop.signal.aborted) return false
    const last = (await lastParts(this.#deps.db, [id])).get(id)
    if (last && !isFinal(last.part.state) && last.deployment.state === 'running') return false
    const release = await findRelease(this.#deps.db, application.servingReleaseId)
    if (!release) return false
    const place = await placeOf(this.#deps.db, application)
    if (this.#adapters.engine.rollsOut === 'by-itself') return this.#applyAgain(application, release, place)
    const { instances } = await this.#adapters.engine.observe(place, this.#known.get(id))
    const targets = targetsOf(rolloutOf(release, application.servingGeneration))
    const context = this.#context(place)
    let acted = false
    for (const target of targets) {
      const instance = instances.find((one) => isTarget(one, target))
      if ((instance && instance.state !== 'exited') || !this.#mayTry(id, `${target.generation}/${target.index}`)) continue
      acted = true
      this.#deps.log.info({ application: id, instance: instance?.name ?? 'missing' }, 'starting an instance again')
      if (instance) await this.#adapters.engine.revive(place, target)
      else {
        const workload = await workloadOf(this.#deps, application, {
          release,
          generation: application.servingGeneration,
          hide: () => undefined,
        })
        await this.#adapters.engine.apply({ kind: 'prepare', workload }, context)
        await this.#adapters.engine.apply({ kind: 'apply', workload, targets: [target] }, context)
      }
    }
    const left = instances.filter((one) => !targets.some((target) => isTarget(one, target)))
    if (left.length > 0) await this.#adapters.engine.apply({ kind: 'retire', place, keep: targets }, context)
    return acted || left.length > 0
  }

  /** Brings back what somebody removed or changed. True when it did something. */
  async #applyAgain(application: Application, release: Release, place: Place): Promise<boolean> {
    const { id } = application
    const { engine } = this.#adapters
    const { drift = [] } = await engine.observe(place, this.#known.get(id))
    if (drift.length === 0 || !this.#mayTry(id, 'drift')) return false
    this.#deps.log.info({ application: id, drift }, 'applying again what was changed from outside')
    const generation = application.servingGeneration
    const workload = await workloadOf(this.#deps, application, { release, generation, hide: () => undefined })
    const targets = targetsOf(rolloutOf(release, generation))
    const context = this.#context(place)
    await engine.apply({ kind: 'prepare', workload }, context)
    await engine.apply({ kind: 'apply', workload, targets }, context)
    const { redirectToHttps: redirect } = workload.settings
    await engine.apply({ kind: 'route', place, targets, ports: workload.ports, redirect }, context)
    return true
  }

  /** A growing pause between tries; looks again when it is over. */
  #mayTry(id: string, what: string): boolean {
    const key = `${id}/${what}`
    const tries = this.#tries.get(key) ?? { count: 0, next: 0 }
    if (Date.now() < tries.next) {
      setTimeout(() => void this.#look(id), tries.next - Date.now() + 10).unref()
      return false
    }
    this.#tries.set(key, { count: tries.count + 1, next: Date.now() + Math.min(FIRST_BACKOFF * 2 ** tries.count, LAST_BACKOFF) })
    return true
  }

  #context(place: Place): ApplyContext {
    return { signal: this.#stop.signal, note: () => undefined, keep: (record) => recordInstance(this.#deps.db, place, record) }
  }
}

const isTarget = (instance: Instance, target: Target): boolean => instance.index === target.index && sameRollout(instance, target)

const hasDrifted = (application: Application, observation: Observation): boolean =>
  application.presence === 'running' && (observation.drift?.length ?? 0) > 0

/** Whether something may be missing, ended or left over: worth a turn. Cheap and perhaps wrong; the repair looks properly. */
function isShort(application: Application, observation: Observation): boolean {
  if (application.presence !== 'running') return false
  const serving = observation.instances.filter((one) => one.generation === application.servingGeneration)
  return (
    serving.length < instanceCount(application.spec) ||
    observation.instances.some((one) => one.state === 'exited' || one.generation !== application.servingGeneration)
  )
}

/** Whether people would be told something else. */
const differs = (a: Observation, b: Observation): boolean => JSON.stringify({ ...a, at: '' }) !== JSON.stringify({ ...b, at: '' })
