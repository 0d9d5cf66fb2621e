// AppError -> SCIM Error message (RFC 7644 §3.12).
import { isUnavailable } from '../../db/failures.ts'
import { AppError, HTTP_STATUS, invalidSyntax, tooLarge, unavailable } from '../errors.ts'

const ERROR_URN = 'urn:ietf:params:scim:api:messages:2.0:Error'

interface ScimError {
  readonly status: number
  readonly detail: string
  /** JSON text. */
  readonly body: string
  readonly retryAfterSeconds?: number
}

/**
 * What a client sees of any error. An unexpected error becomes a 500 without its message; the caller logs it.
 * @param error an AppError, an error of Fastify's parsers, or anything else
 */
export function toScimError(error: unknown): ScimError {
  const known = asAppError(error)
  if (known) {
    const { scimType, message, retryAfterSeconds } = known
    return { ...errorOf(HTTP_STATUS[known.code], message, scimType), retryAfterSeconds }
  }
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return errorOf(statusCode, message ?? '')
  return errorOf(500, 'Something went wrong on our side')
}

/** An Error message, ready to send. */
export const errorOf = (status: number, detail: string, scimType?: string): ScimError => ({
  status,
  detail,
  body: JSON.stringify({ schemas: [ERROR_URN], status: String(status), scimType, detail })
})

function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error
  if (isUnavailable(error)) return unavailable('The database cannot be reached just now', error)
  const { code } = error as { code?: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge('The body is larger than 2 MB')
  // Content-Length and what was sent differ
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') return invalidSyntax('The body is not as long as announced')
  return undefined
}
