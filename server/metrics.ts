// /metrics: Prometheus text. Routes are labelled by pattern and procedures by name, never by what was asked for.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram } from 'prom-client'
import { poolStats } from '../db/connect.ts'
import { type QueueFigure, readQueueFigures } from '../db/queue-figures.ts'
import { JOB_NAMES } from '../jobs/queue.ts'
import { appRouter } from './admin/router.ts'
import type { Deps } from './deps.ts'
import { unauthenticated } from './errors.ts'
import { ALWAYS_SERVED, mayWatch } from './health.ts'

/** The route, and the process's own metrics: memory, pool, caches, queue. Once per process. */
export async function metricsRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  const { registry } = deps.counters
  collectDefaultMetrics({ register: registry })
  deps.counters.watchCache('tenants', deps.tenancy.cache.stats)
  deps.counters.watchCache('principals', deps.auth.principals.stats)
  registerPoolMetrics(deps)
  registerQueueMetrics(deps)
  app.get('/metrics', ALWAYS_SERVED, async (request, reply) => {
    if (!mayWatch(deps, request)) throw unauthenticated('Authorization must be "Bearer", a space and METRICS_TOKEN')
    return reply
      .type(registry.contentType)
      .header('cache-control', 'no-store')
      .send(await registry.metrics())
  })
}

/** Measures how long requests take and how many are refused. Not encapsulated, so that it sees every route of `app`. */
export function measureRequests(app: FastifyInstance, { counters }: Pick<Deps, 'counters'>): void {
  const registers = [counters.registry]
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
  app.addHook('onResponse', (request, reply, done) => {
    const status = String(reply.statusCode)
    durations.observe({ method: request.method, route: routeOf(request), status }, reply.elapsedTime / 1000)
    if (status === '401' || status === '429' || status === '503') refusals.inc({ status })
    done()
  })
}

const TRPC_ROUTE = '/trpc/:path'
const PROCEDURES = new Set(Object.keys(appRouter._def.procedures))

/** `/scim/v2/Users/:id`, `/trpc/users.list`; several procedures in one request are `/trpc/batch`. */
export function routeOf(request: FastifyRequest): string {
  const pattern = request.routeOptions.url ?? 'none'
  if (pattern !== TRPC_ROUTE) return pattern
  const { path = '' } = request.params as { path?: string }
  if (PROCEDURES.has(path)) return `/trpc/${path}`
  return path.includes(',') ? '/trpc/batch' : pattern
}

function registerPoolMetrics({ db, config, counters }: Deps): void {
  new Gauge({
    name: 'muster_database_connections',
    help: 'Connections of this process’s pool: used, idle, how many there may be, and requests that wait for one',
    labelNames: ['state'],
    registers: [counters.registry],
    collect() {
      const { total, idle, waiting } = poolStats(db)
      this.set({ state: 'used' }, total - idle)
      this.set({ state: 'idle' }, idle)
      this.set({ state: 'waiting' }, waiting)
      this.set({ state: 'max' }, config.database.poolSize)
    }
  })
}

/** All processes share the queue, so each one queries it at most this often, however often Prometheus asks. */
const QUEUE_FIGURES_MS = 5_000

/** While the database is away the figures are omitted: old ones would hide it. */
function registerQueueMetrics(deps: Deps): void {
  const registers = [deps.counters.registry]
  let asked: { at: number; figures: Promise<QueueFigure[]> } | undefined
  const figures = () => {
    const at = deps.now().getTime()
    // also where the clock was set back
    if (!asked || Math.abs(at - asked.at) >= QUEUE_FIGURES_MS) {
      asked = { at, figures: readQueueFigures(deps.db, JOB_NAMES).catch(() => []) }
    }
    return asked.figures
  }
  new Gauge({
    name: 'muster_queue_jobs',
    help: 'Jobs in the queue, by name and state: created, retry, active, failed',
    labelNames: ['job', 'state'],
    registers,
    async collect() {
      const found = await figures()
      this.reset()
      for (const { name, state, count } of found) this.set({ job: name, state }, count)
    }
  })
  new Gauge({
    name: 'muster_queue_oldest_job_age_seconds',
    help: 'For how long the job that waits longest could have been taken, by name; 0 where none waits',
    labelNames: ['job'],
    registers,
    async collect() {
      const found = await figures()
      this.reset()
      for (const [name, states] of Map.groupBy(found, ({ name }) => name)) {
        this.set({ job: name }, Math.max(0, ...states.map(({ age_seconds: age }) => age ?? 0)))
      }
    }
  })
}
