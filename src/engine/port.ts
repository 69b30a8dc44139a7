import type { Duplex } from 'node:stream'
import type { Observation, Exit } from '../model/observation.ts'
import type { Port } from '../model/port.ts'
import type { Place, Target, Workload } from '../model/workload.ts'

/** What an engine can do; what it cannot is refused with the sentence given, never skipped in silence. */
export type Capabilities = {
  resourceScaling: true | string
  eventScaling: true | string
  gpu: true | string
  streams: true | string
  builds: true | string
}

export type ApplyContext = {
  signal: AbortSignal
  /** A line for the deployment log. */
  note: (line: string) => void
  /** Keeps what is left of an instance that is about to be removed. */
  keep: (record: { instance: string; lines: string; exit: Exit | null }) => Promise<void>
}

/** The steps of `plan/` with what an engine needs to do them; waiting for readiness is not among them: observations tell. */
export type EngineStep =
  | { kind: 'prepare'; workload: Workload }
  | { kind: 'apply'; workload: Workload; targets: Target[] }
  /** `redirect`: plain HTTP is sent on to HTTPS. */
  | { kind: 'route'; place: Place; targets: Target[]; ports: Port[]; redirect: boolean }
  | { kind: 'retire'; place: Place; keep: Target[] }
  | { kind: 'remove'; place: Place }

export type LogLine = { at: Date; instance: string; revision: number; message: string; stream: 'stdout' | 'stderr' }

/**
 * Told neutral steps, returns evidence. Every step can be entered again after kill -9: what is left to do is recomputed from the live state.
 * Throws AppError: `invalid` what cannot heal (an image without the program), `unavailable` what may (the engine does not answer).
 */
export interface Engine {
  /** Whether it is told which instance to start and stop when, or replaces instances by itself once it has a release (`plan/`). */
  readonly rollsOut: 'step-by-step' | 'by-itself'
  capabilities(): Promise<Capabilities>
  apply(step: EngineStep, context: ApplyContext): Promise<void>
  /** The application's instances now. `previous` seeds what only time can tell (probe results) when this process has not watched before. */
  observe(place: Place, previous: Observation | undefined): Promise<Observation>
  /** Ids of applications that something happened to; ends when aborted. */
  watch(signal: AbortSignal): AsyncIterable<string>
  /** Starts an instance again that is there but does not run. */
  revive(place: Place, target: Target): Promise<void>
  /** Application ids of everything of ours that exists on the cluster. */
  inventory(): Promise<Place[]>
  /** What applying would change, object by object, without changing anything; null where an engine keeps no objects. */
  preview(workload: Workload): Promise<Change[] | null>
  /** Removes what an environment has for itself, once its last application is gone. */
  removeEnvironment(environmentId: string): Promise<void>
}

/** One object that applying would create, change or remove: `lines` begin with +, - or ~; no value of a secret is in them. */
export type Change = { object: string; action: 'create' | 'change' | 'remove'; lines: string[] }

/** CPU in thousandths of a core and memory in MiB that an instance uses now. */
export type Usage = { instance: string; cpuMilli: number; memoryMib: number }

/** Size of a terminal in characters. */
export type Terminal = { columns: number; rows: number }

/** Looking into what runs. */
export interface Inspection {
  usage(place: Place): Promise<Usage[]>
  /** A program beside the application: what is written is its input, what is read its output; it ends when the program does. Null = the first ready instance. */
  exec(
    place: Place,
    options: { instance: string | null; command: string[]; terminal: Terminal | null; signal: AbortSignal },
  ): Promise<Duplex>
  /** A TCP connection to a port of an instance. */
  forward(place: Place, options: { instance: string | null; port: number; signal: AbortSignal }): Promise<Duplex>
  logs(place: Place, options: { follow: boolean; tail: number; signal: AbortSignal }): AsyncIterable<LogLine>
}

/** What a cluster has and lacks. */
export interface Provisioning {
  check(): Promise<Finding[]>
  /** Brings what Berth needs for itself onto the cluster; safe to call again. */
  install(note: (line: string) => void, signal: AbortSignal): Promise<void>
  /** Takes away again what `install` brought. */
  uninstall(): Promise<void>
}

export type Finding = { what: string; found: string; ok: boolean; remedy: string }
