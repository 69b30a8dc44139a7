import type { FastifyError, FastifyInstance } from 'fastify'
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from 'fastify-type-provider-zod'
import { STATUS_CODES } from 'node:http'
import { AppError, type ErrorCode } from '../model/error.ts'

/** The one table from failures to HTTP. */
export const httpStatus: Record<ErrorCode, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  unsupported: 400,
  unavailable: 503,
  internal: 500,
}

const body = (status: number, detail: string, code?: string) => ({
  status,
  error: STATUS_CODES[status] ?? 'Error',
  detail,
  ...(code ? { code } : {}),
})

type Issue = { instancePath: string; message?: string; keyword?: string; params?: { keys?: string[] } }

/** Every failure leaves as `{status, error, detail}`; what was expected, what was found, and at which path. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | AppError, request, reply) => {
    if (error instanceof AppError) {
      const status = httpStatus[error.code]
      if (error.code === 'internal') request.log.error({ error }, error.message)
      return reply.status(status).send(body(status, error.path ? `${error.path}: ${error.message}` : error.message, error.code))
    }
    if (hasZodFastifySchemaValidationErrors(error))
      return reply.status(400).send(body(400, (error.validation as unknown as Issue[]).slice(0, 5).map(describe).join('; '), 'invalid'))
    if (!isResponseSerializationError(error) && error.statusCode && error.statusCode < 500)
      return reply.status(error.statusCode).send(body(error.statusCode, error.message, 'invalid'))
    request.log.error(
      { error: error.message, stack: error.stack, cause: isResponseSerializationError(error) ? error.cause.issues : undefined },
      'a request failed',
    )
    return reply.status(500).send(body(500, `Berth made a mistake; its log has more under the request id ${request.id}.`, 'internal'))
  })
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send(body(404, `There is no ${request.method} ${request.url.split('?')[0]} here.`, 'not_found')),
  )
}

function describe(issue: Issue): string {
  const path =
    issue.instancePath
      .replace(/^\//, '')
      .replace(/\/(\d+)/g, '[$1]')
      .replaceAll('/', '.') || 'body'
  const { keys } = issue.params ?? {}
  if (issue.keyword === 'unrecognized_keys' && keys)
    return keys.map((key) => `${path === 'body' ? '' : `${path}.`}${key}: there is no field ${JSON.stringify(key)} here`).join('; ')
  return `${path}: ${(issue.message ?? 'is wrong').replace(/^Invalid input: /, '').replace(/, received /, ', found ')}`
}
