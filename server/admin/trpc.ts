// The basis of the tRPC API: the context of a call, the procedures that routers build on, and errors in tRPC's form.
import { initTRPC, TRPCError } from '@trpc/server'
import type { TRPC_ERROR_CODE_KEY } from '@trpc/server/unstable-core-do-not-import'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { isUnavailable } from '../../db/failures.ts'
import type { Deps } from '../deps.ts'
import { AppError, type ErrorCode, forbidden, unauthenticated, unavailable } from '../errors.ts'
import type { LiveFeed } from '../events/live.ts'
import { type Actor, requireAdministrator, requireSetUp } from '../provisioning/actor.ts'
import type { Tenant } from '../tenancy.ts'
import type { Rehearsal } from '../wire-log/rehearsal.ts'
import type { WireLog } from '../wire-log/wire-log.ts'
import { describeZodError } from './input-errors.ts'

export interface Context {
  readonly deps: Deps
  readonly wireLog: WireLog
  readonly rehearsal: Rehearsal
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The live feed of this process. */
  readonly live: LiveFeed
  /** Undefined on the base domain. */
  readonly tenant: Tenant | undefined
  /** Undefined where nobody is signed in. */
  readonly actor: Actor | undefined
}

const TRPC_CODES = {
  invalid: 'BAD_REQUEST',
  unauthenticated: 'UNAUTHORIZED',
  forbidden: 'FORBIDDEN',
  not_found: 'NOT_FOUND',
  conflict: 'CONFLICT',
  stale: 'PRECONDITION_FAILED',
  too_large: 'PAYLOAD_TOO_LARGE',
  rate_limited: 'TOO_MANY_REQUESTS',
  not_implemented: 'NOT_IMPLEMENTED',
  unavailable: 'SERVICE_UNAVAILABLE'
} satisfies Record<ErrorCode, TRPC_ERROR_CODE_KEY>

const t = initTRPC.context<Context>().create({
  // proxies drop a connection that is silent for a minute
  sse: { ping: { enabled: true, intervalMs: 15_000 }, client: { reconnectAfterInactivityMs: 40_000 } },
  errorFormatter({ shape, error, ctx, type }) {
    const { stack: _, ...data } = shape.data as Record<string, unknown>
    // RFC 9110 §15.5.6
    if (error.code === 'METHOD_NOT_SUPPORTED') ctx?.reply.header('allow', type === 'mutation' ? 'POST' : 'GET')
    const cause = asAppError(error.cause)
    if (cause) {
      return { ...shape, message: cause.message, data: { ...data, reason: cause.reason, ...cause.data } }
    }
    if (error.cause instanceof z.ZodError) {
      return { ...shape, message: describeZodError(error.cause), data: { ...data, reason: 'invalid' } }
    }
    if (error.code === 'INTERNAL_SERVER_ERROR') {
      ctx?.request.log.error({ err: error.cause ?? error }, 'procedure failed')
      return {
        ...shape,
        message: 'Something went wrong on our side',
        data: { ...data, reason: 'internal', requestId: ctx?.request.id }
      }
    }
    return { ...shape, data: { ...data, reason: REASONS[error.code] ?? 'invalid' } }
  }
})

const REASONS: Partial<Record<TRPC_ERROR_CODE_KEY, string>> = {
  NOT_FOUND: 'notFound',
  UNAUTHORIZED: 'unauthenticated',
  FORBIDDEN: 'forbidden',
  METHOD_NOT_SUPPORTED: 'methodNotSupported',
  UNSUPPORTED_MEDIA_TYPE: 'unsupportedMediaType',
  PARSE_ERROR: 'invalid',
  BAD_REQUEST: 'invalid'
}

/** An AppError as it is, an unreachable database as an AppError, undefined for anything else. */
export function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error
  return isUnavailable(error) ? unavailable('The database cannot be reached just now', error) : undefined
}

/** For errors outside of procedures (in the context): tRPC then answers with the AppError's own code. */
export function toTrpcError(error: unknown): unknown {
  const cause = asAppError(error)
  return cause ? new TRPCError({ code: TRPC_CODES[cause.code], message: cause.message, cause }) : error
}

const translateErrors = t.middleware(async ({ next, ctx }) => {
  const result = await next()
  if (result.ok) return result
  const cause = asAppError(result.error.cause)
  if (cause?.retryAfterSeconds) ctx.reply.header('retry-after', Math.ceil(cause.retryAfterSeconds))
  if (!cause) return result
  return { ...result, error: toTrpcError(cause) as TRPCError }
})

export const router = t.router

/** The context of a tenant's procedure, which it calls the rules with. */
export interface TenantContext extends Context {
  readonly tenant: Tenant
}
export interface MemberContext extends TenantContext {
  readonly actor: Actor
}

const wrongHost = (right: string) =>
  new AppError('not_found', `This procedure is called on ${right}`, { reason: 'wrongHost' })

/** On a tenant's host, with or without a session. */
export const publicProcedure = t.procedure.use(translateErrors).use(({ ctx, next }) => {
  if (!ctx.tenant) throw wrongHost('a tenant’s host')
  return next({ ctx: { tenant: ctx.tenant } })
})

/** What somebody may call who must set up a second factor first. */
const SETTING_UP = new Set([
  'auth.me',
  'auth.confirm',
  'secondFactor.get',
  'secondFactor.prepare',
  'secondFactor.enable'
])

/** On a tenant's host, signed in: a session, an API token, or the operator. */
export const memberProcedure = publicProcedure.use(({ ctx, next, path }) => {
  if (!ctx.actor) throw unauthenticated('Sign in first')
  if (!SETTING_UP.has(path)) requireSetUp(ctx.actor)
  return next({ ctx: { actor: ctx.actor } })
})

/** On a tenant's host, for what belongs to a person: with a session or an API token, but not the operator. */
export const personProcedure = memberProcedure.use(({ ctx, next }) => {
  const { id } = ctx.actor
  if (id === null) throw forbidden('The operator is no person of this tenant', 'personOnly')
  return next({ ctx: { actor: { ...ctx.actor, id } } })
})

/** On a tenant's host, with an administrator's rights. */
export const administratorProcedure = memberProcedure.use(({ ctx, next, path }) => {
  requireAdministrator(ctx.actor, `call ${path}`)
  return next()
})

/** On the base domain, by anybody. */
export const baseProcedure = t.procedure.use(translateErrors).use(({ ctx, next }) => {
  if (ctx.tenant) throw wrongHost('the base domain')
  return next()
})

/** On the base domain, with the operator's token or session. */
export const operatorProcedure = baseProcedure.use(({ ctx, next }) => {
  if (!ctx.actor) throw unauthenticated('The operator token is missing')
  if (ctx.actor.kind !== 'operator') throw forbidden('Only the operator may do this', 'operatorOnly')
  return next({ ctx: { actor: ctx.actor } })
})
