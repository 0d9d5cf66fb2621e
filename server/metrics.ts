// /metrics: Prometheus text. Routes are labelled by their pattern, never by what was asked for.
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { poolStats } from '../db/connect.ts'
import type { Deps } from './deps.ts'

export async function metricsRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const durations = new Histogram({
    name: 'muster_http_request_duration_seconds',
    help: 'Time from the request’s arrival to its answer, by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers
  })
  const refusals = new Counter({
    name: 'muster_http_refused_total',
    help: 'Requests answered 401 (who), 429 (too often) or 503 (overloaded)',
    labelNames: ['status'],
    registers
  })
  const pool = new Gauge({
    name: 'muster_database_connections',
    help: 'Connections of this process’s pool, and requests that wait for one',
    labelNames: ['state'],
    registers,
    collect() {
      const { total, idle, waiting } = poolStats(deps.db)
      this.set({ state: 'used' }, total - idle)
      this.set({ state: 'idle' }, idle)
      this.set({ state: 'waiting' }, waiting)
    }
  })
  void pool
  registerCacheMetrics(deps, registry)
  registerQueueMetrics(deps, registry)

  app.addHook('onResponse', async (request, reply) => {
    const status = String(reply.statusCode)
    const route = request.routeOptions.url ?? 'none'
    durations.observe({ method: request.method, route, status }, reply.elapsedTime / 1000)
    if (status === '401' || status === '429' || status === '503') refusals.inc({ status })
  })
  app.get('/metrics', { logLevel: 'warn' }, async (_request, reply) =>
    reply
      .type(registry.contentType)
      .header('cache-control', 'no-store')
      .send(await registry.metrics())
  )
}

function registerCacheMetrics(deps: Deps, registry: Registry): void {
  new Gauge({
    name: 'muster_tenant_cache_lookups',
    help: 'Look-ups of tenants since the start, by whether memory had them',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      const { hits, misses } = deps.tenancy.cache.stats
      this.set({ result: 'hit' }, hits)
      this.set({ result: 'miss' }, misses)
    }
  })
}

interface QueueFigure {
  name: string
  state: string
  count: number
  /** Of the oldest job that waits; null where none does. */
  age_seconds: number | null
}

/** Asked of the database when Prometheus asks, once for both gauges; while it is away the figures are left out. */
function registerQueueMetrics(deps: Deps, registry: Registry): void {
  let asking: Promise<QueueFigure[]> | undefined
  const figures = () => {
    asking ??= readQueue(deps).finally(() => {
      asking = undefined
    })
    return asking
  }
  new Gauge({
    name: 'muster_queue_jobs',
    help: 'Jobs in the queue, by name and state',
    labelNames: ['job', 'state'],
    registers: [registry],
    async collect() {
      const found = await figures()
      this.reset()
      for (const { name, state, count } of found) this.set({ job: name, state }, count)
    }
  })
  new Gauge({
    name: 'muster_queue_oldest_job_age_seconds',
    help: 'Age of the oldest job that waits, by name',
    labelNames: ['job'],
    registers: [registry],
    async collect() {
      const found = await figures()
      this.reset()
      for (const { name, age_seconds: age } of found) if (age !== null) this.set({ job: name }, age)
    }
  })
}

const readQueue = (deps: Deps): Promise<QueueFigure[]> =>
  sql<QueueFigure>`
    select name, state::text, count(*)::int as count,
      extract(epoch from now() - min(created_on) filter (where state < 'active' and start_after <= now()))::float
        as age_seconds
    from pgboss.job where state < 'completed' or state = 'failed' group by name, state`
    .execute(deps.db)
    .then(
      ({ rows }) => rows,
      () => []
    )
