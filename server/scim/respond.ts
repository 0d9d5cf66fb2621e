// Sends answers and errors over HTTP.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { ScimAnswer } from './context.ts'
import { toScimError } from './errors.ts'

export const SCIM_TYPE = 'application/scim+json; charset=utf-8'

export function sendAnswer(reply: FastifyReply, answer: ScimAnswer): FastifyReply {
  reply.code(answer.status)
  if (answer.etag !== undefined) reply.header('etag', answer.etag)
  if (answer.location !== undefined) reply.header('location', answer.location)
  reply.header('cache-control', 'no-store')
  if (answer.body === undefined) return reply.send()
  if (answer.sent) reply.raw.once('finish', answer.sent)
  return reply.header('content-type', SCIM_TYPE).header('x-content-type-options', 'nosniff').send(answer.body)
}

/** The error handler of the SCIM plugin. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, body, retryAfterSeconds } = toScimError(error)
  if (status === 500) request.log.error({ err: error }, 'SCIM request failed')
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (status === 401) reply.header('www-authenticate', challengeOf(error))
  return sendAnswer(reply, { status, body })
}

/** RFC 6750 §3: the challenge to a request without a token names no error. */
const challengeOf = (error: unknown): string =>
  error instanceof AppError && error.reason === 'missingToken'
    ? 'Bearer realm="SCIM"'
    : 'Bearer realm="SCIM", error="invalid_token"'

/** 200, or 201 for a new resource, with the resource's URL and ETag. */
export const resourceAnswer = (
  status: 200 | 201,
  resource: { body: string; version: string; location: string }
): ScimAnswer => ({ status, body: resource.body, etag: resource.version, location: resource.location })

export const NO_CONTENT: ScimAnswer = { status: 204 }
