// A browser that somebody has signed in with before. Its failures count separately, so that strangers who guess at an
// address, from however many networks, do not lock out its owner. It proves nothing else.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { hashToken, randomToken } from '../secrets.ts'

const DAY_MS = 24 * 60 * 60_000
/** Browsers keep a cookie for at most 400 days. */
const KNOWN_FOR_MS = 365 * DAY_MS
const RENEW_AFTER_MS = 30 * DAY_MS
const MAX_COOKIE_LENGTH = 1_000

/** What the sealed cookie holds: the tenant and address that it is for, and the id by which attempts are counted. */
interface Device {
  readonly id: string
  readonly tenantId: number
  /** SHA-256 of the address's key, base64url. */
  readonly address: string
  /** Milliseconds. */
  readonly since: number
}

/**
 * @param key of the address that somebody signs in with
 * @returns the id by which this browser's attempts count; undefined where nobody has signed in with the address in it
 */
export function knownDevice(deps: Deps, tenantId: number, request: FastifyRequest, key: string): string | undefined {
  return readDevice(deps, tenantId, request, key)?.id
}

/** Makes the browser known for the address. A browser is known only for whoever signed in last. */
export function rememberDevice(deps: Deps, tenantId: number, reply: FastifyReply, key: string): void {
  const known = readDevice(deps, tenantId, reply.request, key)
  const now = deps.now().getTime()
  if (known && now - known.since < RENEW_AFTER_MS) return
  const device: Device = { id: known?.id ?? randomToken(), tenantId, address: nameOf(key), since: now }
  reply.setCookie(cookieName(deps), deps.sealer.seal('device', JSON.stringify(device)).toString('base64url'), {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: deps.config.public.scheme === 'https',
    maxAge: KNOWN_FOR_MS / 1000
  })
}

function readDevice(deps: Deps, tenantId: number, request: FastifyRequest, key: string): Device | undefined {
  const sealed = request.cookies[cookieName(deps)]
  if (sealed === undefined || sealed.length > MAX_COOKIE_LENGTH) return undefined
  const text = deps.sealer.open('device', Buffer.from(sealed, 'base64url'))
  if (text === undefined) return undefined
  const device = JSON.parse(text) as Device
  const isTheirs = device.tenantId === tenantId && device.address === nameOf(key)
  return isTheirs && device.since + KNOWN_FOR_MS > deps.now().getTime() ? device : undefined
}

const nameOf = (key: string) => hashToken(key).toString('base64url')

const cookieName = ({ config }: Deps) => (config.public.scheme === 'https' ? '__Host-muster_device' : 'muster_device')
