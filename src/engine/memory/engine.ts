import type { Image } from '../../model/image.ts'
import { AppError } from '../../model/error.ts'
import { sameRollout, type Evidence, type Instance, type Observation } from '../../model/observation.ts'
import { referenceOf } from '../../model/image.ts'
import { targetName, type Place, type Target, type Workload } from '../../model/workload.ts'
import type { ApplyContext, Capabilities, Engine, EngineStep, Inspection, LogLine, Provisioning, Usage } from '../port.ts'
import type { Builder, BuildRequest } from '../../build/port.ts'

/** Milliseconds after which an instance is ready, so that every state can be seen. */
const START_TIME = 20

/** An image named so never becomes ready: for trying out failures. */
const BROKEN = 'broken'

type Application = { place: Place; instances: Map<string, Instance>; routed: Target[]; evidence: Evidence[]; volumes: Set<string> }

/** Instances that exist in this process only: for development without anything, and for tests of what all engines promise. */
export class MemoryEngine implements Engine, Inspection, Provisioning {
  readonly rollsOut = 'step-by-step'
  readonly #applications = new Map<string, Application>()
  readonly #changed = new Set<string>()
  #wake = (): void => undefined

  capabilities(): Promise<Capabilities> {
    return Promise.resolve({
      resourceScaling: 'The memory engine runs nothing, so it has nothing to scale by: use a fixed number of instances.',
      eventScaling: 'The memory engine has no KEDA: use a fixed number of instances.',
      gpu: 'The memory engine has no GPUs.',
      streams: true,
      builds: true,
    })
  }

  async apply(step: EngineStep, context: ApplyContext): Promise<void> {
    const application = this.#application('workload' in step ? step.workload.place : step.place)
    if (step.kind === 'apply') for (const target of step.targets) this.#start(application, step.workload, { target, note: context.note })
    if (step.kind === 'route') application.routed = step.targets
    if (step.kind === 'retire') await this.#retire(application, step.keep, context)
    if (step.kind === 'remove') this.#applications.delete(step.place.applicationId)
    this.#touch(application.place.applicationId)
  }

  observe(place: Place): Promise<Observation> {
    const application = this.#applications.get(place.applicationId)
    return Promise.resolve({
      at: new Date().toISOString(),
      instances: structuredClone([...(application?.instances.values() ?? [])]),
      evidence: [...(application?.evidence ?? [])],
    })
  }

  async *watch(signal: AbortSignal): AsyncIterable<string> {
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
  }

  revive(place: Place, target: Target): Promise<void> {
    const instance = this.#applications.get(place.applicationId)?.instances.get(targetName(place, target))
    if (instance) {
      Object.assign(instance, { state: 'starting', restarts: instance.restarts + 1, startedAt: new Date().toISOString() })
      this.#becomeReady(place.applicationId, instance)
    }
    return Promise.resolve()
  }

  inventory(): Promise<Place[]> {
    return Promise.resolve([...this.#applications.values()].filter((one) => one.instances.size > 0).map((one) => one.place))
  }

  removeEnvironment(environmentId: string): Promise<void> {
    for (const [id, application] of this.#applications) if (application.place.environmentId === environmentId) this.#applications.delete(id)
    return Promise.resolve()
  }

  async *logs(): AsyncIterable<LogLine> {
    // Nothing runs, so nothing is said.
  }

  preview(): Promise<null> {
    return Promise.resolve(null)
  }

  usage(): Promise<Usage[]> {
    return Promise.resolve([])
  }

  exec(): Promise<never> {
    return Promise.reject(new AppError('unsupported', 'The memory engine runs nothing, so there is nothing to open a shell in.'))
  }

  forward(): Promise<never> {
    return Promise.reject(new AppError('unsupported', 'The memory engine runs nothing, so there is nothing to connect to.'))
  }

  check() {
    return Promise.resolve([{ what: 'engine', found: 'memory', ok: true, remedy: '' }])
  }

  async install(): Promise<void> {
    // It needs nothing.
  }

  async uninstall(): Promise<void> {
    // It left nothing.
  }

  /** What a signal from outside does to a real instance: for tests. */
  kill(place: Place, target: Target): void {
    const application = this.#application(place)
    const instance = application.instances.get(targetName(place, target))
    if (!instance) throw new AppError('not_found', `There is no instance ${targetName(place, target)}.`)
    const at = new Date().toISOString()
    Object.assign(instance, {
      state: 'exited',
      lastExit: { code: 137, outOfMemory: false, signal: 'SIGKILL', at, startedAt: instance.startedAt, byHand: true, liveness: null },
    })
    application.evidence.push({
      at,
      kind: 'exit',
      instance: instance.name,
      message: `${instance.name} ended with exit code 137 after a signal from outside Berth`,
    })
    this.#touch(place.applicationId)
  }

  #application(place: Place): Application {
    const found = this.#applications.get(place.applicationId) ?? {
      place,
      instances: new Map(),
      routed: [],
      evidence: [],
      volumes: new Set(),
    }
    this.#applications.set(place.applicationId, found)
    return found
  }

  #start(application: Application, workload: Workload, of: { target: Target; note: (line: string) => void }): void {
    const name = targetName(workload.place, of.target)
    const existing = application.instances.get(name)
    if (existing && existing.state !== 'exited') return
    of.note(`Starting instance ${name}`)
    const instance: Instance = {
      name,
      ...of.target,
      state: 'starting',
      startedAt: new Date().toISOString(),
      restarts: 0,
      image: referenceOf(workload.image),
      address: null,
      lastExit: null,
      probe: null,
    }
    application.instances.set(name, instance)
    if (instance.image.includes(BROKEN))
      Object.assign(instance, {
        state: 'exited',
        restarts: 3,
        lastExit: {
          code: 1,
          outOfMemory: false,
          signal: null,
          at: new Date().toISOString(),
          startedAt: null,
          byHand: false,
          liveness: null,
        },
      })
    else this.#becomeReady(workload.place.applicationId, instance)
  }

  #becomeReady(applicationId: string, instance: Instance): void {
    setTimeout(() => {
      if (instance.state === 'starting') instance.state = 'ready'
      this.#touch(applicationId)
    }, START_TIME).unref()
  }

  async #retire(application: Application, keep: Target[], context: ApplyContext): Promise<void> {
    for (const [name, instance] of application.instances) {
      if (keep.some((target) => target.index === instance.index && sameRollout(target, instance))) continue
      context.note(`Stopping instance ${name}`)
      await context.keep({ instance: name, lines: '', exit: instance.lastExit })
      application.instances.delete(name)
    }
  }

  #touch(id: string): void {
    this.#changed.add(id)
    this.#wake()
  }
}

/** Names an image after its inputs without building anything. */
export class MemoryBuilder implements Builder {
  readonly #clusterId: string
  readonly #built = new Set<string>()

  constructor(clusterId: string) {
    this.#clusterId = clusterId
  }

  build(request: BuildRequest, { onLine }: { onLine: (line: string) => void }): Promise<Image> {
    const imageId = `memory:${request.target === BROKEN ? BROKEN : request.id}`
    onLine('The memory engine builds nothing')
    this.#built.add(imageId)
    return Promise.resolve({ kind: 'local', clusterId: this.#clusterId, imageId, platform: 'memory' })
  }

  made(image: Image): boolean {
    return image.kind === 'local' && image.clusterId === this.#clusterId
  }

  has(image: Image): Promise<boolean> {
    return Promise.resolve(image.kind === 'local' && this.#built.has(image.imageId))
  }

  remove(image: Image): Promise<void> {
    if (image.kind === 'local') this.#built.delete(image.imageId)
    return Promise.resolve()
  }

  identify(): Promise<null> {
    return Promise.resolve(null)
  }

  check() {
    return Promise.resolve([])
  }
}
