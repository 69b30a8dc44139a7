import { z } from 'zod'
import type { Port } from './port.ts'

const check = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('http'), path: z.string(), scheme: z.enum(['http', 'https']), port: z.number() }),
  z.object({ kind: z.literal('tcp'), port: z.number() }),
  z.object({ kind: z.literal('grpc'), service: z.string(), port: z.number() }),
  z.object({ kind: z.literal('exec'), command: z.array(z.string()) }),
])

/** All times in seconds; thresholds are consecutive results. */
export const probe = z.object({
  check,
  initialDelay: z.number(),
  period: z.number(),
  timeout: z.number(),
  successThreshold: z.number(),
  failureThreshold: z.number(),
})
export type Probe = z.infer<typeof probe>

/**
 * What decides readiness: the probe that was set, else TCP on the first TCP port (one try a second), else nothing but running.
 * `derived` is said to the user in the deployment log.
 */
export function readinessOf(set: Probe | null, ports: Port[]): { probe: Probe | null; derived: boolean } {
  if (set) return { probe: set, derived: false }
  const first = ports.find((port) => port.protocol !== 'udp')
  if (!first) return { probe: null, derived: true }
  const check = { kind: 'tcp' as const, port: first.internal }
  return { probe: { check, initialDelay: 0, period: 1, timeout: 2, successThreshold: 1, failureThreshold: 60 }, derived: true }
}

/** Time allowed for an engine to create and start an instance before its probes begin, in seconds. */
const START_ALLOWANCE = 30

/** Seconds until an instance that is not ready counts as failed, derived from its readiness probe. */
export function readyDeadline(probe: Probe | null): number {
  if (!probe) return START_ALLOWANCE
  return START_ALLOWANCE + probe.initialDelay + probe.period * (probe.failureThreshold + probe.successThreshold) + probe.timeout
}

export function describeProbe(probe: Probe): string {
  const { check } = probe
  if (check.kind === 'http') return `GET ${check.scheme}://…:${check.port}${check.path}`
  if (check.kind === 'exec') return `command ${check.command[0] ?? ''}`
  return `${check.kind === 'tcp' ? 'TCP' : 'gRPC health'} on port ${check.port}`
}
