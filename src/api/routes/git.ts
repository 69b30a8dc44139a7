import type { FastifyReply, FastifyRequest } from 'fastify'
import { requestDeployment } from '../../deploy/request.ts'
import { AppError } from '../../model/error.ts'
import { isFinal, type Deployment } from '../../model/deployment.ts'
import { branchHead } from '../../source/git/mirror.ts'
import { ensureOwnRepository, gitBackend, progressPacket, splitBeforeFlush } from '../../source/git/own.ts'
import { listApplications } from '../../store/application.ts'
import { findDeployment } from '../../store/deployment.ts'
import { listParts } from '../../store/part.ts'
import { readLog } from '../../store/log.ts'
import { findRepository } from '../../store/repository.ts'
import { getEnvironment, type EnvironmentRow } from '../../store/environment.ts'
import { Finder } from '../find.ts'
import { edgeOf, linksOf, ownEdge } from '../present/link.ts'
import type { Api } from '../route.ts'

const services = new Set(['git-upload-pack', 'git-receive-pack'])
/** Seconds that a pusher is shown progress; the deployment goes on without them. */
const SHOW_LIMIT = 1800
const LOOK = 1000

/** Berth's own Git remote: `git http-backend` behind a token; a push starts the deployment and shows its progress. */
export function gitRoutes(api: Api): void {
  const { app } = api
  for (const type of ['application/x-git-upload-pack-request', 'application/x-git-receive-pack-request'])
    app.addContentTypeParser(type, (_request, payload, done) => done(null, payload))
  const options = { schema: { hide: true }, bodyLimit: 2 ** 31 }
  app.get('/git/:environmentId/:repository/info/refs', options, (request, reply) => serve(api, request, reply, '/info/refs'))
  app.post('/git/:environmentId/:repository/git-upload-pack', options, (request, reply) => serve(api, request, reply, '/git-upload-pack'))
  app.post('/git/:environmentId/:repository/git-receive-pack', options, (request, reply) => serve(api, request, reply, '/git-receive-pack'))
}

async function serve(
  api: Api,
  request: FastifyRequest,
  reply: FastifyReply,
  path: '/info/refs' | '/git-upload-pack' | '/git-receive-pack',
): Promise<FastifyReply> {
  const { environmentId = '', repository = '' } = request.params as Record<string, string>
  const service = path === '/info/refs' ? ((request.query as Record<string, string>)['service'] ?? '') : path.slice(1)
  if (!services.has(service)) throw new AppError('invalid', 'expected a Git client that speaks the smart protocol', 'service')
  const pushing = service === 'git-receive-pack'
  const environment = await new Finder(api.deps.db, request.caller).environment(environmentId, pushing ? 'deploy' : 'read')
  const row = await findRepository(api.deps.db, [environment.organization_id], environment.id, repository.replace(/\.git$/, ''))
  if (!row)
    throw new AppError(
      'not_found',
      `There is no repository ${repository} in this environment: it is made when an application with its URL is created (berth init does it).`,
    )
  if (row.node !== api.deps.node)
    throw new AppError('unavailable', `The repository lives on the node ${row.node}, this is ${api.deps.node}: push there.`)
  const folder = await ensureOwnRepository(api.deps.folders.git, row.id)
  const before = pushing && path !== '/info/refs' ? await heads(api, environment, { folder, repositoryId: row.id }) : null
  const answer = await gitBackend({
    folder,
    path,
    query: request.url.split('?')[1] ?? '',
    method: request.method,
    contentType: request.headers['content-type'] ?? '',
    encoding: String(request.headers['content-encoding'] ?? ''),
    protocol: String(request.headers['git-protocol'] ?? ''),
    user: request.caller.name.replace(/[^A-Za-z0-9-]/g, '-'),
    body: request.raw,
  })
  const split = before ? splitBeforeFlush(answer.body) : undefined
  if (!before) return reply.status(answer.status).headers(answer.headers).send(answer.body)
  const deployment = await deployPushed(api, request, { environment, folder, repositoryId: row.id, before })
  if (!split) return reply.status(answer.status).headers(answer.headers).send(answer.body)
  reply.hijack()
  reply.raw.writeHead(answer.status, answer.headers)
  reply.raw.write(split[0])
  if (typeof deployment === 'string') reply.raw.write(progressPacket(`${deployment}\n`))
  else await showProgress(api, reply, deployment).catch((error: unknown) => request.log.warn({ error }, 'progress could not be shown'))
  reply.raw.end(split[1])
  return reply
}

type Pushed = { folder: string; repositoryId: string }

/** Where the branches stand that applications are deployed from. */
async function heads(api: Api, environment: EnvironmentRow, of: Pushed): Promise<Map<string, string | undefined>> {
  const branches = new Set(
    (await fed(api, environment, of.repositoryId)).map((one) => (one.spec.source.kind === 'git' ? one.spec.source.branch : '')),
  )
  return new Map(await Promise.all([...branches].map(async (branch) => [branch, await branchHead(of.folder, branch)] as const)))
}

const fed = async (api: Api, environment: EnvironmentRow, repositoryId: string) =>
  (await listApplications(api.deps.db, { environmentId: environment.id })).filter(
    (one) => one.spec.source.kind === 'git' && one.spec.source.ownRepositoryId === repositoryId,
  )

/** Queues one deployment of every application whose branch moved; says why not where none did. */
async function deployPushed(
  api: Api,
  request: FastifyRequest,
  of: Pushed & { environment: EnvironmentRow; before: Map<string, string | undefined> },
): Promise<Deployment | string> {
  const after = await heads(api, of.environment, of)
  const moved = (await fed(api, of.environment, of.repositoryId)).filter(
    (one) =>
      one.spec.source.kind === 'git' &&
      after.get(one.spec.source.branch) !== undefined &&
      after.get(one.spec.source.branch) !== of.before.get(one.spec.source.branch),
  )
  if (moved.length === 0)
    return `Stored. No application is deployed from this branch${after.size > 0 ? ` (they use ${[...after.keys()].join(', ')})` : ''}.`
  const wanted = moved.filter((one) => one.spec.autoDeploy)
  if (wanted.length === 0) return 'Stored. Auto-deploy is off: deploy it with `berth app deploy`.'
  const wishes = wanted.map((application) => ({
    application,
    wanted: { commit: application.spec.source.kind === 'git' ? (after.get(application.spec.source.branch) ?? null) : null },
  }))
  const { caller } = request
  return api.deps.db
    .transaction()
    .execute((tx) =>
      requestDeployment(
        tx,
        { accountId: caller.accountId, name: caller.name, origin: 'GIT' },
        { environment: of.environment, action: 'deploy', wishes },
      ),
    )
}

async function showProgress(api: Api, reply: FastifyReply, deployment: Deployment): Promise<void> {
  const { db, wakeups } = api.deps
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const until = Date.now() + SHOW_LIMIT * 1000
  let seen: string | null = null
  const show = async (): Promise<void> => {
    for (const line of await readLog(db, deployment.id, seen, 500)) {
      seen = line.exact
      reply.raw.write(progressPacket(`${line.message}\n`))
    }
  }
  while (!gone.signal.aborted && Date.now() < until) {
    const now = await findDeployment(db, deployment.id)
    await show()
    if (!now || isFinal(now.state)) return conclude(api, reply, { ...deployment, state: now?.state ?? 'failed' })
    await wakeups.wait('log', { id: deployment.id, ms: LOOK, signal: gone.signal })
  }
}

async function conclude(api: Api, reply: FastifyReply, deployment: Deployment): Promise<void> {
  const parts = await listParts(api.deps.db, [deployment.id])
  const environment = await getEnvironment(api.deps.db, deployment.environmentId)
  const applications = await listApplications(api.deps.db, { environmentId: environment.id })
  for (const part of parts) {
    const application = applications.find((one) => one.id === part.applicationId)
    const link = application && linksOf(application, edgeOf(environment, ownEdge(api))).find((one) => one.is_default)
    if (part.state === 'succeeded') reply.raw.write(progressPacket(`\n${part.applicationName} is live${link ? `: ${link.url}` : ''}\n\n`))
    else
      reply.raw.write(
        progressPacket(
          `\n${part.applicationName}: ${part.state}${part.explanation ? `\n  ${part.explanation.message}\n  ${part.explanation.remedy}` : ''}\nWhat was live before still is. The push itself is stored.\n\n`,
        ),
      )
  }
}
