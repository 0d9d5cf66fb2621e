// What browsers are told to be careful about, on every answer that one may open (OWASP's list of secure headers).
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.ts'

const HEADERS = {
  // of answers to machines; each page comes with its own
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

/** For all routes of `app`. */
export function secureHeaders(app: FastifyInstance, config: Config): void {
  const headers =
    config.public.scheme === 'https'
      ? { ...HEADERS, 'strict-transport-security': 'max-age=31536000; includeSubDomains' }
      : HEADERS
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers)
    done()
  })
}
