import { AppError } from '../../model/error.ts'
import type { Evidence, Instance, Observation } from '../../model/observation.ts'
import { targetName, type Place, type Target } from '../../model/workload.ts'
import type { Duplex } from 'node:stream'
import type { ApplyContext, Capabilities, Engine, EngineStep, Inspection, LogLine, Terminal, Usage } from '../port.ts'
import type { DockerClient } from './client.ts'
import { watchEvents } from './events.ts'
import { Fates } from './fates.ts'
import { Instances, type AddressBook } from './instances.ts'
import { filters, labels, runtimeIn } from './label.ts'
import { chosen, openExec, openForward } from './exec.ts'
import { followLogs } from './logs.ts'
import { usageOf } from './usage.ts'
import { addressIn, nameOf, observeInstance, type Inspected } from './observe.ts'
import { Prober } from './prober.ts'

/** Where an application's route is kept and how it reaches the edge: rows of the store and the edge's loop, handed in by `server.ts`. */
export type RouteBook = {
  set(place: Place, targets: Target[], ports: (EngineStep & { kind: 'route' })['ports'], signal: AbortSignal): Promise<void>
}

/** Facts kept per application to explain with. */
const EVIDENCE_LIMIT = 30

/** Seconds an instance may take to end when a failed liveness probe restarts it, whatever its own grace period says. */
const LIVENESS_GRACE = 30

export class DockerEngine implements Engine, Inspection {
  readonly rollsOut = 'step-by-step'
  readonly #docker: DockerClient
  readonly #clusterId: string
  readonly #instances: Instances
  readonly #routes: RouteBook
  readonly #prober: Prober
  readonly #fates = new Fates()
  readonly #evidence = new Map<string, Evidence[]>()
  readonly #changed = new Set<string>()
  readonly #owners = new Map<string, string>()
  #wake = (): void => undefined

  constructor(docker: DockerClient, clusterId: string, books: { addresses: AddressBook; routes: RouteBook }) {
    this.#docker = docker
    this.#clusterId = clusterId
    this.#instances = new Instances(docker, clusterId, books.addresses)
    this.#routes = books.routes
    this.#prober = new Prober(
      (name) => this.#touch(this.#owners.get(name)),
      (name, message) => void this.#revive(name, message),
    )
  }

  async capabilities(): Promise<Capabilities> {
    const info = await this.#docker.call<{ Runtimes: Record<string, unknown> }>('GET', '/info')
    return {
      resourceScaling:
        'Autoscaling needs a Kubernetes cluster; on a Docker cluster set min_running_instances and max_running_instances to the same number.',
      eventScaling:
        'Event-driven autoscaling (KEDA) needs a Kubernetes cluster with KEDA; on a Docker cluster use a fixed number of instances.',
      gpu:
        'nvidia' in info.Runtimes ? true : "This Docker Engine has no NVIDIA runtime: install NVIDIA's container toolkit, or set gpu to 0.",
      streams: true,
      builds: true,
    }
  }

  async apply(step: EngineStep, context: ApplyContext): Promise<void> {
    switch (step.kind) {
      case 'prepare':
        return this.#instances.prepare(step.workload, context)
      case 'apply':
        return this.#instances.start(step.workload, step.targets, context)
      case 'route':
        return this.#routes.set(step.place, step.targets, step.ports, context.signal)
      case 'retire':
        return this.#retire(step, context)
      case 'remove':
        return this.#instances.removeRest(step.place)
    }
  }

  async observe(place: Place, previous: Observation | undefined): Promise<Observation> {
    const found = await this.#instances.list(place)
    const instances = found
      .map((one) =>
        this.#observeOne(
          one,
          previous?.instances.find((instance) => instance.name === nameOf(one)),
        ),
      )
      .sort((a, b) => a.generation - b.generation || a.index - b.index)
    for (const name of this.#prober.names())
      if (this.#owners.get(name) === place.applicationId && !instances.some((instance) => instance.name === name)) this.#forget(name)
    const known = this.#evidence.get(place.applicationId) ?? previous?.evidence ?? []
    this.#evidence.set(place.applicationId, known)
    return { at: new Date().toISOString(), instances, evidence: [...known] }
  }

  async *watch(signal: AbortSignal): AsyncIterable<string> {
    void watchEvents(this.#docker, this.#clusterId, { signal, onEvent: (event) => this.#onEvent(event) })
    while (!signal.aborted) {
      for (const id of this.#changed) {
        this.#changed.delete(id)
        yield id
      }
      if (this.#changed.size === 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
    }
    this.#prober.close()
  }

  async revive(place: Place, target: Target): Promise<void> {
    const name = targetName(place, target)
    this.#fates.set(name, { restarts: this.#fates.of(name).restarts + 1 })
    await this.#instances.startAgain(name)
  }

  async inventory(): Promise<Place[]> {
    const found = await this.#docker.call<{ Labels: Record<string, string> }[]>(
      'GET',
      `/containers/json?all=true&filters=${filters(`${labels.cluster}=${this.#clusterId}`, labels.application)}`,
    )
    const places = new Map(found.map(({ Labels }) => [Labels[labels.application] ?? '', placeIn(Labels)]))
    return [...places.values()]
  }

  async removeEnvironment(environmentId: string): Promise<void> {
    await this.#instances.removeNetwork(environmentId)
  }

  logs(place: Place, options: { follow: boolean; tail: number; signal: AbortSignal }): AsyncIterable<LogLine> {
    return followLogs(this.#docker, () => this.#instances.list(place), options)
  }

  preview(): Promise<null> {
    return Promise.resolve(null)
  }

  async usage(place: Place): Promise<Usage[]> {
    return usageOf(this.#docker, await this.#instances.list(place))
  }

  async exec(
    place: Place,
    options: { instance: string | null; command: string[]; terminal: Terminal | null; signal: AbortSignal },
  ): Promise<Duplex> {
    return openExec(this.#docker, chosen(await this.#instances.list(place), options.instance), options)
  }

  async forward(place: Place, options: { instance: string | null; port: number; signal: AbortSignal }): Promise<Duplex> {
    return openForward(chosen(await this.#instances.list(place), options.instance), options)
  }

  #observeOne(found: Inspected, previous: Instance | undefined): Instance {
    const name = nameOf(found)
    const [address, runtime] = [addressIn(found), runtimeIn(found.Config.Labels)]
    this.#owners.set(name, found.Config.Labels[labels.application] ?? '')
    const running = found.State.Running && !found.State.Restarting
    const probed = {
      name,
      address: address ?? '',
      startedAt: found.State.StartedAt,
      readiness: runtime.readiness,
      liveness: runtime.liveness,
      exec: (command: string[], seconds: number) => this.#instances.exec(name, command, seconds),
    }
    const known = previous?.state === 'ready' && previous.startedAt === found.State.StartedAt
    const fate = this.#fates.of(name)
    const verdict = running && !fate.stopping ? this.#prober.watch(probed, known) : undefined
    if (!verdict) this.#prober.forget(name)
    return observeInstance(found, { ...fate, verdict, exit: fate.exit ?? previous?.lastExit ?? null })
  }

  /** What is known of an instance goes with it: one of the same name may come back when a failed release returns to the old one. */
  async #retire(step: EngineStep & { kind: 'retire' }, context: ApplyContext): Promise<void> {
    const gone: string[] = []
    const onStopping = (name: string): void => {
      gone.push(name)
      this.#fates.set(name, { stopping: true })
      this.#prober.forget(name)
      this.#touch(step.place.applicationId)
    }
    await this.#instances.retire(step.place, step.keep, context, onStopping)
    for (const name of gone) this.#forget(name)
    this.#touch(step.place.applicationId)
  }

  #forget(name: string): void {
    this.#prober.forget(name)
    this.#fates.forget(name)
    this.#owners.delete(name)
  }

  #onEvent(event: { application: string; name: string; action: string; exitCode: number | null; at: string }): void {
    const { application, name, action } = event
    const { stopping, killed, liveness } = this.#fates.of(name)
    if (action === 'kill' && !stopping) this.#fates.set(name, { killed: true })
    if (action === 'start') this.#fates.set(name, { killed: false, liveness: null })
    if (action === 'die' && event.exitCode !== null) {
      const byHand = killed && liveness === null
      const exit = { code: event.exitCode, outOfMemory: false, signal: null, at: event.at, startedAt: null, byHand, liveness }
      this.#fates.set(name, { exit })
      if (!stopping)
        this.#note(application, {
          at: event.at,
          kind: 'exit',
          instance: name,
          message: `${name} ended with exit code ${event.exitCode}${byHand ? ' after a signal from outside Berth' : ''}`,
        })
    }
    if (action === 'oom') this.#note(application, { at: event.at, kind: 'oom', instance: name, message: `${name} ran out of memory` })
    this.#touch(application)
  }

  async #revive(name: string, message: string): Promise<void> {
    const application = this.#owners.get(name)
    if (!application || this.#fates.of(name).stopping) return
    this.#note(application, {
      at: new Date().toISOString(),
      kind: 'liveness',
      instance: name,
      message: `${name} is restarted, its liveness probe failed: ${message}`,
    })
    this.#fates.set(name, { liveness: message, restarts: this.#fates.of(name).restarts + 1 })
    await this.#instances.restart(name, LIVENESS_GRACE).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error
    })
    this.#touch(application)
  }

  #note(application: string, evidence: Evidence): void {
    this.#evidence.set(application, [...(this.#evidence.get(application) ?? []), evidence].slice(-EVIDENCE_LIMIT))
  }

  #touch(application: string | undefined): void {
    if (!application) return
    this.#changed.add(application)
    this.#wake()
  }
}

const placeIn = (found: Record<string, string>): Place => ({
  organizationId: found[labels.organization] ?? '',
  projectId: found[labels.project] ?? '',
  environmentId: found[labels.environment] ?? '',
  environmentName: '',
  namespace: '',
  addressLabel: '',
  applicationId: found[labels.application] ?? '',
  name: found[labels.name] ?? '',
})
