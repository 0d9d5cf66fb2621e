// Reports each request to the wire log, with one call when it is answered or refused.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { Tenant } from '../tenancy.ts'
import type { AppliedLenience, Exchange } from '../wire-log/entry.ts'
import { secretNames } from '../wire-log/redact.ts'
import type { WireLog as WholeWireLog } from '../wire-log/wire-log.ts'
import type { ScimAnswer, ScimContext } from './context.ts'
import { toScimError } from './errors.ts'

type WireLog = Pick<WholeWireLog, 'isOn' | 'note'>

const NONE: readonly AppliedLenience[] = []
const NO_NAMES: ReadonlySet<string> = new Set()

/** Replaces a parser's message that quotes an unparsed body, which may hold a password. */
const UNREADABLE = 'The body is not JSON'

/** @param applied the leniences that the request needed */
export function noteAnswer(
  wireLog: WireLog,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: ScimAnswer,
  applied: readonly AppliedLenience[]
): void {
  const context = request.scim!
  if (isWanted(wireLog, context)) wireLog.note(exchangeOf(context, request, reply, answer, applied, undefined))
}

/** Notes a refused request whose token was valid. */
export function noteRefusal(wireLog: WireLog, request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const context = request.scim!
  if (!isWanted(wireLog, context)) return
  wireLog.note(exchangeOf(context, request, reply, answerOf(error, request), context.leniency.applied, reasonOf(error)))
}

/** Notes a request whose token was refused. */
export function noteStranger(
  wireLog: WireLog,
  tenant: Tenant,
  request: FastifyRequest,
  { now, error }: { now: Date; error: unknown }
): void {
  if (!wireLog.isOn(tenant)) return
  const { status, body } = toScimError(error)
  const known = error instanceof AppError ? (error.data as KnownToken | undefined) : undefined
  wireLog.note({
    requestId: request.id,
    method: request.method,
    url: request.url,
    headers: request.headers,
    ip: request.ip,
    tenantId: tenant.id,
    isShadow: false,
    at: now,
    durationMs: 0,
    connectionId: known?.connectionId ?? null,
    name: known?.connectionName ?? null,
    kind: known?.connectionId ? 'scimToken' : null,
    status,
    requestBody: undefined,
    requestText: undefined,
    responseBody: body,
    leniences: NONE,
    error: reasonOf(error),
    secretNames: NO_NAMES
  })
}

/** What the error of an ended token tells about its connection. */
interface KnownToken {
  readonly connectionId?: string
  readonly connectionName?: string
}

/** Reading the schemas without a token is not an identity provider's exchange. */
const isWanted = (wireLog: WireLog, { tenant, actor }: ScimContext): boolean =>
  actor.kind !== 'system' && wireLog.isOn(tenant)

function exchangeOf(
  context: ScimContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { status, body }: Pick<ScimAnswer, 'status' | 'body'>,
  leniences: readonly AppliedLenience[],
  error: Exchange['error']
): Exchange {
  const { tenant, actor, schemas, now } = context
  const { body: requestBody, bodyText: requestText } = request
  return {
    requestId: request.id,
    method: request.method,
    url: request.url,
    headers: request.headers,
    ip: actor.ip,
    tenantId: tenant.shadowOf ?? tenant.id,
    isShadow: tenant.shadowOf !== undefined,
    at: now,
    durationMs: reply.elapsedTime,
    connectionId: actor.scim?.connectionId ?? null,
    name: actor.name,
    kind: actor.kind,
    status,
    requestBody,
    requestText,
    responseBody: body,
    leniences,
    error,
    secretNames: requestBody === undefined ? NO_NAMES : secretNames(schemas)
  }
}

/** A body that could not be parsed cannot be redacted either, and the parser's message quotes it. */
function answerOf(error: unknown, request: FastifyRequest): Pick<ScimAnswer, 'status' | 'body'> {
  const told = toScimError(error)
  if (request.body !== undefined || !told.detail.startsWith(UNREADABLE)) return told
  return { status: told.status, body: told.body.replace(JSON.stringify(told.detail), JSON.stringify(UNREADABLE)) }
}

function reasonOf(error: unknown): Exchange['error'] {
  if (error instanceof AppError) return { reason: error.reason, scimType: error.scimType }
  return { reason: REASONS[toScimError(error).status] ?? 'internal', scimType: undefined }
}

const REASONS: Partial<Record<number, string>> = {
  413: 'tooLarge',
  415: 'unsupportedMediaType',
  503: 'unavailable'
}
