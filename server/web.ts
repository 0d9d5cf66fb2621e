// Serves the web page: its files, and one entry for every deep link. The page gets all data from the API.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from './deps.ts'
import { placeOf } from './tenancy.ts'

/** @param folder the built page; if it does not exist, only the API answers */
export async function webRoutes(app: FastifyInstance, { deps, folder }: { deps: Deps; folder: string }): Promise<void> {
  if (!existsSync(join(folder, 'index.html'))) return
  const entry = readFileSync(join(folder, 'index.html'), 'utf8')
  await app.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    preCompressed: true,
    // names contain a hash of the content
    maxAge: '365d',
    immutable: true,
    index: false
  })

  const sendPage = async (request: FastifyRequest, reply: FastifyReply) => {
    const place = placeOf(request.host, deps.config.public.baseDomain)
    if (place.kind !== 'base') await deps.tenancy.getTenant(place)
    const nonce = randomBytes(16).toString('base64')
    return reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('referrer-policy', 'no-referrer')
      .header('content-security-policy', contentSecurityPolicy(nonce))
      .send(entry.replaceAll('__CSP_NONCE__', nonce))
  }
  for (const path of PAGES) app.get(path, sendPage)
}

/** Every path that the page's router knows; the server answers 404 to all others. */
const PAGES = [
  '/',
  '/sign-in',
  '/accept',
  '/reset',
  '/forgot-password',
  '/users',
  '/users/:userId',
  '/invitations',
  '/groups',
  '/groups/:groupId',
  '/group-roles',
  '/provisioning',
  '/provisioning/conflicts',
  '/provisioning/:connectionId',
  '/events',
  '/events/:streamId',
  '/audit',
  '/settings',
  '/account',
  '/tenants'
]

/** Our own scripts only; style elements with this answer's nonce (the component kit has some); https logos. */
const contentSecurityPolicy = (nonce: string) =>
  [
    "default-src 'self'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: https:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'"
  ].join('; ')
