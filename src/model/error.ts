/** The closed set of failures a caller can meet. `api/` maps each to one HTTP status, `cli/` to one exit code. */
export const errorCodes = [
  'invalid',
  'not_found',
  'conflict',
  'forbidden',
  'unauthenticated',
  'unsupported',
  'unavailable',
  'internal',
] as const
export type ErrorCode = (typeof errorCodes)[number]

/** A failure with a message for people: what was expected and what was found. `path` names the field, e.g. `ports[0].internal_port`. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly path: string | undefined

  constructor(code: ErrorCode, message: string, path?: string) {
    super(message)
    this.name = 'AppError'
    this.code = code
    this.path = path
  }
}

export const invalid = (path: string, message: string): AppError => new AppError('invalid', message, path)
export const notFound = (noun: string, id: string): AppError => new AppError('not_found', `There is no ${noun} ${id} that you may see.`)

/** The text of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
