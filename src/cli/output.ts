import { AppError, type ErrorCode } from '../model/error.ts'

/** The one table from failures to exit codes; 9 = a deployment that did not succeed, 130 = interrupted. */
export const exitCodes: Record<ErrorCode, number> = {
  internal: 1,
  invalid: 2,
  unauthenticated: 3,
  forbidden: 4,
  not_found: 5,
  conflict: 6,
  unsupported: 7,
  unavailable: 8,
}
export const DEPLOYMENT_FAILED = 9

export const say = (line = ''): void => void process.stdout.write(`${line}\n`)

/** JSON for scripts, else whatever people like better. */
export function show(value: unknown, options: { json?: boolean | undefined }, people: () => void): void {
  if (options.json) say(JSON.stringify(value, null, 2))
  else people()
}

/** Columns as wide as their widest cell. */
export function table(rows: Record<string, string | number | undefined>[], nothing: string): void {
  const first = rows[0]
  if (!first) return say(nothing)
  const columns = Object.keys(first)
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column] ?? '').length)))
  const line = (cells: string[]): void =>
    say(
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  line(columns.map((column) => column.toUpperCase()))
  for (const row of rows) line(columns.map((column) => String(row[column] ?? '')))
}

export function fail(error: unknown): never {
  const code = error instanceof AppError ? exitCodes[error.code] : 1
  const where = error instanceof AppError && error.path !== undefined ? `${error.path}: ` : ''
  process.stderr.write(`berth: ${where}${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(code)
}
