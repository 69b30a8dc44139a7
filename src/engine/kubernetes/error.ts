import { AppError, type ErrorCode } from '../../model/error.ts'

/** A refusal of the API server, with its status and reason beside the words. */
export class KubernetesError extends AppError {
  readonly status: number
  readonly reason: string
  /** Milliseconds after which the server wants to be asked again; null = it does not say. */
  readonly retryAfter: number | null

  constructor(status: number, told: { message: string; reason: string; retryAfter: number | null }) {
    super(codeOf(status, told), told.message)
    this.status = status
    this.reason = told.reason
    this.retryAfter = told.retryAfter
  }

  /** Whether asking again may be answered otherwise. */
  get passing(): boolean {
    return this.code === 'unavailable'
  }
}

function codeOf(status: number, told: { message: string }): ErrorCode {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 409) return 'conflict'
  // What a server-side apply cannot take (a field that does not exist, two ports of one number) is answered with 500 (measured with 1.35): asking again would not help.
  if (
    status === 400 ||
    status === 422 ||
    (status === 500 && /field not declared in schema|unknown field|failed to create typed patch object/.test(told.message))
  )
    return 'invalid'
  return 'unavailable'
}

/** Out of the body of an answer: a Status of the API, or whatever text a proxy put there. */
export function errorIn(status: number, body: string, retryAfter: string | undefined): KubernetesError {
  const seconds = Number(retryAfter)
  const told = {
    message: body.slice(0, 500) || `The Kubernetes API answered ${status}.`,
    reason: '',
    retryAfter: seconds > 0 ? seconds * 1000 : null,
  }
  try {
    const parsed = JSON.parse(body) as { message?: string; reason?: string }
    return new KubernetesError(status, { ...told, message: parsed.message ?? told.message, reason: parsed.reason ?? '' })
  } catch {
    return new KubernetesError(status, told)
  }
}

export const isMissing = (error: unknown): boolean => error instanceof AppError && error.code === 'not_found'
