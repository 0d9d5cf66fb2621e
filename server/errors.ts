// The one error type: rules throw it, edges translate it (SCIM Error, TRPCError, a page).

const ERROR_CODES = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'stale',
  'too_large',
  'rate_limited',
  'not_implemented',
  'unavailable'
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** The HTTP status of each code, on every edge. */
export const HTTP_STATUS = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  stale: 412,
  too_large: 413,
  rate_limited: 429,
  not_implemented: 501,
  unavailable: 503
} satisfies Record<ErrorCode, number>

/** RFC 7644 §3.12, table 9, and RFC 9865 §2.4 for the cursor ones. */
type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'invalidVers'
  | 'sensitive'
  | 'invalidCursor'
  | 'expiredCursor'
  | 'invalidCount'

interface ErrorExtra {
  /** Stable, machine-readable, camelCase: a client may switch on it (`roleNotAllowed`). */
  reason?: string
  scimType?: ScimType
  /** Seconds until a client may try again; sent as Retry-After. */
  retryAfterSeconds?: number
  /** Facts for the client besides the text, such as the names of blocking groups. */
  data?: Record<string, unknown>
  cause?: unknown
}

/** An error that a client caused or must know of. `message` is written for people and sent unchanged. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly reason: string
  readonly scimType: ScimType | undefined
  readonly retryAfterSeconds: number | undefined
  readonly data: Record<string, unknown> | undefined

  constructor(code: ErrorCode, detail: string, extra: ErrorExtra = {}) {
    super(detail, { cause: extra.cause })
    this.name = 'AppError'
    this.code = code
    this.reason = extra.reason ?? extra.scimType ?? DEFAULT_REASONS[code]
    this.scimType = extra.scimType
    this.retryAfterSeconds = extra.retryAfterSeconds
    this.data = extra.data
  }
}

const DEFAULT_REASONS = {
  invalid: 'invalid',
  unauthenticated: 'unauthenticated',
  forbidden: 'forbidden',
  not_found: 'notFound',
  conflict: 'conflict',
  stale: 'stale',
  too_large: 'tooLarge',
  rate_limited: 'rateLimited',
  not_implemented: 'notImplemented',
  unavailable: 'unavailable'
} satisfies Record<ErrorCode, string>

export const invalid = (detail: string, reason?: string, data?: Record<string, unknown>) =>
  new AppError('invalid', detail, { reason, data })
export const unauthenticated = (detail: string, reason?: string) => new AppError('unauthenticated', detail, { reason })
export const forbidden = (detail: string, reason: string, data?: Record<string, unknown>) =>
  new AppError('forbidden', detail, { reason, data })
/** @param what the thing in a person's words: `User 2f0c…`, `Group` */
export const notFound = (what: string) => new AppError('not_found', `${what} not found`)
export const conflict = (detail: string, reason: string, data?: Record<string, unknown>) =>
  new AppError('conflict', detail, { reason, data })
export const uniqueness = (attribute: string, cause?: unknown) =>
  new AppError('conflict', `${attribute} is already in use`, { scimType: 'uniqueness', cause })
/** The resource is no longer at the version that the client knew (RFC 7644 §3.14, 412). */
export const stale = (detail = 'The resource has changed since it was read', reason?: string) =>
  new AppError('stale', detail, { reason })
export const tooLarge = (detail: string) => new AppError('too_large', detail)
export const rateLimited = (detail: string, retryAfterSeconds: number) =>
  new AppError('rate_limited', detail, { retryAfterSeconds })
export const unavailable = (detail: string, cause?: unknown) =>
  new AppError('unavailable', detail, { retryAfterSeconds: 2, cause })

/** A 400 of the SCIM protocol with a type of RFC 7644 §3.12. */
const scimInvalid = (scimType: ScimType) => (detail: string, cause?: unknown) =>
  new AppError('invalid', detail, { scimType, cause })
export const invalidFilter = scimInvalid('invalidFilter')
export const invalidSyntax = scimInvalid('invalidSyntax')
export const invalidPath = scimInvalid('invalidPath')
export const invalidValue = scimInvalid('invalidValue')
export const noTarget = scimInvalid('noTarget')
export const mutability = scimInvalid('mutability')
export const tooMany = scimInvalid('tooMany')
export const invalidCursor = scimInvalid('invalidCursor')
export const expiredCursor = scimInvalid('expiredCursor')
export const invalidCount = scimInvalid('invalidCount')
