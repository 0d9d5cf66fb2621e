// Method + path -> handler, one line each, below /scim/v2.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { type Actor, requireAdministrator } from '../provisioning/actor.ts'
import { scimBaseUrl } from '../provisioning/scim-tokens.ts'
import { placeOf, type Tenant } from '../tenancy.ts'
import type { WireLog } from '../wire-log/wire-log.ts'
import { type Bearer, bringsScimToken, createScimAuth } from './auth.ts'
import { readBodies } from './body.ts'
import { bulk } from './bulk.ts'
import type { ScimAnswer, ScimContext, ScimHandler } from './context.ts'
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from './discovery.ts'
import { createErrorTally } from './error-tally.ts'
import { errorOf } from './errors.ts'
import {
  createGroup,
  deleteGroup,
  getGroup,
  groupSource,
  listGroups,
  patchGroup,
  replaceGroup,
  searchGroups
} from './groups.ts'
import { noteHeld } from './held.ts'
import { createMe, deleteMe, getMe, patchMe, replaceMe } from './me.ts'
import { Leniency } from './profiles.ts'
import { sendAnswer, sendError } from './respond.ts'
import { createSchemasOfTenant, type TenantSchemas } from './schemas-of-tenant.ts'
import { rootSearch } from './search.ts'
import { createShadowPlaces } from './shadow.ts'
import { createUser, deleteUser, getUser, listUsers, patchUser, replaceUser, searchUsers, userSource } from './users.ts'
import { noteAnswer, noteRefusal, noteStranger } from './wire.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the body is read; undefined on discovery without a token. */
    scim: ScimContext | undefined
  }
  interface FastifyContextConfig {
    scimAccess?: Access
  }
}

/**
 * token: a SCIM token, or an administrator's API token. me: also the API token of any other user.
 * public: anybody, though not with a bad token.
 */
type Access = 'token' | 'me' | 'public'
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** HEAD goes with GET. */
const OTHER_METHODS = ['HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

const root = rootSearch([userSource, groupSource])

export const ROUTES: readonly [method: Method, path: string, handler: ScimHandler, access?: Access][] = [
  ['GET', '/ServiceProviderConfig', getServiceProviderConfig, 'public'],
  ['GET', '/ResourceTypes', listResourceTypes, 'public'],
  ['GET', '/ResourceTypes/:id', getResourceType, 'public'],
  ['GET', '/Schemas', listSchemas, 'public'],
  ['GET', '/Schemas/:id', getSchema, 'public'],
  ['GET', '/', root.get],
  ['POST', '/.search', root.post],
  ['GET', '/Users', listUsers],
  ['POST', '/Users', createUser],
  ['POST', '/Users/.search', searchUsers],
  ['GET', '/Users/:id', getUser],
  ['PUT', '/Users/:id', replaceUser],
  ['PATCH', '/Users/:id', patchUser],
  ['DELETE', '/Users/:id', deleteUser],
  ['GET', '/Groups', listGroups],
  ['POST', '/Groups', createGroup],
  ['POST', '/Groups/.search', searchGroups],
  ['GET', '/Groups/:id', getGroup],
  ['PUT', '/Groups/:id', replaceGroup],
  ['PATCH', '/Groups/:id', patchGroup],
  ['DELETE', '/Groups/:id', deleteGroup],
  ['POST', '/Bulk', bulk],
  ['GET', '/Me', getMe, 'me'],
  ['POST', '/Me', createMe, 'me'],
  ['PUT', '/Me', replaceMe, 'me'],
  ['PATCH', '/Me', patchMe, 'me'],
  ['DELETE', '/Me', deleteMe, 'me']
]

interface ScimRoutesOptions {
  readonly deps: Deps
  /** Is told of every exchange; its owner closes it. */
  readonly wireLog: Pick<WireLog, 'isOn' | 'note'>
}

export async function scimRoutes(app: FastifyInstance, { deps, wireLog }: ScimRoutesOptions): Promise<void> {
  const auth = createScimAuth(deps)
  const schemasOfTenant = createSchemasOfTenant(deps)
  const tally = createErrorTally(deps)
  const shadowPlace = createShadowPlaces(deps)
  app.addHook('onClose', () => Promise.all([auth.close(), tally.close()]))
  readBodies(app)
  app.setErrorHandler((error, request, reply) => {
    if (request.scim) {
      tally.note(request.scim, error)
      noteRefusal(wireLog, request, reply, error)
    }
    return sendError(error, request, reply)
  })
  app.decorateRequest('scim', undefined)

  const placeOfRequest = (request: FastifyRequest) => placeOf(request.host, deps.config.public.baseDomain)

  async function enter(request: FastifyRequest): Promise<void> {
    const place = placeOfRequest(request)
    const tenant = deps.tenancy.knownTenant(place) ?? (await deps.tenancy.getTenant(place))
    const access = request.routeOptions.config.scimAccess ?? 'token'
    const now = deps.now()
    const isAnonymous = access === 'public' && request.headers.authorization === undefined
    const bearer = isAnonymous ? ANONYMOUS : await admit(request, tenant, access, now)
    const schemas = schemasOfTenant.known(tenant) ?? (await schemasOfTenant.get(tenant))
    request.scim = contextOf(request, tenant, bearer, schemas, now)
  }

  /** The same where everything is remembered, as it mostly is, and without a promise. @returns whether it was */
  function entersAtOnce(request: FastifyRequest): boolean {
    if (request.routeOptions.config.scimAccess !== 'token' || !bringsScimToken(request)) return false
    const tenant = deps.tenancy.knownTenant(placeOfRequest(request))
    const schemas = tenant && schemasOfTenant.known(tenant)
    if (!schemas) return false
    const now = deps.now()
    try {
      const bearer = auth.known(request, tenant, now)
      if (bearer) request.scim = contextOf(request, tenant, bearer, schemas, now)
      return bearer !== undefined
    } catch (error) {
      noteStranger(wireLog, tenant, request, { now, error })
      throw error
    }
  }
  app.addHook('onRequest', (request, _reply, done) => (entersAtOnce(request) ? done() : enter(request)))

  const contextOf = (
    request: FastifyRequest,
    tenant: Tenant,
    bearer: Bearer,
    schemas: TenantSchemas,
    now: Date
  ): ScimContext => ({
    ...(bearer.shadowId === undefined ? { deps, tenant } : shadowPlace(tenant, bearer.shadowId)),
    actor: bearer.actor,
    leniency: new Leniency(bearer.profile),
    schemas,
    baseUrl: scimBaseUrl(deps.config, tenant.subdomain),
    now,
    log: request.log
  })

  async function admit(request: FastifyRequest, tenant: Tenant, access: Access, now: Date): Promise<Bearer> {
    try {
      const bearer = await auth.authenticate(request, tenant, now)
      if (access === 'token') requireRights(bearer.actor)
      return bearer
    } catch (error) {
      noteStranger(wireLog, tenant, request, { now, error })
      throw error
    }
  }

  for (const [method, path, handler, access] of ROUTES) {
    app.route({
      method,
      url: path,
      config: { scimAccess: access ?? 'token' },
      handler: (request, reply) => answer(handler, request, reply, wireLog)
    })
  }
  refuseOtherMethods(app)
}

/** Discovery asks nobody who they are; its handlers read no actor. */
const ANONYMOUS: Bearer = {
  actor: { kind: 'system', id: null, name: 'anonymous', role: 'stakeholder', requestId: null, ip: null },
  profile: 'auto'
}

/** @throws AppError forbidden: the API token of anybody but an administrator reaches /Me alone */
function requireRights(actor: Actor): void {
  if (actor.kind === 'apiToken') requireAdministrator(actor, 'use SCIM beyond /Me with an API token')
}

async function answer(
  handler: ScimHandler,
  request: FastifyRequest,
  reply: FastifyReply,
  wireLog: ScimRoutesOptions['wireLog']
): Promise<FastifyReply> {
  const context = request.scim!
  let answered: ScimAnswer
  try {
    answered = await handler(context, {
      id: (request.params as { id?: string }).id ?? '',
      query: request.query as Record<string, unknown>,
      body: request.body,
      ifMatch: request.headers['if-match'],
      ifNoneMatch: request.headers['if-none-match']
    })
  } catch (error) {
    return noteHeld(context, error)
  }
  const { applied } = context.leniency
  if (applied.length > 0) context.log.info({ leniences: applied }, 'SCIM request needed leniency')
  noteAnswer(wireLog, request, reply, answered, applied)
  return sendAnswer(reply, answered)
}

/** A path that exists answers 405 to what it does not take (RFC 9110 §15.5.6). */
function refuseOtherMethods(app: FastifyInstance): void {
  for (const path of new Set(ROUTES.map(([, routePath]) => routePath))) {
    const taken = ROUTES.filter(([, routePath]) => routePath === path).map(([method]) => method)
    const { body } = errorOf(405, `This path takes ${taken.join(', ')}`)
    const isTaken = (method: string) => taken.some((one) => one === method || (one === 'GET' && method === 'HEAD'))
    app.route({
      method: OTHER_METHODS.filter((method) => !isTaken(method)),
      url: path,
      config: { scimAccess: 'public' },
      handler: (_request, reply) => sendAnswer(reply.header('allow', taken.join(', ')), { status: 405, body })
    })
  }
}
