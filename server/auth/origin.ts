// Cross-site request forgery: a request that a browser sends for another site's page changes nothing here.
import type { FastifyRequest } from 'fastify'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { forbidden } from '../errors.ts'
import type { Tenant } from '../tenancy.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses an unsafe request that the browser says came from another origin (Origin, or Sec-Fetch-Site of browsers that
 * leave it out). Another tenant's page is another origin, also to the base domain. Requests with neither header come
 * from no browser and pass.
 * Applies to every request without a token, even without a cookie: signing somebody in as somebody else by a form on a
 * foreign page is forgery, too.
 * @param tenant undefined on the base domain
 * @throws AppError forbidden `crossOrigin`
 */
export function requireSameOrigin(deps: Deps, request: FastifyRequest, tenant: Tenant | undefined): void {
  if (SAFE_METHODS.has(request.method)) return
  const { origin } = request.headers
  if (origin !== undefined && isOwnOrigin(deps, request, tenant, origin)) return
  const site = request.headers['sec-fetch-site']
  if (origin === undefined && (site === undefined || site === 'same-origin' || site === 'none')) return
  throw forbidden('This request was sent by another site', 'crossOrigin')
}

/** The origin that links have, or the one that the browser has called (a forwarded port has another number). */
const isOwnOrigin = (deps: Deps, request: FastifyRequest, tenant: Tenant | undefined, origin: string) =>
  origin === publicUrl(deps.config, tenant?.subdomain) || origin === `${deps.config.public.scheme}://${request.host}`
