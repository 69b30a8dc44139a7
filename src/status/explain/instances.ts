import type { Explanation } from '../../model/deployment.ts'
import type { Exit, Instance, Observation } from '../../model/observation.ts'
import { explainWaiting } from './waiting.ts'

/** Exits of one instance after which it counts as crash-looping: not a one-off, and quick to reach. */
export const CRASH_LIMIT = 3

/** Why instances are not all right, the worst cause first; null when nothing is wrong. */
export function explainInstances(observation: Observation | undefined): Explanation | null {
  // One that is stopping is not sick, whatever it ended with.
  const instances = (observation?.instances ?? []).filter((one) => one.state !== 'stopping')
  const [blocked] = observation?.blocked ?? []
  const told = blocked && instances.every((one) => one.state !== 'ready') ? explainWaiting(blocked, 'The instances') : undefined
  if (told && instances.length === 0) return told.explanation
  if (instances.length === 0)
    return {
      reason: 'InstancesMissing',
      message: 'No instance of this application exists on its cluster.',
      evidence: [],
      remedy: 'They are started again within seconds; if not, look at the cluster with `berth doctor`.',
    }
  const sick =
    instances.find((instance) => instance.waiting && instance.state !== 'ready' && explainWaiting(instance.waiting, '')) ??
    instances.find((instance) => instance.lastExit !== null && instance.state !== 'ready') ??
    instances.find((instance) => instance.state === 'unready') ??
    instances.find((instance) => instance.lastExit !== null && instance.restarts > 0)
  if (!sick) return null
  const evidence = (observation?.evidence ?? [])
    .filter((item) => item.instance === sick.name)
    .slice(-5)
    .map((item) => `${item.at} ${item.message}`)
  const explained = explainInstance(sick)
  return { ...explained, evidence: [...new Set([...explained.evidence, ...evidence])] }
}

/** The cause, the sentence and what to do, for one instance that is not ready. */
export function explainInstance(instance: Instance): Explanation {
  const waiting =
    instance.waiting && instance.state !== 'ready' ? explainWaiting(instance.waiting, `The instance ${instance.name}`) : undefined
  if (waiting) return waiting.explanation
  if (instance.lastExit && (instance.state !== 'unready' || justRestarted(instance)))
    return explainExit(instance.name, instance.lastExit, instance.restarts)
  if (instance.probe)
    return {
      reason: 'NotReady',
      message: `The instance ${instance.name} runs, but its probe fails: ${instance.probe}.`,
      evidence: [],
      remedy:
        'Check that the application listens on the probed port on 0.0.0.0 (not 127.0.0.1), answers the probe, and has time enough (initial_delay_seconds, failure_threshold).',
    }
  return { reason: 'Starting', message: `The instance ${instance.name} is starting.`, evidence: [], remedy: 'Nothing to do yet.' }
}

/** Milliseconds after an exit during which it, and not the probe that still fails, is the cause. */
const AFTERMATH = 60_000

function justRestarted(instance: Instance): boolean {
  if (!instance.lastExit || !instance.startedAt) return false
  const apart = Date.parse(instance.startedAt) - Date.parse(instance.lastExit.at)
  return apart >= 0 && apart < AFTERMATH
}

export function explainExit(name: string, exit: Exit, restarts: number): Explanation {
  const times = restarts > 1 ? `, ${restarts} times so far` : ''
  const base = { evidence: [] }
  if (exit.outOfMemory)
    return {
      ...base,
      reason: 'OutOfMemory',
      message: `The instance ${name} used more memory than it has and was killed (out of memory, exit code ${exit.code})${times}.`,
      remedy: 'Raise memory, or make the application use less.',
    }
  if (exit.liveness)
    return {
      ...base,
      reason: 'LivenessFailed',
      message: `The instance ${name} was ended because its liveness probe failed: ${exit.liveness}${times}. It is started again.`,
      remedy:
        'Make it answer its liveness probe. Where it only needs longer, raise initial_delay_seconds, timeout_seconds or failure_threshold.',
    }
  if (exit.byHand)
    return {
      ...base,
      reason: 'KilledFromOutside',
      message: `The instance ${name} was stopped from outside Berth (${exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`}); it is started again.`,
      remedy: 'Use `berth app stop` to stop an application for good.',
    }
  if (exit.code === 127 || exit.code === 126)
    return {
      ...base,
      reason: 'CommandNotFound',
      message: `The instance ${name} could not run its command (exit code ${exit.code})${times}.`,
      remedy: 'Check entrypoint, arguments and the CMD of the Dockerfile: the program must exist in the image and be executable.',
    }
  if (exit.code === 0)
    return {
      ...base,
      reason: 'Ended',
      message: `The instance ${name} ended by itself without an error (exit code 0)${times}.`,
      remedy: 'An application must keep running in the foreground.',
    }
  return {
    ...base,
    reason: restarts + 1 >= CRASH_LIMIT ? 'CrashLoop' : 'Crashed',
    message: `The instance ${name} ended with exit code ${exit.code}${exit.signal ? ` (signal ${exit.signal})` : ''}${times}.`,
    remedy: 'Read its last lines with `berth app logs`; they say what the application complained about.',
  }
}
