// What a process that only works off the queue answers over HTTP: whether it lives, and what it measures.
import Fastify, { type FastifyInstance } from 'fastify'
import type { Deps } from './deps.ts'
import { handleError, handleNotFound } from './edge-errors.ts'
import { healthRoutes } from './health.ts'
import { RequestLog } from './log.ts'
import { metricsRoutes } from './metrics.ts'

export async function buildWorkerApp(deps: Deps): Promise<FastifyInstance> {
  const app = Fastify({ loggerInstance: deps.log, logController: new RequestLog(), forceCloseConnections: true })
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  await app.register(metricsRoutes, { deps })
  await app.register(healthRoutes, { deps })
  return app
}
