import { describe, expect, test } from 'vitest'
import { exitOf } from '../../src/engine/kubernetes/exits.ts'

describe('the end of a container', () => {
  const last = { exitCode: 137, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:01:00Z' }
  const failed = (answer: string, firstTimestamp: string, lastTimestamp = firstTimestamp) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: answer },
    involvedObject: { kind: 'Pod', name: 'x' },
    reason: 'Unhealthy',
    message: `Liveness probe failed: ${answer}`,
    type: 'Warning',
    firstTimestamp,
    lastTimestamp,
  })
  const answered = 'HTTP probe failed with statuscode: 503'
  const refused = 'Get "http://10.0.0.1:8080/live": dial tcp 10.0.0.1:8080: connect: connection refused'

  test('is explained by what its own probe found, not by what the next one does not answer yet', () => {
    const events = [failed(answered, '2026-01-01T00:00:50Z'), failed(refused, '2026-01-01T00:01:02Z')]
    expect(exitOf(last, events)?.liveness).toBe('answered 503')
    expect(exitOf(last, events.slice(1))).toMatchObject({ liveness: null, byHand: true })
  })

  test('is explained by a probe that fails in the same way ever since', () => {
    expect(exitOf(last, [failed(answered, '2025-12-31T00:00:00Z', '2026-01-01T00:02:00Z')])?.liveness).toBe('answered 503')
  })
})
