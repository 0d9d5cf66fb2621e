// Sessions: an opaque token in a cookie of the tenant's own host; the database knows its hash.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import { type AuditEvent, insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import type { SessionRow } from '../../db/schema.ts'
import { deleteSession, deleteSessionByHash, deleteSessions, insertSession, noteSignIn } from '../../db/sessions.ts'
import { getUserViews, type UserView } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { type AppError, forbidden, notFound, unauthenticated } from '../errors.ts'
import { type Actor, requireConfirmed } from '../provisioning/actor.ts'
import { addressKey } from '../provisioning/address.ts'
import { shownName } from '../provisioning/user-document.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { rememberDevice } from './known-device.ts'
import type { Principal } from './principals.ts'

const DAY_MS = 24 * 60 * 60_000
/** How long after the sign-in a session ends, however much it is used. */
const SESSION_MS = 30 * DAY_MS
/** How long after its last use a session ends. */
export const IDLE_MS = 14 * DAY_MS
const MAX_USER_AGENT_LENGTH = 400

/** The request that signs somebody in, its answer, and how. */
export interface SignInBy {
  request: FastifyRequest
  reply: FastifyReply
  method: SessionRow['method']
}

/** A session that a transaction has made and that was not given to the browser yet. */
interface BegunSession {
  readonly user: UserView
  readonly token: string
  readonly hasEndedOther: boolean
}

/**
 * Signs a user in, in a transaction of its own; ends the session that the browser had before.
 * @throws AppError forbidden `userLocked`, `userDeactivated`, `mustResetPassword`; unauthenticated for anybody else who
 *   may not sign in
 */
export async function startSession(deps: Deps, tenant: Tenant, userId: string, by: SignInBy): Promise<UserView> {
  const begun = await inTenant(deps.db, tenant.id, (trx) => beginSession(trx, deps, tenant, userId, by))
  return giveSession(deps, tenant, by.reply, begun)
}

/**
 * As `startSession`, within a transaction that does more: call `giveSession` after its commit. Locks the user's row.
 */
export async function beginSession(
  trx: Trx,
  deps: Deps,
  tenant: Tenant,
  userId: string,
  { request, method }: SignInBy
): Promise<BegunSession> {
  const now = deps.now()
  const [maySignIn, [user]] = await Promise.all([
    noteSignIn(trx, tenant.id, userId, now),
    getUserViews(trx, tenant.id, [userId])
  ])
  if (!user) throw invalidCredentials()
  if (!maySignIn) throw refusalOf(user) ?? invalidCredentials()

  const before = sessionTokenOf(deps, request)
  const token = randomToken()
  const session = {
    id: uuidv7({ msecs: now.getTime() }),
    token_hash: hashToken(token),
    user_id: userId,
    method,
    ip: request.ip,
    user_agent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    created_at: now,
    last_seen_at: now,
    expires_at: new Date(now.getTime() + SESSION_MS)
  }
  const name = shownName(user)
  const actor = { kind: 'user', id: userId, name, requestId: request.id, ip: request.ip } as const
  const [ended] = await Promise.all([
    before ? deleteSessionByHash(trx, tenant.id, hashToken(before)) : undefined,
    insertSession(trx, tenant.id, session),
    insertAuditEvents(trx, tenant.id, actor, now, [
      { action: 'session.created', targetType: 'session', targetId: session.id, targetName: name, after: { method } }
    ])
  ])
  if (ended) await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
  return { user, token, hasEndedOther: ended !== undefined }
}

/** Gives a session that was begun to the browser. */
export function giveSession(deps: Deps, tenant: Tenant, reply: FastifyReply, begun: BegunSession): UserView {
  if (begun.hasEndedOther) deps.auth.principals.forget(tenant.id)
  reply.setCookie(cookieName(deps), begun.token, { ...cookieOptions(deps), maxAge: SESSION_MS / 1000 })
  rememberDevice(deps, tenant.id, reply, addressKey(begun.user.email ?? begun.user.id))
  reply.header('cache-control', 'no-store')
  return begun.user
}

/** Ends the session of the request's cookie, if there is one, and clears the cookie. */
export async function endSession(deps: Deps, tenant: Tenant, request: FastifyRequest, reply: FastifyReply) {
  const token = sessionTokenOf(deps, request)
  reply.clearCookie(cookieName(deps), cookieOptions(deps))
  if (token === undefined) return
  await inTenant(deps.db, tenant.id, async (trx) => {
    const ended = await deleteSessionByHash(trx, tenant.id, hashToken(token))
    if (!ended) return
    const [user] = await getUserViews(trx, tenant.id, [ended.user_id])
    const name = user ? shownName(user) : ''
    const actor = { kind: 'user', id: ended.user_id, name, requestId: request.id, ip: request.ip } as const
    await insertAuditEvents(trx, tenant.id, actor, deps.now(), [endedEvent(ended.id, name)])
    await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
  })
  deps.auth.principals.forget(tenant.id)
}

/**
 * Ends one of the caller's own sessions.
 * @throws AppError not_found for a session that has ended, or is somebody else's; forbidden `reauthenticationRequired`
 */
export async function revokeSession(deps: Deps, tenant: Tenant, actor: Actor & { id: string }, sessionId: string) {
  requireConfirmed(actor, deps.now())
  await inTenant(deps.db, tenant.id, async (trx) => {
    if (!(await deleteSession(trx, tenant.id, actor.id, sessionId))) throw notFound('Session')
    await insertAuditEvents(trx, tenant.id, actor, deps.now(), [endedEvent(sessionId, actor.name)])
    await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
  })
  deps.auth.principals.forget(tenant.id)
}

/** Ends every session of the caller, including this one. @returns how many there were */
export async function revokeSessions(deps: Deps, tenant: Tenant, actor: Actor & { id: string }): Promise<number> {
  requireConfirmed(actor, deps.now())
  const ended = await inTenant(deps.db, tenant.id, async (trx) => {
    const count = await deleteSessions(trx, tenant.id, [actor.id])
    if (count === 0) return 0
    await insertAuditEvents(trx, tenant.id, actor, deps.now(), [
      { action: 'user.sessionsEnded', targetType: 'user', targetId: actor.id, targetName: actor.name, after: { count } }
    ])
    await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
    return count
  })
  deps.auth.principals.forget(tenant.id)
  return ended
}

const endedEvent = (sessionId: string, userName: string): AuditEvent => ({
  action: 'session.ended',
  targetType: 'session',
  targetId: sessionId,
  targetName: userName
})

/** Whether a remembered session is still valid. */
export const isAlive = ({ expiresAt, notedMs }: Pick<Principal, 'expiresAt' | 'notedMs'>, now: Date): boolean =>
  expiresAt !== null && expiresAt > now && notedMs + IDLE_MS > now.getTime()

/** One answer for whatever was wrong: nobody shall learn who has an account here. */
export const invalidCredentials = () =>
  unauthenticated('The e-mail address or the password is wrong', 'invalidCredentials')

/** Why somebody who has proved who they are may not sign in; undefined where they may. */
export function refusalOf(user: Pick<UserView, 'state' | 'locked' | 'must_reset_password'>): AppError | undefined {
  if (user.state === 'deactivated') return forbidden('Your access has ended: ask an administrator', 'userDeactivated')
  if (user.state !== 'active') return invalidCredentials()
  if (user.locked) return forbidden('You are locked out: ask an administrator', 'userLocked')
  if (!user.must_reset_password) return undefined
  return forbidden('Choose a new password first, by the link in your mail', 'mustResetPassword')
}

/** The token that the request's cookie carries; undefined for none, and for what cannot be one. */
export function sessionTokenOf(deps: Deps, request: FastifyRequest): string | undefined {
  const token = request.cookies[cookieName(deps)]
  return token !== undefined && /^[\w-]{43}$/.test(token) ? token : undefined
}

const isSecure = (deps: Deps) => deps.config.public.scheme === 'https'

/** Over https the prefix makes browsers refuse the cookie from any other host (RFC 6265bis §4.1.3.2). */
const cookieName = (deps: Deps) => (isSecure(deps) ? '__Host-muster_session' : 'muster_session')

/** Without a domain, the cookie belongs to the tenant's own host only. */
const cookieOptions = (deps: Deps) => ({ path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure(deps) }) as const
