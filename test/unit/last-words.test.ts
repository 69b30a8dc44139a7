import { describe, expect, test } from 'vitest'
import { mayHaveSaid, withLastWords } from '../../src/status/explain/last-words.ts'

describe('the last lines of a program that failed', () => {
  const failure = { reason: 'CrashLoop', message: 'It ended.', evidence: ['first'], remedy: 'Read its log.' }

  test('are evidence, ten at most and none without end', () => {
    const lines = ['', ...Array.from({ length: 12 }, (_, n) => `line ${n} ${'x'.repeat(1000)}`), ' ']
    const { evidence, remedy } = withLastWords(failure, lines)
    expect(evidence).toHaveLength(11)
    expect(evidence[1]).toMatch(/^Log: line 2 x/)
    expect(evidence.every((line) => line.length < 320)).toBe(true)
    expect(remedy).toBe('Read its log.')
  })

  test.each([
    ['exec /app: exec format error', 'WrongArchitecture', /other processors/],
    ['exec /usr/bin/perl: argument list too long', 'VariableTooLong', /128 KiB/],
    ["Error: EROFS: read-only file system, open '/app/x'", 'CrashLoop', /read_only_root_filesystem/],
    ['listen tcp :80: bind: permission denied', 'CrashLoop', /below 1024/],
    ['Error: listen EACCES: permission denied 0.0.0.0:80', 'CrashLoop', /below 1024/],
  ])('say what to do: %s', (line, reason, remedy) => {
    expect(withLastWords(failure, [line, 'goodbye'])).toMatchObject({ reason, remedy: expect.stringMatching(remedy) as string })
  })

  test('are of no use where the cluster is the cause', () => {
    expect(['NoCpu', 'ImageNotFound', 'QuotaExceeded'].some((reason) => mayHaveSaid({ ...failure, reason }))).toBe(false)
    expect(mayHaveSaid(failure)).toBe(true)
  })
})
