import type { Probe } from '../../../model/probe.ts'

type Rendered = Record<string, unknown>

export function renderProbe(probe: Probe): Rendered {
  return {
    ...actionOf(probe),
    initialDelaySeconds: probe.initialDelay,
    periodSeconds: probe.period,
    timeoutSeconds: probe.timeout,
    successThreshold: probe.successThreshold,
    failureThreshold: probe.failureThreshold,
  }
}

/** Without `host`: the Pod Security baseline forbids it. */
function actionOf({ check }: Probe): Rendered {
  switch (check.kind) {
    case 'http':
      return { httpGet: { path: check.path, port: check.port, scheme: check.scheme.toUpperCase() } }
    case 'tcp':
      return { tcpSocket: { port: check.port } }
    case 'grpc':
      return { grpc: { port: check.port, service: check.service } }
    case 'exec':
      return { exec: { command: check.command } }
  }
}

/** The time that a liveness probe leaves for the start is a startup probe: it ends as soon as the application answers, and only then liveness begins. */
export function renderLiveness(probe: Probe): { startupProbe: Rendered; livenessProbe: Rendered } {
  const start = Math.ceil((probe.initialDelay + probe.failureThreshold * probe.period) / probe.period)
  return {
    startupProbe: renderProbe({ ...probe, initialDelay: 0, failureThreshold: start }),
    livenessProbe: renderProbe({ ...probe, initialDelay: 0 }),
  }
}
