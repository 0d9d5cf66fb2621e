// buildApp(deps): every plugin and route by name, in order. Tests build the same app.
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import Fastify, { type FastifyInstance } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import { openMailbox } from '../db/mailbox.ts'
import { type AppRouter, appRouter } from './admin/router.ts'
import { type Context, toTrpcError } from './admin/trpc.ts'
import { authenticate } from './auth/authenticate.ts'
import { googleRoutes } from './auth/google.ts'
import { authRoutes } from './auth/routes.ts'
import { MAX_BODY_BYTES } from './config.ts'
import type { Deps } from './deps.ts'
import { handleError, handleNotFound } from './edge-errors.ts'
import { healthRoutes } from './health.ts'
import { acceptWithGoogle } from './invitations/accept.ts'
import { RequestLog } from './log.ts'
import { mailbox } from './mail/mailbox.ts'
import { measureRequests, metricsRoutes } from './metrics.ts'
import { scimRoutes } from './scim/routes.ts'
import { placeOf } from './tenancy.ts'
import { webRoutes } from './web.ts'

/** @param options.webFolder the built page; without one, only the API answers */
export async function buildApp(deps: Deps, options: { webFolder?: string } = {}): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: deps.log,
    logController: new RequestLog(),
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: deps.config.http.trustProxy,
    genReqId: () => uuidv7(),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 5_000 },
    // a request in 30 s, headers in 10 s: slow senders do not hold connections
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    // a path with a broken percent-encoding reaches no route
    frameworkErrors: handleError
  })
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:', 'https:'],
        objectSrc: ["'none'"],
        frameAncestors: ["'none'"],
        upgradeInsecureRequests: deps.config.public.scheme === 'https' ? [] : null
      }
    },
    hsts: deps.config.public.scheme === 'https'
  })
  await app.register(cookie)
  // not encapsulated: its hook sees every request
  measureRequests(app, deps)
  await app.register(metricsRoutes, { deps })
  await app.register(healthRoutes, { deps })
  await app.register(authRoutes, { deps })
  await app.register(googleRoutes, { deps, acceptWithGoogle })
  if (!deps.config.mail.smtpUrl) {
    await app.register(mailbox, {
      ...openMailbox(deps.db),
      isServed: (request) => placeOf(request.host, deps.config.public.baseDomain).kind === 'base'
    })
  }
  await app.register(scimRoutes, { prefix: '/scim/v2', deps })
  await app.register(fastifyTRPCPlugin, {
    prefix: '/trpc',
    trpcOptions: {
      router: appRouter,
      maxBatchSize: 50,
      createContext: ({ req, res }) => createContext(deps, req, res),
      onError: ({ error, path, req }) => {
        if (error.code === 'INTERNAL_SERVER_ERROR') req.log.error({ err: error.cause ?? error, path }, 'tRPC failed')
      }
    }
  } satisfies FastifyTRPCPluginOptions<AppRouter>)
  if (options.webFolder) await app.register(webRoutes, { deps, folder: options.webFolder })
  return app
}

async function createContext(deps: Deps, request: Context['request'], reply: Context['reply']): Promise<Context> {
  try {
    const place = placeOf(request.host, deps.config.public.baseDomain)
    const tenant = place.kind === 'base' ? undefined : await deps.tenancy.getTenant(place)
    return { deps, request, reply, tenant, actor: await authenticate(deps, request, tenant) }
  } catch (error) {
    throw toTrpcError(error)
  }
}
