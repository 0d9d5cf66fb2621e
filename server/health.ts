// /healthz: the process answers. /readyz: the database and the queue answer too.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import type { Deps } from './deps.ts'
import { isSameSecret } from './secrets.ts'

/** Polled often, and answered under pressure too. */
export const ALWAYS_SERVED = { logLevel: 'warn', config: { isAlwaysServed: true } } as const

export async function healthRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  app.get('/healthz', ALWAYS_SERVED, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok' }
  })

  app.get('/readyz', ALWAYS_SERVED, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const checks = { database: await passes(sql`select 1`.execute(deps.db)), queue: await passes(queueIsThere(deps)) }
    const isReady = checks.database && checks.queue
    return reply
      .code(isReady ? 200 : 503)
      .send({ status: isReady ? 'ready' : 'unavailable', ...(mayWatch(deps, request) && { checks }) })
  })
}

/** Whether the request may see the service's internals: anybody may, unless METRICS_TOKEN is set. */
export function mayWatch({ config: { metricsToken } }: Pick<Deps, 'config'>, request: FastifyRequest): boolean {
  if (metricsToken === undefined) return true
  const given = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  return given !== undefined && isSameSecret(given, metricsToken)
}

const queueIsThere = (deps: Deps) => sql`select 1 from pgboss.queue limit 1`.execute(deps.db)

const passes = (check: Promise<unknown>) =>
  check.then(
    () => true,
    () => false
  )
