// Security headers for browsers, on every answer that one may open (OWASP's list of secure headers).
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Config } from './config.ts'

const HEADERS = {
  // for answers to machines; each page sends its own
  'content-security-policy': "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0'
}

/** Applies to all routes of `app`. */
export function secureHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS)
    done()
  })
}

/**
 * Where the service uses https, every answer tells browsers to use nothing else.
 * @returns a function that does so for answers that no hook sees
 */
export function keepToHttps(app: FastifyInstance, config: Config): (reply: FastifyReply) => FastifyReply {
  if (config.public.scheme !== 'https') return (reply) => reply
  const tell = (reply: FastifyReply) => reply.header('strict-transport-security', 'max-age=31536000; includeSubDomains')
  app.addHook('onRequest', (_request, reply, done) => {
    tell(reply)
    done()
  })
  return tell
}
