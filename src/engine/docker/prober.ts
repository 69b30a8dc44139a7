import type { Probe } from '../../model/probe.ts'
import { tryProbe, type Exec } from './probe.ts'

export type Probed = { name: string; address: string; startedAt: string; readiness: Probe | null; liveness: Probe | null; exec: Exec }
/** `wasReady`: since this start; an instance that never was is still starting. */
export type Verdict = { ready: boolean; wasReady: boolean; message: string | null }

type Watch = { startedAt: string; verdict: Verdict; abort: AbortController }

/** Runs the probes of every running instance and keeps their latest verdicts. One watch per start of an instance. */
export class Prober {
  readonly #watches = new Map<string, Watch>()
  readonly #onChange: (name: string) => void
  readonly #onDead: (name: string, message: string) => void

  constructor(onChange: (name: string) => void, onDead: (name: string, message: string) => void) {
    this.#onChange = onChange
    this.#onDead = onDead
  }

  /** Starts probing an instance unless it is being probed already. `known`: it was ready when it was last seen, perhaps by another process. */
  watch(instance: Probed, known: boolean): Verdict {
    const current = this.#watches.get(instance.name)
    if (current?.startedAt === instance.startedAt) return current.verdict
    current?.abort.abort()
    const watch: Watch = {
      startedAt: instance.startedAt,
      verdict: { ready: known || instance.readiness === null, wasReady: known, message: null },
      abort: new AbortController(),
    }
    this.#watches.set(instance.name, watch)
    if (instance.readiness)
      void this.#loop(instance, instance.readiness, watch, (ok, message) => this.#judge(instance.name, watch, ok, message))
    if (instance.liveness)
      void this.#loop(instance, instance.liveness, watch, (ok, message) => ok || this.#onDead(instance.name, message ?? ''))
    return watch.verdict
  }

  forget(name: string): void {
    this.#watches.get(name)?.abort.abort()
    this.#watches.delete(name)
  }

  names(): string[] {
    return [...this.#watches.keys()]
  }

  close(): void {
    for (const name of this.names()) this.forget(name)
  }

  #judge(name: string, watch: Watch, ready: boolean, message: string | null): void {
    const changed = watch.verdict.ready !== ready || watch.verdict.message !== message
    watch.verdict = { ready, wasReady: watch.verdict.wasReady || ready, message }
    if (changed) this.#onChange(name)
  }

  /** Calls back whenever a threshold of equal results in a row is reached; a first failure is told at once as a message. */
  async #loop(instance: Probed, probe: Probe, watch: Watch, tell: (ok: boolean, message: string | null) => void): Promise<void> {
    const { signal } = watch.abort
    let [successes, failures] = [0, 0]
    const begin = Date.parse(instance.startedAt) + probe.initialDelay * 1000
    await pause(begin - Date.now(), signal)
    while (!signal.aborted) {
      const message = await tryProbe(probe, instance.address, instance.exec)
      if (signal.aborted) return
      if (message === null) [successes, failures] = [successes + 1, 0]
      else [successes, failures] = [0, failures + 1]
      if (successes >= probe.successThreshold) tell(true, null)
      else if (failures >= probe.failureThreshold) tell(false, message)
      else if (message !== null && probe === instance.readiness && !watch.verdict.ready) tell(false, message)
      if (failures >= probe.failureThreshold && probe === instance.liveness) failures = 0
      await pause(message !== null && !watch.verdict.ready ? Math.min(probe.period, 1) * 1000 : probe.period * 1000, signal)
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
