import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Dependencies } from '../deploy/dependencies.ts'
import type { Caller } from '../store/account.ts'
import type { Tx } from '../store/database.ts'
import type { Actor } from '../store/event.ts'
import { Finder } from './find.ts'

export type ApiSettings = { apiUrl: string; version: string; edgePort: number; edgePorts: number[] }
export type Api = { app: FastifyInstance; deps: Dependencies; settings: ApiSettings }

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
}

export type Call<Q, B> = {
  params: Record<string, string>
  query: Q
  body: B
  caller: Caller
  actor: Actor
  find: Finder
  request: FastifyRequest
  reply: FastifyReply
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
}

/** What a route answers under its other status. */
export class OtherAnswer {
  readonly body: unknown

  constructor(body: unknown) {
    this.body = body
  }
}

type Definition<Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> = {
  summary: string
  tag: string
  query?: Q
  body?: B
  status?: number
  /** Enforced: what is not in it never leaves. Null = an empty answer. */
  answer: A | null
  /** Another answer that `run` may give. */
  other?: { status: number; answer: z.ZodType }
  /** The answer is a text of this content type, not JSON. */
  text?: string
  run: (call: Call<z.output<Q>, z.output<B>>) => Promise<z.output<A> | OtherAnswer | void>
}

/** Defines one route: its schemas validate, describe and filter. */
export function route<
  A extends z.ZodType,
  Q extends z.ZodType = z.ZodType<Record<string, never>>,
  B extends z.ZodType = z.ZodType<undefined>,
>(api: Api, line: `${'GET' | 'POST' | 'PUT' | 'DELETE'} /${string}`, definition: Definition<Q, B, A>): void {
  const [method = 'GET', path = '/'] = line.split(' ')
  const status = definition.status ?? (definition.answer === null ? 204 : 200)
  api.app.route({
    method: method as 'GET',
    url: path,
    schema: schemaOf(definition, { path, status }),
    handler: async (request, reply): Promise<unknown> => {
      const answer = await definition.run(callOf(api, request, reply) as Call<z.output<Q>, z.output<B>>)
      if (answer instanceof OtherAnswer) return reply.status(definition.other?.status ?? status).send(answer.body)
      reply.status(status)
      if (definition.text !== undefined) return reply.type(definition.text).send(answer)
      return definition.answer === null ? reply.send() : answer
    },
  })
}

function schemaOf(definition: Definition<z.ZodType, z.ZodType, z.ZodType>, of: { path: string; status: number }): object {
  return {
    summary: definition.summary,
    tags: [definition.tag],
    ...paramsIn(of.path),
    ...(definition.query ? { querystring: definition.query } : {}),
    ...(definition.body ? { body: definition.body } : {}),
    response: {
      [of.status]: definition.answer ?? z.null(),
      ...(definition.other ? { [definition.other.status]: definition.other.answer } : {}),
    },
  }
}

function paramsIn(path: string): { params?: z.ZodType } {
  const names = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '')
  return names.length === 0 ? {} : { params: z.object(Object.fromEntries(names.map((name) => [name, z.string().max(100)]))) }
}

function callOf(api: Api, request: FastifyRequest, reply: FastifyReply): Call<unknown, unknown> {
  const { caller } = request
  return {
    params: request.params as Record<string, string>,
    query: request.query,
    body: request.body ?? undefined,
    caller,
    request,
    reply,
    actor: { accountId: caller.accountId, name: caller.name, origin: caller.origin },
    find: new Finder(api.deps.db, caller),
    transaction: (work) => api.deps.db.transaction().execute(work),
  }
}

/** Clients of the contract read lists out of `results`. */
export const results = <T extends z.ZodType>(item: T) => z.object({ results: z.array(item) })

/** Read-only fields that clients send back with an edit: accepted and ignored; everything else unknown is refused. */
export const echoed = (...names: string[]): Record<string, z.ZodOptional<z.ZodUnknown>> =>
  Object.fromEntries(names.map((name) => [name, z.unknown().optional()]))

/** An empty body, or an empty object: actions without parameters accept both. */
export const emptyBody = z.strictObject({}).nullish()
