// Sign-in with Google (OpenID Connect, authorization code with PKCE). Google allows no wildcard in redirect URIs, so
// the sign-in goes over the base domain: tenant host → base domain → Google → base domain → tenant host. Each hop
// carries a sealed ticket. The last one hands over a one-time code that works only in the browser that began (it has a
// cookie of the tenant's host), so that following a link signs nobody in as somebody else.
import type { FastifyOAuth2Options, OAuth2Namespace } from '@fastify/oauth2'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JWTVerifyGetKey } from 'jose'
import { useOnce } from '../../db/once.ts'
import { type Config, GOOGLE_ISSUER, publicUrl } from '../config.ts'
import { noteRefusal } from '../counters.ts'
import type { Deps } from '../deps.ts'
import { AppError, forbidden, invalid, unauthenticated } from '../errors.ts'
import { hashToken, randomToken } from '../secrets.ts'
import { placeOf, type Tenant } from '../tenancy.ts'
import { type AcceptWithGoogle, identifyUser } from './google-user.ts'
import { createKeySource, type OpenIdIdentity, verifyIdToken } from './id-token.ts'
import { consumeOneTimeCode, createOneTimeCode } from './one-time-code.ts'
import { requireSameOrigin } from './origin.ts'
import { startSession } from './session.ts'

/** How long the way from the click to Google's answer may take. */
const TICKET_MINUTES = 10
/** How long the way from Google's answer to the tenant's host may take. */
const HANDOVER_SECONDS = 60
const CALLBACK_PATH = '/auth/google/callback'
/** The limit for an invitation's token; ours are shorter. */
const MAX_TOKEN_LENGTH = 100

/** What travels, sealed, from the tenant's host to Google and back. */
interface Ticket {
  subdomain: string
  /** SHA-256 of the browser's cookie, hex. */
  browser: string
  /** The token of the invitation that this sign-in accepts. */
  invitationToken?: string
  nonce: string
  expiresAt: number
}

interface GoogleOptions {
  deps: Deps
  /** Invitations are a layer above sign-in, so the app hands this in. */
  acceptWithGoogle: AcceptWithGoogle
}

/** What the routes work with. */
interface Google extends GoogleOptions {
  readonly issuer: string
  readonly clientId: string
  readonly client: OAuth2Namespace
  readonly keys: JWTVerifyGetKey
}

export async function googleRoutes(app: FastifyInstance, options: GoogleOptions): Promise<void> {
  const { deps } = options
  const { google } = deps.config
  if (!google) return
  await registerClient(app, deps, google)
  const client = (app as unknown as { googleOauth2: OAuth2Namespace }).googleOauth2
  const { issuer, clientId } = google
  const own: Google = { ...options, issuer, clientId, client, keys: createKeySource(issuer) }
  app.get('/auth/google', (request, reply) => leave(deps, request, reply))
  app.post('/auth/google', (request, reply) => leaveWithInvitation(deps, request, reply))
  app.get('/auth/google/start', (request, reply) => start(own, request, reply))
  app.get(CALLBACK_PATH, (request, reply) => callBack(own, request, reply))
  app.get('/auth/google/finish', (request, reply) => finish(deps, request, reply))
}

async function registerClient(
  app: FastifyInstance,
  deps: Deps,
  { clientId, clientSecret, issuer }: NonNullable<Config['google']>
): Promise<void> {
  // loaded only where it is needed: it brings a hundred files along
  const { default: oauth2 } = await import('@fastify/oauth2')
  const isSecure = isHttps(deps)
  await app.register(oauth2, {
    name: 'googleOauth2',
    scope: ['openid', 'email', 'profile'],
    credentials: {
      client: { id: clientId, secret: clientSecret },
      ...(issuer === GOOGLE_ISSUER && { auth: oauth2.fastifyOauth2.GOOGLE_CONFIGURATION })
    },
    ...(issuer !== GOOGLE_ISSUER && { discovery: { issuer } }),
    callbackUri: `${publicUrl(deps.config)}${CALLBACK_PATH}`,
    pkce: 'S256',
    hostPrefixedCookies: isSecure,
    cookie: { path: '/', secure: isSecure, httpOnly: true, sameSite: 'lax', maxAge: TICKET_MINUTES * 60 },
    generateStateFunction: (request: FastifyRequest) => (request as StateRequest).googleState ?? '',
    // with this check the plugin compares nothing itself: the cookie proves that this browser began
    checkStateFunction: (request: FastifyRequest) =>
      typeof stateOf(request) === 'string' && stateOf(request) === stateCookie(request, isSecure)
  } as FastifyOAuth2Options)
}

interface StateRequest extends FastifyRequest {
  googleState?: string
}

/** On the tenant's host: remembers the browser. @returns the URL on the base domain where it goes on */
function begin(deps: Deps, tenant: Tenant, reply: FastifyReply, invitationToken?: string): string {
  requireGoogle(deps, tenant)
  const browser = randomToken()
  reply.setCookie(browserCookie(deps), browser, { ...browserCookieOptions(deps), maxAge: TICKET_MINUTES * 60 })
  const ticket = sealTicket(deps, {
    subdomain: tenant.subdomain,
    browser: hashToken(browser).toString('hex'),
    ...(invitationToken !== undefined && { invitationToken }),
    nonce: randomToken(),
    expiresAt: deps.now().getTime() + TICKET_MINUTES * 60_000
  })
  return `${publicUrl(deps.config)}/auth/google/start?ticket=${ticket}`
}

/** On the tenant's host: redirects to the base domain. */
async function leave(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
  return reply.redirect(begin(deps, tenant, reply), 303)
}

/** To accept an invitation: the page sends its token in the body, and then opens the URL of the answer. */
async function leaveWithInvitation(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
  requireSameOrigin(deps, request, tenant)
  const { invitation } = (request.body ?? {}) as { invitation?: unknown }
  if (typeof invitation !== 'string' || invitation.length > MAX_TOKEN_LENGTH) throw invalid('Name the invitation')
  return reply.header('cache-control', 'no-store').send({ url: begin(deps, tenant, reply, invitation) })
}

/** On the base domain: redirects to Google. */
async function start({ deps, client }: Google, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  requireBaseDomain(deps, request)
  const ticket = openTicket(deps, (request.query as { ticket?: unknown }).ticket)
  ;(request as StateRequest).googleState = sealTicket(deps, ticket)
  const url = new URL(await client.generateAuthorizationUri(request, reply))
  url.searchParams.set('nonce', ticket.nonce)
  return reply.redirect(url.href, 303)
}

/** On the base domain, called back by Google: finds out who it is, and redirects to the tenant's host. */
async function callBack(google: Google, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { deps, acceptWithGoogle } = google
  requireBaseDomain(deps, request)
  const state = stateOf(request)
  const ticket = openTicket(deps, state)
  const page = publicUrl(deps.config, ticket.subdomain)
  try {
    await requireFirstUse(deps, String(state), ticket)
    const identity = await readIdentity(google, ticket.nonce, request, reply)
    const tenant = await deps.tenancy.getTenant({ kind: 'tenant', subdomain: ticket.subdomain })
    requireGoogle(deps, tenant)
    const userId = await identifyUser(deps, tenant, identity, {
      invitationToken: ticket.invitationToken,
      acceptWithGoogle,
      requestId: request.id,
      ip: request.ip
    })
    const code = await createOneTimeCode(deps, tenant.id, {
      purpose: 'google',
      userId,
      browserHash: Buffer.from(ticket.browser, 'hex'),
      expiresAt: new Date(deps.now().getTime() + HANDOVER_SECONDS * 1000)
    })
    return reply.redirect(`${page}/auth/google/finish?code=${code}`, 303)
  } catch (error) {
    return sendBack(deps, request, reply, page, error)
  }
}

/** Exchanges Google's code for an id_token, and reads who it is. */
async function readIdentity(
  { deps, client, keys, issuer, clientId }: Google,
  nonce: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<OpenIdIdentity> {
  const { error } = request.query as { error?: string }
  if (error) throw unauthenticated('Google did not sign you in', 'googleDenied')
  const { token } = await client.getAccessTokenFromAuthorizationCodeFlow(request, reply).catch((cause: unknown) => {
    throw new AppError('unauthenticated', 'Google’s answer does not fit this sign-in', {
      reason: 'googleRefused',
      cause
    })
  })
  const idToken = (token as { id_token?: string }).id_token ?? ''
  return verifyIdToken(idToken, keys, { issuer, clientId, nonce, now: deps.now() })
}

/** On the tenant's host, in the browser that began: signs the user in. */
async function finish(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
  const page = publicUrl(deps.config, tenant.subdomain)
  const browser = request.cookies[browserCookie(deps)]
  reply.clearCookie(browserCookie(deps), browserCookieOptions(deps))
  try {
    const { code } = request.query as { code?: unknown }
    const found = await consumeOneTimeCode(deps, tenant.id, {
      purpose: 'google',
      code: typeof code === 'string' ? code : '',
      browserHash: browser ? hashToken(browser) : undefined
    })
    if (!found) throw unauthenticated('This sign-in was used already, or began in another browser', 'googleRefused')
    await startSession(deps, tenant, found.userId, { request, reply, method: 'google' })
    return reply.redirect(`${page}/`, 303)
  } catch (error) {
    return sendBack(deps, request, reply, page, error)
  }
}

const isHttps = ({ config }: Deps) => config.public.scheme === 'https'

/** Over https the prefix makes browsers refuse the cookie from any other host (RFC 6265bis §4.1.3.2). */
const browserCookie = (deps: Deps) => (isHttps(deps) ? '__Host-muster_google' : 'muster_google')
const browserCookieOptions = (deps: Deps) =>
  ({ path: '/', httpOnly: true, sameSite: 'lax', secure: isHttps(deps) }) as const

const sealTicket = (deps: Deps, ticket: Ticket) =>
  deps.sealer.seal('google', JSON.stringify(ticket)).toString('base64url')

/** @throws AppError unauthenticated for anything that we did not seal in the last minutes */
function openTicket(deps: Deps, sealed: unknown): Ticket {
  const text = typeof sealed === 'string' ? deps.sealer.open('google', Buffer.from(sealed, 'base64url')) : undefined
  const ticket = text ? (JSON.parse(text) as Ticket) : undefined
  if (!ticket || ticket.expiresAt < deps.now().getTime()) {
    throw unauthenticated('This sign-in took too long or was not begun here: start again', 'googleRefused')
  }
  return ticket
}

/** Refuses a state that came back before, in whichever process. */
async function requireFirstUse(deps: Deps, state: string, ticket: Ticket): Promise<void> {
  const key = `google:${hashToken(state).toString('base64url')}`
  if (await useOnce(deps.db, key, new Date(ticket.expiresAt))) return
  throw unauthenticated('This sign-in was used already', 'googleRefused')
}

function requireGoogle(deps: Deps, tenant: Tenant): void {
  if (deps.config.google && tenant.settings.googleSignIn !== false) return
  throw forbidden('Sign-in with Google is off here', 'googleOff')
}

function requireBaseDomain(deps: Deps, request: FastifyRequest): void {
  if (placeOf(request.host, deps.config.public.baseDomain).kind === 'base') return
  throw new AppError('not_found', 'This is on the base domain', { reason: 'wrongHost' })
}

const stateOf = (request: FastifyRequest) => (request.query as { state?: unknown }).state

const stateCookie = (request: FastifyRequest, isSecure: boolean) =>
  request.cookies[isSecure ? '__Host-oauth2-redirect-state' : 'oauth2-redirect-state']

/** The sign-in page shows what went wrong; the cause goes only to the log. */
function sendBack(
  { counters }: Deps,
  request: FastifyRequest,
  reply: FastifyReply,
  page: string,
  error: unknown
): FastifyReply {
  if (!(error instanceof AppError)) throw error
  noteRefusal(counters, 'google', error)
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  request.log.info({ reason: error.reason, cause }, 'google sign-in refused')
  return reply.redirect(`${page}/sign-in?error=${encodeURIComponent(error.reason)}`, 303)
}
