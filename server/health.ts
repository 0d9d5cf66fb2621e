// /healthz: the process answers. /readyz: the database and the queue answer too.
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import type { Deps } from './deps.ts'

/** Asked again and again, and also under pressure. */
export const ALWAYS_SERVED = { logLevel: 'warn', config: { isAlwaysServed: true } } as const

export async function healthRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  app.get('/healthz', ALWAYS_SERVED, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok' }
  })

  app.get('/readyz', ALWAYS_SERVED, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const checks = { database: await passes(sql`select 1`.execute(deps.db)), queue: await passes(queueIsThere(deps)) }
    const isReady = checks.database && checks.queue
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'unavailable', checks })
  })
}

const queueIsThere = (deps: Deps) => sql`select 1 from pgboss.queue limit 1`.execute(deps.db)

const passes = (check: Promise<unknown>) =>
  check.then(
    () => true,
    () => false
  )
