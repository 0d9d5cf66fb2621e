// buildApp(deps): every plugin and route by name, in order. Tests build the same app.
import type { IncomingMessage } from 'node:http'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import { openMailbox } from '../db/mailbox.ts'
import { auditExportRoutes } from './admin/audit-export.ts'
import { transferRoutes } from './admin/transfer-routes.ts'
import { type Context, toTrpcError } from './admin/trpc.ts'
import { authenticate, authenticateOperator } from './auth/authenticate.ts'
import { googleRoutes } from './auth/google.ts'
import { authRoutes } from './auth/routes.ts'
import { type Config, MAX_BODY_BYTES } from './config.ts'
import type { Deps } from './deps.ts'
import { handleError, handleNotFound } from './edge-errors.ts'
import { jwksRoutes } from './events/jwks.ts'
import { createLiveFeed } from './events/live.ts'
import { healthRoutes } from './health.ts'
import { acceptWithGoogle } from './invitations/accept.ts'
import { logOfRequest, RequestLog } from './log.ts'
import { mailbox } from './mail/mailbox.ts'
import { measureRequests, metricsRoutes } from './metrics.ts'
import { shedLoad } from './overload.ts'
import { newRequestId } from './request-id.ts'
import { ROUTER_OPTIONS } from './scim/limits.ts'
import { createRehearsal } from './scim/rehearsal.ts'
import { scimRoutes } from './scim/routes.ts'
import { keepToHttps, secureHeaders } from './secure-headers.ts'
import { placeOf } from './tenancy.ts'
import { trpcRoutes } from './trpc-routes.ts'
import { webRoutes } from './web.ts'
import { createWireLog } from './wire-log/wire-log.ts'

/** How long a client may take, in milliseconds; a slower one is answered 408 or disconnected. */
export const TIMEOUTS = {
  /** From the connection, or the end of the previous request, to the end of the headers. */
  headers: 10_000,
  /** To the end of the body. */
  request: 30_000,
  /** Without any data in either direction while a request is handled or answered. */
  silence: 60_000,
  /** Between two requests: longer than the usual minute of proxies, so that they disconnect first. */
  keepAlive: 72_000,
  /** How often the first two are checked. */
  checking: 2_000
}
/** Of all headers together. */
const MAX_HEADER_BYTES = 16 * 1024

/**
 * @param options.webFolder the built page; without one, only the API answers
 * @param options.timeouts for tests
 */
export async function buildApp(
  deps: Deps,
  options: { webFolder?: string; timeouts?: typeof TIMEOUTS } = {}
): Promise<FastifyInstance> {
  const timeouts = options.timeouts ?? TIMEOUTS
  const { trustProxy: hops } = deps.config.http
  const app = Fastify({
    loggerInstance: deps.log,
    logController: new RequestLog(),
    childLoggerFactory: (logger, bindings, opts, request) =>
      logOfRequest(logger, { ...bindings, ...tenantOf(request, deps.config) }, opts),
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: hops > 0 && ((_address: string, hop: number) => hop < hops),
    genReqId: newRequestId,
    routerOptions: ROUTER_OPTIONS,
    requestTimeout: timeouts.request,
    connectionTimeout: timeouts.silence,
    keepAliveTimeout: timeouts.keepAlive,
    http: {
      headersTimeout: timeouts.headers,
      connectionsCheckingInterval: timeouts.checking,
      maxHeaderSize: MAX_HEADER_BYTES
    },
    forceCloseConnections: 'idle',
    // a path with invalid percent-encoding reaches no route
    frameworkErrors: (error, request, reply) => handleError(error, request, onHttpsOnly(reply))
  })
  const wireLog = createWireLog(deps)
  const live = createLiveFeed(deps)
  const tools: Tools = { wireLog, rehearsal: createRehearsal(deps), live }
  app.addHook('onClose', () => wireLog.close())
  // pages with an open live feed would keep the process alive
  app.addHook('preClose', async () => live.close())
  app.setErrorHandler(handleError)
  const onHttpsOnly = keepToHttps(app, deps.config)
  // not encapsulated: their hooks see every request
  deps.tracing?.traceRequests(app)
  measureRequests(app, deps)
  shedLoad(app, deps)
  await app.register(scimRoutes, { prefix: '/scim/v2', deps, wireLog })
  await app.register(browserRoutes, { deps, tools, webFolder: options.webFolder })
  return app
}

interface BrowserRoutesOptions {
  readonly deps: Deps
  readonly tools: Tools
  readonly webFolder: string | undefined
}

/** What browsers may open: SCIM clients need neither its headers nor its cookies, which cost as much as a read. */
async function browserRoutes(app: FastifyInstance, { deps, tools, webFolder }: BrowserRoutesOptions): Promise<void> {
  secureHeaders(app)
  await app.register(cookie)
  app.setNotFoundHandler(handleNotFound)
  await app.register(metricsRoutes, { deps })
  await app.register(healthRoutes, { deps })
  await app.register(authRoutes, { deps })
  await app.register(googleRoutes, { deps, acceptWithGoogle })
  if (!deps.config.mail.smtpUrl && deps.config.isDemo) {
    await app.register(mailbox, {
      ...openMailbox(deps.db),
      isServed: (request) => placeOf(request.host, deps.config.public.baseDomain).kind === 'base'
    })
  }
  await app.register(jwksRoutes, { deps })
  await app.register(trpcRoutes, {
    prefix: '/trpc',
    createContext: (request, reply) => createContext(deps, tools, request, reply)
  })
  await app.register(transferRoutes, { deps })
  await app.register(auditExportRoutes, { deps })
  if (webFolder) await app.register(webRoutes, { deps, folder: webFolder })
}

/** So that every log line of a request names its tenant, even where it fails early. */
function tenantOf({ headers }: IncomingMessage, { http, public: { baseDomain } }: Config): { tenant?: string } {
  const forwarded = http.trustProxy ? headers['x-forwarded-host'] : undefined
  const place = placeOf(typeof forwarded === 'string' ? forwarded : headers.host, baseDomain)
  return place.kind === 'tenant' ? { tenant: place.subdomain } : {}
}

/** What procedures receive besides the dependencies. It belongs to the app, not to the process. */
type Tools = Pick<Context, 'wireLog' | 'rehearsal' | 'live'>

async function createContext(
  deps: Deps,
  tools: Tools,
  request: Context['request'],
  reply: Context['reply']
): Promise<Context> {
  try {
    const place = placeOf(request.host, deps.config.public.baseDomain)
    const tenant =
      place.kind === 'base' ? undefined : (deps.tenancy.knownTenant(place) ?? (await deps.tenancy.getTenant(place)))
    const actor = await (tenant ? authenticate(deps, request, tenant) : authenticateOperator(deps, request, reply))
    return { deps, ...tools, request, reply, tenant, actor }
  } catch (error) {
    throw toTrpcError(error)
  }
}
