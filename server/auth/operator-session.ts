// The operator's session in the page of the base domain. It belongs to no user and so to no tenant's table: a sealed
// cookie says when it was begun and last used. The token that began it stays out of the page.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isUsed, useOnce } from '../../db/once.ts'
import { countingRefusals } from '../counters.ts'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import { hashToken, isSameSecret, randomToken, tokenKey } from '../secrets.ts'
import { limitWrongTokens } from './limits.ts'

const HOUR_MS = 60 * 60_000
/** How long after the sign-in it ends, however much it is used. */
const OPERATOR_SESSION_MS = 12 * HOUR_MS
/** How long after its last use it ends. */
const OPERATOR_IDLE_MS = HOUR_MS
/** How exactly the cookie tells the last use. */
const NOTE_EVERY_MS = 5 * 60_000
const SEAL = 'operator-session'
const MAX_COOKIE_LENGTH = 1_000

interface OperatorSession {
  readonly id: string
  /** Milliseconds. */
  readonly begunMs: number
  readonly usedMs: number
  /** Made from the operator's token at the sign-in: a new token ends all sessions. */
  readonly tokenKey: string
}

interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/**
 * Signs the operator in, in this browser only; ends the session that it had before.
 * @throws AppError unauthenticated `invalidCredentials`; rate_limited
 */
export async function signInOperator(deps: Deps, token: string, { request, reply }: Exchange): Promise<void> {
  await countingRefusals(deps.counters, 'operator', () =>
    limitWrongTokens(
      deps,
      request.ip,
      async () => {
        if (isSameSecret(token, deps.operatorToken)) return
        request.log.warn({ ip: request.ip }, 'wrong operator token')
        throw unauthenticated('This is not the operator token', 'invalidCredentials')
      },
      () => true
    )
  )
  await endSession(deps, request)
  const now = deps.now().getTime()
  setSession(deps, reply, { id: randomToken(), begunMs: now, usedMs: now, tokenKey: tokenKey(deps.operatorToken) })
  request.log.info({ ip: request.ip }, 'operator signed in')
}

/** Ends the session of the request's cookie, if there is one, and clears the cookie. */
export async function signOutOperator(deps: Deps, { request, reply }: Exchange): Promise<void> {
  reply.clearCookie(cookieName(deps), cookieOptions(deps))
  if (await endSession(deps, request)) request.log.info({ ip: request.ip }, 'operator signed out')
}

/** Whether the request has the cookie of a live session, which the answer renews now and then. */
export async function useOperatorSession(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  const session = readSession(deps, request)
  if (!session || (await isUsed(deps.db, endKey(session)))) return false
  const usedMs = deps.now().getTime()
  if (usedMs - session.usedMs >= NOTE_EVERY_MS) setSession(deps, reply, { ...session, usedMs })
  return true
}

/** Notes the end in the database, so that a copy of the cookie ends, too. @returns whether there was a session */
async function endSession(deps: Deps, request: FastifyRequest): Promise<boolean> {
  const session = readSession(deps, request)
  return session !== undefined && useOnce(deps.db, endKey(session), new Date(session.begunMs + OPERATOR_SESSION_MS))
}

const endKey = ({ id }: OperatorSession) => `operator-session:${hashToken(id).toString('base64url')}`

function setSession(deps: Deps, reply: FastifyReply, session: OperatorSession): void {
  // without an age: the browser forgets it when it closes
  const sealed = deps.sealer.seal(SEAL, JSON.stringify(session)).toString('base64url')
  reply.setCookie(cookieName(deps), sealed, cookieOptions(deps))
  reply.header('cache-control', 'no-store')
}

function readSession(deps: Deps, request: FastifyRequest): OperatorSession | undefined {
  const sealed = request.cookies[cookieName(deps)]
  if (sealed === undefined || sealed.length > MAX_COOKIE_LENGTH) return undefined
  const text = deps.sealer.open(SEAL, Buffer.from(sealed, 'base64url'))
  if (text === undefined) return undefined
  const session = JSON.parse(text) as OperatorSession
  const now = deps.now().getTime()
  const isAlive = session.begunMs + OPERATOR_SESSION_MS > now && session.usedMs + OPERATOR_IDLE_MS > now
  return isAlive && isSameSecret(session.tokenKey, tokenKey(deps.operatorToken)) ? session : undefined
}

const isSecure = ({ config }: Deps) => config.public.scheme === 'https'

/** Over https the prefix makes browsers refuse the cookie from any other host, such as a tenant's (RFC 6265bis §4.1.3.2). */
const cookieName = (deps: Deps) => (isSecure(deps) ? '__Host-muster_operator' : 'muster_operator')

/** Without a domain it is the base domain's only; `strict`: a link from elsewhere does not act for the operator. */
const cookieOptions = (deps: Deps) =>
  ({ path: '/', httpOnly: true, sameSite: 'strict', secure: isSecure(deps) }) as const
