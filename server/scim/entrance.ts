// How a request enters: for which tenant, as whom, and with which schemas.
import type { FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { type Actor, requireAdministrator } from '../provisioning/actor.ts'
import { scimBaseUrl } from '../provisioning/scim-tokens.ts'
import { placeOf, type Tenant } from '../tenancy.ts'
import type { WireLog } from '../wire-log/wire-log.ts'
import { type Bearer, bringsScimToken, createScimAuth } from './auth.ts'
import type { ScimContext } from './context.ts'
import { Leniency } from './profiles.ts'
import { createSchemasOfTenant, type TenantSchemas } from './schemas-of-tenant.ts'
import { createShadowPlaces } from './shadow.ts'
import { noteStranger } from './wire.ts'

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
 * token: a SCIM token, or an administrator's API token. me: also any other user's API token. public: anyone, but not
 * with an invalid token.
 */
export type Access = 'token' | 'me' | 'public'

interface Entrance {
  /**
   * Sets `request.scim`.
   * @throws AppError not_found for an unknown tenant; unauthenticated; forbidden; rate_limited; unavailable
   */
  enter(request: FastifyRequest): Promise<void>
  /**
   * Does the same without a promise where tenant, token and schemas are cached, which is the usual case.
   * @returns whether they were
   * @throws AppError as `enter` does
   */
  enterAtOnce(request: FastifyRequest): boolean
  /** Waits until all pending token uses are written. */
  close(): Promise<void>
}

/** @param wireLog notes requests whose token does not let them in */
export function createEntrance(deps: Deps, wireLog: Pick<WireLog, 'isOn' | 'note'>): Entrance {
  const auth = createScimAuth(deps)
  const schemasOfTenant = createSchemasOfTenant(deps)
  const shadowPlace = createShadowPlaces(deps)

  const placeOfRequest = (request: FastifyRequest) => placeOf(request.host, deps.config.public.baseDomain)

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

  return {
    async enter(request) {
      const place = placeOfRequest(request)
      const tenant = deps.tenancy.knownTenant(place) ?? (await deps.tenancy.getTenant(place))
      const access = request.routeOptions.config.scimAccess ?? 'token'
      const now = deps.now()
      const isAnonymous = access === 'public' && request.headers.authorization === undefined
      const bearer = isAnonymous ? ANONYMOUS : await admit(request, tenant, access, now)
      const schemas = schemasOfTenant.known(tenant) ?? (await schemasOfTenant.get(tenant))
      request.scim = contextOf(request, tenant, bearer, schemas, now)
    },

    enterAtOnce(request) {
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
    },

    close: () => auth.close()
  }
}

/** Discovery needs no token; its handlers read no actor. */
const ANONYMOUS: Bearer = {
  actor: { kind: 'system', id: null, name: 'anonymous', role: 'stakeholder', requestId: null, ip: null },
  profile: 'auto'
}

/** @throws AppError forbidden: only an administrator's API token reaches more than /Me */
function requireRights(actor: Actor): void {
  if (actor.kind === 'apiToken') requireAdministrator(actor, 'use SCIM beyond /Me with an API token')
}
