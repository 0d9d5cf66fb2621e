// Who sends a request: the operator, an API token's owner, or a session's user.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { isSameSecret } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { useOperatorSession } from './operator-session.ts'
import { requireSameOrigin } from './origin.ts'
import type { Principal } from './principals.ts'
import { demandsSecondFactor } from './second-factor.ts'
import { isAlive, sessionTokenOf } from './session.ts'

export const API_TOKEN_PREFIX = 'mst_api_'

/**
 * Authenticates on a tenant's host. An Authorization header precedes a cookie. A remembered token costs no query.
 * @returns undefined where the request names nobody; a session that has ended counts as naming nobody, so that a stale
 *   cookie does no harm
 * @throws AppError unauthenticated where a token is not valid, or not here or any longer; forbidden `crossOrigin`
 */
export async function authenticate(deps: Deps, request: FastifyRequest, tenant: Tenant): Promise<Actor | undefined> {
  const { authorization } = request.headers
  if (authorization !== undefined) return authenticateBearer(deps, request, tenant, authorization)
  requireSameOrigin(deps, request, tenant)
  const token = sessionTokenOf(deps, request)
  return token === undefined ? undefined : authenticateSession(deps, request, tenant, token)
}

/**
 * Authenticates on the base domain, where only the operator is known.
 * @throws AppError unauthenticated for a token that is not the operator's; forbidden `crossOrigin`
 */
export async function authenticateOperator(
  deps: Deps,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<Actor | undefined> {
  const { authorization } = request.headers
  if (authorization !== undefined) return authenticateBearer(deps, request, undefined, authorization)
  requireSameOrigin(deps, request, undefined)
  return (await useOperatorSession(deps, request, reply)) ? operatorActor(request) : undefined
}

/**
 * @param tenant undefined on the base domain, where only the operator's token counts
 * @param authorization the header's value
 * @throws AppError unauthenticated
 */
export async function authenticateBearer(
  deps: Deps,
  request: FastifyRequest,
  tenant: Tenant | undefined,
  authorization: string
): Promise<Actor> {
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1]
  if (token === undefined) throw unauthenticated('Authorization must be "Bearer", a space and the token')
  const principal =
    tenant && token.startsWith(API_TOKEN_PREFIX) ? await deps.auth.principals.findApiToken(tenant.id, token) : undefined
  if (!principal) {
    if (isSameSecret(token, deps.operatorToken)) return operatorActor(request)
    throw invalidToken()
  }
  const now = deps.now()
  if (principal.expiresAt && principal.expiresAt <= now) {
    throw unauthenticated(`This token expired on ${principal.expiresAt.toISOString()}`)
  }
  deps.auth.principals.noteUse(principal, now)
  return toActor(principal, request)
}

async function authenticateSession(
  deps: Deps,
  request: FastifyRequest,
  tenant: Tenant,
  token: string
): Promise<Actor | undefined> {
  const principal = await deps.auth.principals.findSession(tenant.id, token)
  const now = deps.now()
  if (!principal || !isAlive(principal, now)) return undefined
  deps.auth.principals.noteUse(principal, now)
  const mustSetUpSecondFactor = principal.lacksSecondFactor && demandsSecondFactor(tenant.settings, principal.role)
  return { ...toActor(principal, request), mustSetUpSecondFactor }
}

const invalidToken = () => unauthenticated('The token is not valid')

const operatorActor = (request: FastifyRequest): Actor => ({
  kind: 'operator',
  id: null,
  name: 'operator',
  role: 'administrator',
  requestId: request.id,
  ip: request.ip
})

const toActor = (principal: Principal, request: FastifyRequest): Actor => ({
  kind: principal.kind === 'session' ? 'user' : 'apiToken',
  id: principal.userId,
  name: principal.name,
  role: principal.role,
  requestId: request.id,
  ip: request.ip,
  ...(principal.kind === 'session'
    ? { sessionId: principal.id, confirmedMs: principal.confirmedMs }
    : { apiToken: { tokenId: principal.id, expiresAt: principal.expiresAt } })
})
