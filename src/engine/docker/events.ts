import type { DockerClient } from './client.ts'
import { filters, labels } from './label.ts'

export type DockerEvent = { application: string; name: string; action: string; exitCode: number | null; at: string }

type Raw = { Action: string; timeNano: number; Actor: { Attributes: Record<string, string> } }

/** Milliseconds before the event stream is opened again after it broke (the daemon restarts, say). */
const RETRY = 1000

/** Docker's events of our containers, reopened until aborted. Whoever listens relists from time to time, so a gap is no loss. */
export async function watchEvents(
  docker: DockerClient,
  clusterId: string,
  options: { signal: AbortSignal; onEvent: (event: DockerEvent) => void },
): Promise<void> {
  const filter = filters(`${labels.cluster}=${clusterId}`, labels.application)
  while (!options.signal.aborted) {
    try {
      const stream = await docker.stream('GET', `/events?filters=${filter}`, { signal: options.signal, limit: 0 })
      let rest = ''
      for await (const chunk of stream) {
        const lines = (rest + String(chunk)).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines.filter((text) => text !== '')) options.onEvent(parse(JSON.parse(line) as Raw))
      }
    } catch {
      if (options.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, RETRY))
    }
  }
}

const parse = (raw: Raw): DockerEvent => ({
  application: raw.Actor.Attributes[labels.application] ?? '',
  name: raw.Actor.Attributes['name'] ?? '',
  action: raw.Action.split(':')[0] ?? '',
  exitCode: raw.Actor.Attributes['exitCode'] === undefined ? null : Number(raw.Actor.Attributes['exitCode']),
  at: new Date(raw.timeNano / 1e6).toISOString(),
})
