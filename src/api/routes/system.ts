import { Registry, Counter, Gauge, Histogram, collectDefaultMetrics } from 'prom-client'
import { sql } from '../../store/database.ts'
import type { Api } from '../route.ts'

/** Health, readiness, metrics and the description of the API: for machines, without a token. */
export function systemRoutes(api: Api): void {
  const { app, deps } = api
  const hidden = { schema: { hide: true } }
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'berth_http_request_seconds',
    help: 'Time to answer a request.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  })
  const failures = new Counter({ name: 'berth_http_failures_total', help: 'Answers of 500 and above.', registers: [registry] })
  const queue = new Gauge({
    name: 'berth_deployments',
    help: 'Deployments that are not finished, by state.',
    labelNames: ['state'],
    registers: [registry],
  })
  app.addHook('onResponse', (request, reply, done) => {
    requests.observe(
      { method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode },
      reply.elapsedTime / 1000,
    )
    if (reply.statusCode >= 500) failures.inc()
    done()
  })
  app.get('/healthz', hidden, () => ({ status: 'ok' }))
  app.get('/readyz', hidden, async (_request, reply) => {
    const ready = await sql`select 1`.execute(deps.db).then(
      () => true,
      () => false,
    )
    return reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'the database does not answer' })
  })
  app.get('/metrics', hidden, async (_request, reply) => {
    const rows = await deps.db
      .selectFrom('deployment')
      .select(['state', (select) => select.fn.countAll<number>().as('count')])
      .where('state', 'in', ['queued', 'running'])
      .groupBy('state')
      .execute()
    for (const state of ['queued', 'running']) queue.set({ state }, rows.find((row) => row.state === state)?.count ?? 0)
    return reply.type(registry.contentType).send(await registry.metrics())
  })
  app.get('/openapi.json', hidden, () => app.swagger())
}
