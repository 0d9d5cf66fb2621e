// Who a session's cookie or an API token stands for, remembered so that a request costs no query.
import { type ApiTokenView, findApiTokenByHash, touchApiToken } from '../../db/api-tokens.ts'
import type { Db } from '../../db/connect.ts'
import type { Listener } from '../../db/listen.ts'
import type { Role } from '../../db/schema.ts'
import { findSessionByHash, type SessionView, touchSession } from '../../db/sessions.ts'
import { type Cache, createCache } from '../cache.ts'
import { isAbove } from '../provisioning/actor.ts'
import { shownName } from '../provisioning/user-document.ts'
import { hashToken, tokenKey } from '../secrets.ts'
import type { Background } from './background.ts'

export interface Principal {
  readonly kind: 'session' | 'apiToken'
  readonly tenantId: number
  /** The id of the session or the token. */
  readonly id: string
  readonly userId: string
  /** As the audit log shows the person. */
  readonly name: string
  /** What the person may do with this session or token. */
  readonly role: Role
  readonly expiresAt: Date | null
  /** For a session: when its person last proved who they are; milliseconds. */
  readonly confirmedMs: number
  /** Whether the session began without a second factor, ours or Google's, and its person has none. */
  readonly lacksSecondFactor: boolean
  /** The last use that was noted; milliseconds, 0 for none. */
  notedMs: number
}

export interface Principals {
  findSession(tenantId: number, token: string): Promise<Principal | undefined>
  findApiToken(tenantId: number, token: string): Promise<Principal | undefined>
  /** Notes a use in the database, in the background and only so often. */
  noteUse(principal: Principal, now: Date): void
  /** Forgets in this process what is known of a tenant; others hear of a change through `notifyChange`. */
  forget(tenantId: number): void
  readonly stats: Cache<Principal>['stats']
}

/** How often a use is noted. A session ends after days without one, so minutes are exact enough. */
const NOTE_EVERY_MS = { session: 5 * 60_000, apiToken: 60_000 }
const MAX_REMEMBERED = 50_000

export function createPrincipals(given: { db: Db; listener: Listener; background: Background }): Principals {
  const cache = createCache<Principal>({ max: MAX_REMEMBERED, listener: given.listener })
  const forget = (tenantId: number) => cache.deleteWhere((principal) => principal.tenantId === tenantId)
  given.listener.on('change', (change) => {
    if (change.kind === 'credentials') forget(change.tenantId)
  })

  return {
    stats: cache.stats,
    forget,
    findSession(tenantId, token) {
      return cache.get(cacheKey('session', tenantId, token), async () => {
        const session = await findSessionByHash(given.db, tenantId, hashToken(token))
        return session && ofSession(session)
      })
    },
    findApiToken(tenantId, token) {
      return cache.get(cacheKey('apiToken', tenantId, token), async () => {
        const found = await findApiTokenByHash(given.db, tenantId, hashToken(token))
        return found && ofApiToken(found)
      })
    },
    noteUse(principal, now) {
      if (now.getTime() - principal.notedMs < NOTE_EVERY_MS[principal.kind]) return
      principal.notedMs = now.getTime()
      const touch = principal.kind === 'session' ? touchSession : touchApiToken
      given.background.run('note a use', () => touch(given.db, principal.tenantId, principal.id, now))
    }
  }
}

/** Hashed as a whole: a key put together from hashed parts would keep the parts in memory, too. */
const cacheKey = (kind: Principal['kind'], tenantId: number, token: string) => tokenKey(`${kind} ${tenantId} ${token}`)

const ofSession = (session: SessionView): Principal => ({
  kind: 'session',
  tenantId: session.tenant_id,
  id: session.id,
  userId: session.user_id,
  name: shownName(session),
  role: session.role,
  expiresAt: session.expires_at,
  confirmedMs: (session.confirmed_at ?? session.created_at).getTime(),
  lacksSecondFactor: session.method !== 'google' && !session.has_second_factor,
  notedMs: session.last_seen_at.getTime()
})

const ofApiToken = (token: ApiTokenView): Principal => ({
  kind: 'apiToken',
  tenantId: token.tenant_id,
  id: token.id,
  userId: token.user_id,
  name: ownerName(token),
  role: effectiveRole(token),
  expiresAt: token.expires_at,
  confirmedMs: 0,
  lacksSecondFactor: false,
  notedMs: token.last_used_at?.getTime() ?? 0
})

/** The shown name of the person whom a token acts for. */
export const ownerName = (token: ApiTokenView): string =>
  shownName({
    display_name: token.owner_display_name,
    given_name: token.owner_given_name,
    family_name: token.owner_family_name,
    email: token.owner_email,
    user_name: token.owner_user_name
  })

/** A token never does more than its owner may today. */
export const effectiveRole = ({ role, owner_role }: Pick<ApiTokenView, 'role' | 'owner_role'>): Role =>
  isAbove(role, owner_role) ? owner_role : role
