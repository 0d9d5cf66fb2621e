// Errors outside a tRPC procedure or a SCIM handler, in the format of the path they happened on.
import { createHash } from 'node:crypto'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isUnavailable } from '../db/failures.ts'
import { AppError, HTTP_STATUS } from './errors.ts'

/** What a client sees of any error: never the message of an unexpected one. */
export interface Told {
  status: number
  message: string
  reason: string
  retryAfterSeconds?: number
}

export function tell(error: unknown): Told {
  if (error instanceof AppError) {
    const { code, message, reason, retryAfterSeconds } = error
    return { status: HTTP_STATUS[code], message, reason, retryAfterSeconds }
  }
  if (isUnavailable(error)) {
    return {
      status: 503,
      message: 'The database cannot be reached just now',
      reason: 'unavailable',
      retryAfterSeconds: 2
    }
  }
  const { statusCode, code, message } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return { status: 413, message: 'The body is larger than 2 MB', reason: 'tooLarge' }
  }
  if (statusCode && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, message, reason: REASONS[statusCode] ?? 'invalid' }
  }
  return { status: 500, message: 'Something went wrong on our side', reason: 'internal' }
}

const REASONS: Record<number, string> = { 405: 'methodNotSupported', 415: 'unsupportedMediaType' }

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const told = tell(error)
  if (told.status === 500) request.log.error({ err: error }, 'request failed')
  if (told.retryAfterSeconds) reply.header('retry-after', Math.ceil(told.retryAfterSeconds))
  return send(told, request, reply)
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!METHODS.has(request.method)) {
    const message = `${request.method} is implemented nowhere here`
    return send({ status: 501, message, reason: 'notImplemented' }, request, reply)
  }
  return send({ status: 404, message: `There is nothing at ${pathOf(request)}`, reason: 'notFound' }, request, reply)
}

/** RFC 9110 §9 and RFC 5789: the known methods; any other is answered 501. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'])

const pathOf = (request: FastifyRequest) => request.url.split('?', 1)[0]!

function send(told: Told, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // also for errors before any route or plugin hook
  reply.code(told.status).header('x-content-type-options', 'nosniff').header('cache-control', 'no-store')
  const path = pathOf(request)
  if (path.startsWith('/scim/')) {
    return reply.type('application/scim+json').send(
      JSON.stringify({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
        status: String(told.status),
        detail: told.message
      })
    )
  }
  if (path.startsWith('/trpc/')) {
    return reply.send({
      error: {
        message: told.message,
        code: -32600,
        data: { code: TRPC_NAMES[told.status] ?? 'BAD_REQUEST', httpStatus: told.status, reason: told.reason }
      }
    })
  }
  if (wantsPage(request, path)) {
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', ERROR_PAGE_POLICY)
      .send(errorPage(told))
  }
  return reply.send({ status: told.status, message: told.message, reason: told.reason })
}

/** Any other path is a page; a client that wants JSON asks for it. */
function wantsPage({ method, headers: { accept = '' } }: FastifyRequest, path: string): boolean {
  if (accept.includes('text/html')) return true
  return (method === 'GET' || method === 'HEAD') && !accept.includes('json') && !path.endsWith('.json')
}

const TRPC_NAMES: Record<number, string> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  500: 'INTERNAL_SERVER_ERROR',
  501: 'NOT_IMPLEMENTED',
  503: 'SERVICE_UNAVAILABLE'
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const ERROR_PAGE_STYLE = `body{font:16px/1.5 system-ui;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem;text-align:center}
h1{margin:0;font-size:3rem}`
const ERROR_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(ERROR_PAGE_STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')

const errorPage = ({ status, message }: Told) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>${status} – Muster</title>
<style>${ERROR_PAGE_STYLE}</style><main><h1>${status}</h1><p>${escapeHtml(message)}</p></main></html>`
