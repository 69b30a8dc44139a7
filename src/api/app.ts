import swagger from '@fastify/swagger'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { AppError } from '../model/error.ts'
import { findCaller, type Caller } from '../store/account.ts'
import type { Dependencies } from '../deploy/dependencies.ts'
import { answerErrors } from './error.ts'
import { actionRoutes } from './routes/action.ts'
import { clusterRoutes } from './routes/cluster.ts'
import { emptyRoutes } from './routes/empty.ts'
import { environmentRoutes } from './routes/environment.ts'
import { gitRoutes } from './routes/git.ts'
import { historyRoutes } from './routes/history.ts'
import { logRoutes } from './routes/log.ts'
import { organizationRoutes } from './routes/organization.ts'
import { projectRoutes } from './routes/project.ts'
import { registryRoutes } from './routes/registry.ts'
import { releaseRoutes } from './routes/release.ts'
import { serviceRoutes } from './routes/service.ts'
import { stageRoutes } from './routes/stage.ts'
import { statusRoutes } from './routes/status.ts'
import { systemRoutes } from './routes/system.ts'
import { tokenRoutes } from './routes/token.ts'
import { variableRoutes } from './routes/variable.ts'
import { socketRoutes } from './sockets.ts'
import type { Api, ApiSettings } from './route.ts'

/** Bytes of a request body, apart from Git's. */
const BODY_LIMIT = 1024 * 1024

/** Answered without a token: for machines, and they tell nothing about anybody's things. */
const open = new Set(['/healthz', '/readyz', '/metrics', '/openapi.json'])

export async function createApi(deps: Dependencies, settings: ApiSettings): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    loggerInstance: deps.log.child({ part: 'api' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    return503OnClosing: false, // see gentleClose
    routerOptions: { maxParamLength: 300 },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  answerErrors(app)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Berth',
        version: settings.version,
        description: "The public contract of Qovery's application service, and what Berth adds beside it.",
      },
      components: { securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'Authorization' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })
  app.addHook('onRequest', async (request, reply) => {
    if (open.has(request.url.split('?')[0] ?? '') || request.routeOptions.url === undefined) return
    const caller = await authenticate(deps, request)
    if (!caller && request.url.startsWith('/git/'))
      reply.header('www-authenticate', 'Basic realm="Berth: any user name, an API token as password"')
    if (!caller && request.headers.upgrade) closeAfter(request, reply)
    if (!caller) throw new AppError('unauthenticated', 'Send a valid API token: Authorization: Token <token> (or Bearer).')
    request.caller = caller
  })
  emptyJsonBodies(app)
  const api: Api = { app, deps, settings }
  await socketRoutes(api)
  systemRoutes(api)
  for (const routes of [
    organizationRoutes,
    tokenRoutes,
    registryRoutes,
    projectRoutes,
    clusterRoutes,
    environmentRoutes,
    stageRoutes,
    serviceRoutes,
    actionRoutes,
    statusRoutes,
    historyRoutes,
    releaseRoutes,
    variableRoutes,
    logRoutes,
    emptyRoutes,
    gitRoutes,
  ])
    routes(api)
  await app.ready()
  return app
}

/** Clients send actions with no body at all, under a JSON content type or (axios) that of forms. */
function emptyJsonBodies(app: FastifyInstance): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    body === '' ? done(null, undefined) : done(new AppError('invalid', 'expected JSON (content-type: application/json)')),
  )
  for (const type of ['application/x-yaml', 'application/yaml', 'text/yaml', 'text/plain'])
    app.addContentTypeParser(type, { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined)
    try {
      done(null, JSON.parse(String(body), refusePrototype))
    } catch {
      done(new AppError('invalid', 'expected JSON, found text that is none'))
    }
  })
}

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('__proto__')
  return value
}

/** An upgrade that is refused would keep its connection, which nobody reads any more, until the server ends. */
function closeAfter(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('connection', 'close')
  reply.raw.once('finish', () => request.raw.socket.destroySoon())
}

async function authenticate(deps: Dependencies, request: FastifyRequest): Promise<Caller | undefined> {
  const text = tokenIn(request)
  if (!text) return undefined
  const found = await findCaller(deps.db, text)
  return found && { ...found, origin: originOf(request.headers['user-agent'] ?? '') }
}

/** Either scheme; Basic for Git; a subprotocol for browsers, which cannot set a header on a WebSocket. */
function tokenIn(request: FastifyRequest): string | undefined {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ')
  if (/^(bearer|token)$/i.test(scheme)) return value
  if (/^basic$/i.test(scheme)) return Buffer.from(value, 'base64').toString().split(':').slice(1).join(':')
  return String(request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((one) => one.trim())
    .find((one) => one.startsWith('auth.bearer.'))
    ?.slice('auth.bearer.'.length)
}

function originOf(agent: string): string {
  if (/^(berth|qovery)-?cli|^CLI /i.test(agent)) return 'CLI'
  if (/^Terraform provider/i.test(agent)) return 'TERRAFORM_PROVIDER'
  return agent.startsWith('Mozilla/') ? 'CONSOLE' : 'API'
}
