import { timeOf, type KubeEvent } from './cache.ts'

/** `Readiness probe failed: …` as Docker's prober words it. */
export function probeIn(events: KubeEvent[], startedAt: string | null): string | null {
  const begun = startedAt === null ? 0 : Date.parse(startedAt)
  const failed = events.findLast((event) => event.reason === 'Unhealthy' && timeOf(event) >= begun)
  return failed ? probeWords(failed) : null
}

export function probeWords(failed: KubeEvent): string {
  const text = failed.message.replace(/^(Readiness|Liveness|Startup) probe (failed|errored)( and resulted in .*?)?: /, '').trim()
  const status = /statuscode: (\d+)/.exec(text)
  if (status) return `answered ${status[1]}`
  const refused = /dial tcp [^:]*:(\d+): connect: connection refused/.exec(text)
  if (refused) return `nothing listens on port ${refused[1]}`
  if (/deadline exceeded|timed out|timeout/i.test(text)) return 'took longer than it may'
  return text.slice(0, 300) || 'it ended with a failure'
}
