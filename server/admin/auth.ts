// auth.*: signing in and out, one's own password and sessions. The rules are in server/auth/.
import { z } from 'zod'
import { listSessions, type OwnSession } from '../../db/sessions.ts'
import { findUserView } from '../../db/users.ts'
import { changePassword } from '../auth/change-password.ts'
import { confirmIdentity } from '../auth/confirm.ts'
import { limitWrongTokens } from '../auth/limits.ts'
import { MAX_PASSWORD_LENGTH } from '../auth/password.ts'
import { requestPasswordReset, resetPassword } from '../auth/password-reset.ts'
import { endSession, IDLE_MS, revokeSession, revokeSessions } from '../auth/session.ts'
import { signIn } from '../auth/sign-in.ts'
import { AppError } from '../errors.ts'
import { acceptByReset } from '../invitations/accept.ts'
import { type Actor, defaultRole, rolesUpTo } from '../provisioning/actor.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { roleShape, toUserOutput, userOutput } from './shapes.ts'
import { memberProcedure, personProcedure, publicProcedure, router } from './trpc.ts'

const emailInput = z.string().min(1).max(320)
const passwordInput = z.string().min(1).max(MAX_PASSWORD_LENGTH)
/** The rules judge its strength, so that the answer says what to do. */
const newPasswordInput = z.string().max(10_000)
/** An app's six digits, or a recovery code, as people type them. */
const codeInput = z.string().min(1).max(100)
const tokenInput = z.string().min(1).max(200)
const time = z.iso.datetime()
const nothing = z.strictObject({})
const userAnswer = z.object({ user: userOutput })

const meOutput = z.object({
  /** Null for the operator. */
  user: userOutput.nullable(),
  /** What the caller may do with this credential: an API token's role is at most its owner's. */
  role: roleShape,
  tenant: z.object({ name: z.string(), subdomain: z.string(), logoUrl: z.string().nullable() }),
  /** The roles that the caller may give to people they invite, lowest first. */
  rolesYouMayGive: z.array(roleShape),
  /** The one to offer first. */
  defaultRole: roleShape,
  via: z.enum(['session', 'apiToken', 'operator']),
  /** Whether nothing else is answered until a second factor is set up. */
  mustSetUpSecondFactor: z.boolean()
})

const sessionOutput = z.object({
  id: z.string(),
  /** Whether it is the session that asks. */
  current: z.boolean(),
  method: z.enum(['password', 'google', 'invitation', 'reset', 'link']),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
  createdAt: time,
  /** To within a few minutes. */
  lastSeenAt: time,
  expiresAt: time
})

export const authRouter = router({
  me: memberProcedure.output(meOutput).query(async ({ ctx: { deps, tenant, actor } }) => {
    const user = actor.id === null ? undefined : await findUserView(deps.db, tenant.id, actor.id)
    return {
      user: user ? toUserOutput(user) : null,
      role: actor.role,
      tenant: { name: tenant.name, subdomain: tenant.subdomain, logoUrl: tenant.settings.logoUrl ?? null },
      rolesYouMayGive: rolesUpTo(actor.role),
      defaultRole: defaultRole(actor.role),
      via: viaOf(actor),
      mustSetUpSecondFactor: actor.mustSetUpSecondFactor ?? false
    }
  }),

  signIn: publicProcedure
    .input(z.strictObject({ email: emailInput, password: passwordInput, code: codeInput.optional() }))
    .output(userAnswer)
    .mutation(async ({ ctx, input }) => ({ user: toUserOutput(await signIn(ctx.deps, ctx.tenant, input, ctx)) })),

  /** Works without a session, too: the cookie is cleared. */
  signOut: publicProcedure
    .input(nothing.optional())
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, request, reply } }) => {
      await endSession(deps, tenant, request, reply)
      return {}
    }),

  /** Never tells whether the address has an account. */
  requestPasswordReset: publicProcedure
    .input(z.strictObject({ email: z.string() }))
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, request }, input }) => {
      await requestPasswordReset(deps, tenant, input.email, { requestId: request.id, ip: request.ip })
      return {}
    }),

  /** Takes the token of a reset mail (with a code from whoever has a second factor), or of a re-invitation. */
  resetPassword: publicProcedure
    .input(z.strictObject({ token: tokenInput, password: newPasswordInput, code: codeInput.optional() }))
    .output(userAnswer)
    .mutation(async ({ ctx, input }) => {
      const { deps, tenant, request } = ctx
      const user = await limitWrongTokens(
        deps,
        request.ip,
        async () => (await resetPassword(deps, tenant, input, ctx)) ?? (await acceptByReset(deps, tenant, input, ctx)),
        (error) => error instanceof AppError && error.code === 'not_found'
      )
      return { user: toUserOutput(user) }
    }),

  changePassword: memberProcedure
    .input(z.strictObject({ currentPassword: passwordInput, newPassword: newPasswordInput }))
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, actor }, input }) => {
      await changePassword(deps, tenant, actor, input)
      return {}
    }),

  /** Proves again who somebody is; counts for the next quarter of an hour of the session. */
  confirm: personProcedure
    .input(z.strictObject({ password: passwordInput, code: codeInput.optional() }))
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { password, code } }) => {
      await confirmIdentity(deps, tenant, actor, { password, code })
      return {}
    }),

  /** The caller's own, newest first. */
  sessions: personProcedure
    .input(z.strictObject(pageInput).optional())
    .output(listOutput(sessionOutput))
    .query(({ ctx: { deps, tenant, actor }, input = {} }) => {
      const now = deps.now()
      const alive = { now, seenAfter: new Date(now.getTime() - IDLE_MS) }
      return pageById(input, {
        list: 'sessions',
        read: (before, limit) => listSessions(deps.db, tenant.id, actor.id, alive, limit, before),
        toItem: (row) => toSession(row, actor.sessionId)
      })
    }),

  revokeSession: personProcedure
    .input(z.strictObject({ sessionId: z.uuid() }))
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, actor }, input }) => {
      await revokeSession(deps, tenant, actor, input.sessionId)
      return {}
    }),

  /** Ends every session of the caller, including this one. */
  signOutEverywhere: personProcedure
    .input(nothing.optional())
    .output(z.object({ ended: z.number().int() }))
    .mutation(async ({ ctx: { deps, tenant, actor } }) => ({ ended: await revokeSessions(deps, tenant, actor) }))
})

function viaOf({ kind, sessionId }: Actor): z.infer<typeof meOutput>['via'] {
  if (sessionId) return 'session'
  return kind === 'apiToken' ? 'apiToken' : 'operator'
}

const toSession = (row: OwnSession, currentId: string | undefined): z.infer<typeof sessionOutput> => ({
  id: row.id,
  current: row.id === currentId,
  method: row.method,
  ip: row.ip,
  userAgent: row.user_agent,
  createdAt: row.created_at.toISOString(),
  lastSeenAt: row.last_seen_at.toISOString(),
  expiresAt: row.expires_at.toISOString()
})
