import { AppError } from '../model/error.ts'

/** Characters of what BuildKit said that are passed on. */
const MOST = 500

/** What BuildKit said of why a build failed; undefined where it did not come to that. */
export const errorIn = (lines: string[]): string | undefined =>
  lines
    .findLast((line) => /^(ERROR|error)[: ]|executor failed|failed to solve/.test(line))
    ?.replace(/^(ERROR|error): /, '')
    .slice(0, MOST)

/** Or else its last words. */
export const reasonIn = (lines: string[]): string => errorIn(lines) ?? lines.at(-1)?.slice(0, MOST) ?? 'no output'

/** Out of memory, no space, and a build that just fails are different things. BuildKit says of the first only that a step was killed. */
export function buildFailure(said: string, { memoryGib }: { memoryGib: number }): AppError {
  if (/no space left on device/i.test(said))
    return new AppError('invalid', `The build failed: its disk is full (build.ephemeral_storage_in_gib): ${said}`)
  if (/exit code: 137|signal: killed/i.test(said))
    return new AppError(
      'invalid',
      `The build failed: a step was killed, as one is that needs more memory than ${memoryGib} GiB: raise build.ram_max_in_gib, or let it do less at a time (${said})`,
    )
  return new AppError('invalid', `The build failed: ${said}`)
}
