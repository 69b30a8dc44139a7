import { messageOf } from '../model/error.ts'
import { claimDeployment } from '../store/deployment.ts'
import { collectImages } from './collect.ts'
import type { ClusterRow, Dependencies } from './dependencies.ts'
import { LEASE, runDeployment } from './run.ts'

/** Milliseconds between looks at the queue where no wake-up comes. */
const LOOK = 2000

/** Claims queued deployments of the clusters this process holds, and runs them; one per environment, environments side by side. */
export class Conductor {
  readonly #deps: Dependencies
  readonly #held: () => Map<string, ClusterRow>
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined

  constructor(deps: Dependencies, held: () => Map<string, ClusterRow>) {
    this.#deps = deps
    this.#held = held
  }

  start(): void {
    this.#loop = this.#claimAll()
  }

  /** Ends the claiming and leaves running deployments for the next process: their recorded steps are where it goes on. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.all(this.#running)
  }

  async #claimAll(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const claimed = await this.#claim().catch((error: unknown) => {
        this.#deps.log.error({ error }, 'the queue cannot be read')
        return false
      })
      if (!claimed) await this.#deps.wakeups.wait('deployment', { ms: LOOK, signal })
    }
  }

  async #claim(): Promise<boolean> {
    const held = this.#held()
    const deployment = await claimDeployment(this.#deps.db, this.#deps.owner, [...held.keys()], LEASE)
    const cluster = deployment && held.get(deployment.clusterId)
    if (!deployment || !cluster) return false
    this.#deps.log.info(
      {
        deployment: deployment.id,
        environment: deployment.environmentId,
        number: deployment.number,
        action: deployment.action,
        epoch: deployment.epoch,
      },
      'running a deployment',
    )
    const { signal } = this.#stop
    const watched = (): ClusterRow => this.#held().get(cluster.id) ?? cluster
    const running = runDeployment(this.#deps, watched, deployment, signal)
      .then(() => collectImages(this.#deps, watched(), signal))
      .catch((error: unknown) =>
        this.#deps.log.warn({ cluster: cluster.name, error: messageOf(error) }, 'old images could not be looked for'),
      )
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
    return true
  }
}
