import type { Explanation } from '../../model/deployment.ts'
import { shortened } from '../../model/text.ts'

/** Lines of a program's log that are shown with a failure, and characters of each. */
const LINES = 10
const LENGTH = 300

/** Failures of which the program itself may say more. */
const ITS_OWN = new Set(['CrashLoop', 'Crashed', 'Ended', 'NotReady', 'LivenessFailed'])

/** What a program says that somebody else can mend, by what it looks like. */
const known: { said: RegExp; reason?: string; remedy: string }[] = [
  {
    // Runtimes say it in the place of the program.
    said: /exec format error/i,
    reason: 'WrongArchitecture',
    remedy: 'The program was built for other processors than the nodes have: build it for them.',
  },
  {
    said: /argument list too long/i,
    reason: 'VariableTooLong',
    remedy:
      'One variable is larger than the kernel allows (128 KiB), or all are together (2 MiB): make them shorter, or mount them as files.',
  },
  {
    said: /read-only file ?system|\bEROFS\b/i,
    remedy:
      'It writes to its own image, which security.read_only_root_filesystem forbids: let it write to a volume, or turn the setting off.',
  },
  {
    said: /(bind|listen)\b.*(permission denied|\bEACCES\b)|\bEACCES\b.*:(80|443)\b/i,
    remedy: 'Ports below 1024 take root: let it listen on another one (8080, say) and change internal_port.',
  },
]

export const mayHaveSaid = (explanation: Explanation): boolean => ITS_OWN.has(explanation.reason)

/** A failure with the last lines that the program wrote, and what they mean where that is known. */
export function withLastWords(explanation: Explanation, lines: string[]): Explanation {
  const last = lines
    .filter((line) => line.trim() !== '')
    .slice(-LINES)
    .map((line) => shortened(line, LENGTH))
  const meant = known.find((one) => last.some((line) => one.said.test(line)))
  return {
    ...explanation,
    reason: meant?.reason ?? explanation.reason,
    remedy: meant?.remedy ?? explanation.remedy,
    evidence: [...explanation.evidence, ...last.map((line) => `Log: ${line}`)],
  }
}
