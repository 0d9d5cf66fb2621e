// What a process that only runs jobs serves over HTTP: health and metrics.
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
