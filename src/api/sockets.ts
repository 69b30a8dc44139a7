import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { messageOf, AppError } from '../model/error.ts'
import { isFinal } from '../model/deployment.ts'
import { placeOf } from '../deploy/release.ts'
import type { ClusterAdapters } from '../deploy/dependencies.ts'
import type { Application } from '../model/application.ts'
import { findCluster } from '../store/cluster.ts'
import { findDeployment } from '../store/deployment.ts'
import { listParts } from '../store/part.ts'
import type { EnvironmentRow } from '../store/environment.ts'
import { listObservations } from '../store/observation.ts'
import { readLog } from '../store/log.ts'
import { Finder } from './find.ts'
import { presentLog } from './present/log.ts'
import { presentRunning } from './present/running.ts'
import { presentUsage } from './present/usage.ts'
import { deploymentOf } from './routes/log.ts'
import { statusesWithStages } from './routes/status.ts'
import type { Api } from './route.ts'
import { shellRoutes } from './shell.ts'

/** Milliseconds between looks where no wake-up comes, and the least between two messages of one stream. */
const LOOK = 2000
const CALM = 100
/** Bytes a client may be behind before its stream is closed: it does not read. */
const BEHIND_LIMIT = 8 * 1024 * 1024

type Stream = { socket: WebSocket; query: Record<string, string>; find: Finder; signal: AbortSignal; send: (message: unknown) => void }

/** The contract's WebSocket streams. */
export async function socketRoutes(api: Api): Promise<void> {
  await api.app.register(websocket, {
    options: { maxPayload: 1024 * 1024, handleProtocols: (protocols: Set<string>) => (protocols.has('v1') ? 'v1' : false) },
  })
  await api.app.register(async (app) => {
    const stream = (path: string, run: (stream: Stream) => Promise<void>): void => {
      app.get(path, { websocket: true, schema: { hide: true } }, (socket, request) => void open(api, socket, { request, run }))
    }
    stream('/deployment/logs', (one) => deploymentLogs(api, one))
    stream('/deployment/status', (one) => deploymentStatus(api, one))
    stream('/service/status', (one) => serviceStatus(api, one))
    stream('/service/logs', (one) => serviceLogs(api, one))
    stream('/service/pods', (one) => servicePods(api, one))
    stream('/service/metrics', (one) => serviceMetrics(api, one))
    shellRoutes(api, (path, run) => void app.get(path, { websocket: true, schema: { hide: true } }, run))
    return Promise.resolve()
  })
}

async function open(api: Api, socket: WebSocket, of: { request: FastifyRequest; run: (stream: Stream) => Promise<void> }): Promise<void> {
  const abort = new AbortController()
  socket.once('close', () => abort.abort())
  socket.on('error', () => abort.abort())
  const send = (message: unknown): void => {
    if (socket.bufferedAmount > BEHIND_LIMIT) socket.close(1008, 'the client does not read')
    else socket.send(JSON.stringify(message))
  }
  try {
    await of.run({
      socket,
      query: of.request.query as Record<string, string>,
      find: new Finder(api.deps.db, of.request.caller),
      signal: abort.signal,
      send,
    })
    socket.close(1000)
  } catch (error) {
    const code = error instanceof AppError && ['not_found', 'forbidden', 'invalid'].includes(error.code) ? 1008 : 1011
    socket.close(code, messageOf(error).slice(0, 120))
  }
}

/** Calls `look` at once and after every wake-up, until it says that there is no more or the client is gone. */
async function follow(
  api: Api,
  stream: Stream,
  of: { channels: ('deployment' | 'observation' | 'log')[]; look: () => Promise<boolean | void> },
): Promise<void> {
  while (!stream.signal.aborted) {
    if ((await of.look()) === false) return
    const calm = new Promise((resolve) => setTimeout(resolve, CALM))
    const waker = new AbortController()
    const signal = AbortSignal.any([stream.signal, waker.signal])
    await Promise.race(of.channels.map((channel) => api.deps.wakeups.wait(channel, { ms: LOOK, signal })))
    waker.abort()
    await calm
  }
}

const environmentIn = (stream: Stream): Promise<EnvironmentRow> => stream.find.environment(stream.query['environment'] ?? '', 'read')

async function deploymentLogs(api: Api, stream: Stream): Promise<void> {
  const { db } = api.deps
  const environment = await environmentIn(stream)
  let seen: string | null = null
  let id: string | undefined
  await follow(api, stream, {
    channels: ['log', 'deployment'],
    look: async () => {
      const deployment = id ? await findDeployment(db, id) : await deploymentOf(db, environment.id, stream.query['version'])
      if (!deployment) return
      id = deployment.id
      const parts = new Map((await listParts(db, [deployment.id])).map((part) => [part.applicationId, part]))
      const lines = await readLog(db, deployment.id, seen, 1000)
      seen = lines.at(-1)?.exact ?? seen
      if (lines.length > 0) stream.send(lines.map((line) => presentLog(line, deployment, parts)))
      return !(isFinal(deployment.state) && lines.length < 1000 && stream.query['follow'] === 'end')
    },
  })
}

async function deploymentStatus(api: Api, stream: Stream): Promise<void> {
  const { db } = api.deps
  const environment = stream.query['environment'] ? await environmentIn(stream) : undefined
  const project = environment ? undefined : await stream.find.project(stream.query['project'] ?? '', 'read')
  await changes(api, stream, ['deployment', 'observation'], async () => {
    if (environment) return statusesWithStages(db, environment.id)
    const rows = await db
      .selectFrom('environment')
      .select('id')
      .where('project_id', '=', project?.id ?? '')
      .where('deleted_at', 'is', null)
      .execute()
    return { results: await Promise.all(rows.map(async ({ id }) => (await statusesWithStages(db, id)).environment)) }
  })
}

/** Sends what is, and again whenever it is something else. */
async function changes(api: Api, stream: Stream, channels: ('deployment' | 'observation')[], read: () => Promise<unknown>): Promise<void> {
  let last = ''
  await follow(api, stream, {
    channels,
    look: async () => {
      const now = await read()
      const text = JSON.stringify(now)
      if (text !== last) stream.send(now)
      last = text
    },
  })
}

async function serviceStatus(api: Api, stream: Stream): Promise<void> {
  const { db } = api.deps
  const environment = stream.query['environment'] ? await environmentIn(stream) : undefined
  const project = environment ? undefined : await stream.find.project(stream.query['project'] ?? '', 'read')
  await changes(api, stream, ['observation', 'deployment'], async () => {
    const rows = await db
      .selectFrom('environment')
      .select(['id', 'project_id'])
      .where(environment ? 'id' : 'project_id', '=', environment?.id ?? project?.id ?? '')
      .where('deleted_at', 'is', null)
      .execute()
    return { environments: await Promise.all(rows.map((row) => presentRunning(db, row))) }
  })
}

/** Milliseconds between two measurements that are sent; metrics-server makes one every 15 s. */
const MEASURE = 5000

async function serviceMetrics(api: Api, stream: Stream): Promise<void> {
  const application = await stream.find.application(stream.query['service'] ?? '', 'read')
  const { inspection } = await adaptersFor(api, stream, application)
  const place = await placeOf(api.deps.db, application)
  while (!stream.signal.aborted) {
    stream.send(presentUsage(application, await inspection.usage(place)))
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, MEASURE)
      stream.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  }
}

async function adaptersFor(api: Api, stream: Stream, application: Application): Promise<ClusterAdapters> {
  const environment = await stream.find.environment(application.environmentId, 'read')
  const cluster = await findCluster(api.deps.db, [application.organizationId], environment.cluster_id)
  if (!cluster) throw new AppError('not_found', 'The cluster of this service does not exist any more.')
  return api.deps.adaptersOf(cluster)
}

async function serviceLogs(api: Api, stream: Stream): Promise<void> {
  const { db } = api.deps
  const application = await stream.find.application(stream.query['service'] ?? '', 'read')
  const { inspection } = await adaptersFor(api, stream, application)
  const wanted = stream.query['pod_name']
  const limit = Number(stream.query['limit'] ?? 1000)
  const tail = Number.isSafeInteger(limit) && limit >= 0 ? Math.min(limit, 10_000) : 1000
  for await (const line of inspection.logs(await placeOf(db, application), { follow: true, tail, signal: stream.signal })) {
    if (wanted && line.instance !== wanted) continue
    stream.send({
      created_at: line.at.getTime(),
      message: line.message,
      pod_name: line.instance,
      container_name: 'application',
      version: String(line.revision),
      severity_text: line.stream === 'stderr' ? 'error' : 'info',
      labels: {},
      from_kube: false,
    })
  }
}

async function servicePods(api: Api, stream: Stream): Promise<void> {
  const application = await stream.find.application(stream.query['service'] ?? '', 'read')
  await changes(api, stream, ['observation'], async () => {
    const observation = (await listObservations(api.deps.db, [application.id])).get(application.id)
    return {
      pods: (observation?.instances ?? []).map((one) => ({ name: one.name, ports: application.spec.ports.map((port) => port.internal) })),
    }
  })
}
