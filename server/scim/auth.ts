// Bearer token -> actor (RFC 7644 §2, RFC 6750): an IdP's SCIM token, or the API token of a user.
import type { FastifyRequest } from 'fastify'
import type { ScimProfile } from '../../db/schema.ts'
import { noteTokenUse } from '../../db/scim-token-care.ts'
import { findScimTokenByHash, type ScimTokenView } from '../../db/scim-tokens.ts'
import { API_TOKEN_PREFIX, authenticateBearer } from '../auth/authenticate.ts'
import { createCache } from '../cache.ts'
import type { Deps } from '../deps.ts'
import { AppError, unauthenticated } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { brakeLimits } from '../provisioning/brake.ts'
import { SCIM_TOKEN_PREFIX } from '../provisioning/scim-tokens.ts'
import { hashToken, tokenKey } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { createRateLimiter } from './rate-limit.ts'

export interface Bearer {
  readonly actor: Actor
  readonly profile: ScimProfile
  /** The id of the shadow tenant, for a token whose connection is in shadow mode. */
  readonly shadowId?: number
}

interface ScimAuth {
  /**
   * Needs no query while the token is cached; counts against the token's rate limit.
   * @throws AppError unauthenticated, with the reason `missingToken` where none was sent; rate_limited; unavailable
   *   while a shadow accepts nothing
   */
  authenticate(request: FastifyRequest, tenant: Tenant, now: Date): Promise<Bearer>
  /**
   * Does the same without a promise for a cached SCIM token, which is the usual case.
   * @returns undefined where the token is not cached
   * @throws as `authenticate` does
   */
  known(request: FastifyRequest, tenant: Tenant, now: Date): Bearer | undefined
  /** Waits until all pending token uses are written. */
  close(): Promise<void>
}

type KnownToken = Omit<ScimTokenView, 'created_at' | 'last_used_at'>

interface Remembered {
  readonly token: KnownToken
  /** When uses were last written, for each network address, of which there is usually one; milliseconds. */
  noted: readonly { readonly address: string; ms: number }[]
}

/** How the header of a SCIM token usually begins; other letter cases are accepted, too. */
const SCIM_BEARER = `Bearer ${SCIM_TOKEN_PREFIX}`
const NOTE_EVERY_MS = 60_000
/** Addresses remembered per token. With more, the list starts over and uses are written more often. */
const MAX_NOTED = 100

export function createScimAuth(deps: Deps): ScimAuth {
  const cache = createCache<Remembered>({ max: 20_000, listener: deps.listener })
  deps.counters.watchCache('scimTokens', cache.stats)
  const limiter = createRateLimiter(deps.config.scim.requestsPerSecond, () => deps.counters.noteRateLimit('scim-token'))
  const uses = new Set<Promise<unknown>>()
  deps.listener.on('change', (change) => {
    if (change.kind === 'credentials') cache.deleteWhere(({ token }) => token.tenant_id === change.tenantId)
  })

  /** Runs outside the request; failing to write a use is no reason to refuse the request. */
  function noteUse(remembered: Remembered, address: string, now: Date): void {
    const { token, noted } = remembered
    const nowMs = now.getTime()
    const last = noted.find((one) => one.address === address)
    if (last && nowMs - last.ms < NOTE_EVERY_MS) return
    if (last) last.ms = nowMs
    else
      remembered.noted = noted.length % MAX_NOTED === 0 ? [{ address, ms: nowMs }] : [...noted, { address, ms: nowMs }]
    const noting = noteTokenUse(deps.db, token.tenant_id, token.id, address, now)
      .catch((error) => deps.log.warn({ err: error, scimTokenId: token.id }, 'the use of a SCIM token was not noted'))
      .finally(() => uses.delete(noting))
    uses.add(noting)
  }

  async function find(key: string, tenant: Tenant, secret: string): Promise<Remembered> {
    const found = await cache.get(key, async () => {
      const token = await findScimTokenByHash(deps.db, tenant.id, hashToken(secret))
      return token && { token: toKnown(token), noted: [] }
    })
    if (!found) throw invalidToken('The token is not valid')
    return found
  }

  function admit(remembered: Remembered, request: FastifyRequest, tenant: Tenant, now: Date): Bearer {
    const { token } = remembered
    requireAlive(token, now)
    limiter.take(token.id, now)
    noteUse(remembered, request.ip, now)
    return {
      actor: toActor(token, tenant, request),
      profile: token.profile,
      shadowId: shadowIdOf(token, now)
    }
  }

  return {
    async authenticate(request, tenant, now) {
      const secret = readBearer(request.headers.authorization)
      if (secret.startsWith(API_TOKEN_PREFIX)) {
        const actor = await authenticateBearer(deps, request, tenant, `Bearer ${secret}`)
        limiter.take(`user ${actor.id}`, now)
        return { actor, profile: 'auto' }
      }
      if (!secret.startsWith(SCIM_TOKEN_PREFIX)) throw invalidToken('The token is not valid')
      const key = keyOf(tenant, secret)
      return admit(cache.known(key) ?? (await find(key, tenant, secret)), request, tenant, now)
    },
    known(request, tenant, now) {
      const remembered = cache.known(keyOf(tenant, readBearer(request.headers.authorization)))
      return remembered && admit(remembered, request, tenant, now)
    },
    async close() {
      await Promise.all(uses)
    }
  }
}

/** Keeps only what requests need, since many tokens are cached. */
const toKnown = (view: ScimTokenView): KnownToken => ({
  tenant_id: view.tenant_id,
  id: view.id,
  connection_id: view.connection_id,
  connection_name: view.connection_name,
  profile: view.profile,
  highest_role: view.highest_role,
  expires_at: view.expires_at,
  revoked_at: view.revoked_at,
  brake: view.brake,
  has_held: view.has_held,
  is_shadow: view.is_shadow,
  shadow_id: view.shadow_id,
  shadow_closed_until: view.shadow_closed_until
})

/** Whether a request carries a SCIM token in the usual spelling. */
export const bringsScimToken = ({ headers }: FastifyRequest): boolean =>
  headers.authorization?.startsWith(SCIM_BEARER) ?? false

/** Hashes tenant id and secret together: a concatenated key would keep its parts in memory as well. */
const keyOf = (tenant: Tenant, secret: string): string => tokenKey(`${tenant.id} ${secret}`)

const invalidToken = (detail: string) => unauthenticated(detail, 'invalidToken')

function readBearer(authorization: string | undefined): string {
  if (authorization === undefined) {
    throw unauthenticated('Send a token: Authorization: Bearer mst_scim_…', 'missingToken')
  }
  const secret = /^bearer +(\S+)$/i.exec(authorization)?.[1]
  if (secret === undefined) throw invalidToken('Authorization must be "Bearer", a space and the token')
  return secret
}

function requireAlive(token: KnownToken, now: Date): void {
  if (token.revoked_at) throw endedToken(token, `This token was revoked on ${token.revoked_at.toISOString()}`)
  if (token.expires_at && token.expires_at <= now) {
    throw endedToken(token, `This token expired on ${token.expires_at.toISOString()}`)
  }
}

/** The error carries the connection for readers of its wire log; the client sees only the detail. */
const endedToken = ({ connection_id, connection_name }: KnownToken, detail: string): AppError =>
  new AppError('unauthenticated', detail, {
    reason: 'invalidToken',
    data: { connectionId: connection_id, connectionName: connection_name }
  })

/** @throws AppError unavailable, after which identity providers try again */
function shadowIdOf(token: KnownToken, now: Date): number | undefined {
  if (!token.is_shadow) return undefined
  const data = { connectionId: token.connection_id, connectionName: token.connection_name }
  if (token.shadow_id === null) {
    throw new AppError('unavailable', 'This connection is in shadow mode, and its shadow is gone: open it again', {
      reason: 'shadowGone',
      retryAfterSeconds: 600,
      data
    })
  }
  if (token.shadow_closed_until && token.shadow_closed_until > now) {
    throw new AppError('unavailable', 'This connection is going live just now: try again in a moment', {
      reason: 'goingLive',
      retryAfterSeconds: 5,
      data
    })
  }
  return token.shadow_id
}

const toActor = (token: KnownToken, tenant: Tenant, request: FastifyRequest): Actor => ({
  kind: 'scimToken',
  id: token.connection_id,
  name: token.connection_name,
  role: token.highest_role,
  requestId: request.id,
  ip: request.ip,
  scim: {
    connectionId: token.connection_id,
    tokenId: token.id,
    profile: token.profile,
    // a shadow needs no brake: nobody loses anything in it
    ...(!token.is_shadow && { brake: brakeLimits(tenant.settings.brake, token.brake), hasHeld: token.has_held })
  }
})
