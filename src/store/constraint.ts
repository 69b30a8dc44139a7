import { AppError } from '../model/error.ts'

const UNIQUE_VIOLATION = '23505'

export const violates = (error: unknown, constraint: string): boolean =>
  error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION && 'constraint' in error && error.constraint === constraint

/** Runs a write; a name that is taken becomes the conflict people are told. */
export async function uniquely<T>(constraint: string, message: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (violates(error, constraint)) throw new AppError('conflict', message, 'name')
    throw error
  }
}
