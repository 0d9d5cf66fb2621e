// operator.*: the operator's session in the page of the base domain. The rules are in server/auth/operator-session.ts.
import { z } from 'zod'
import { signInOperator, signOutOperator } from '../auth/operator-session.ts'
import { baseProcedure, router } from './trpc.ts'

const nothing = z.strictObject({})

export const operatorRouter = router({
  /** Whether the caller is the operator. */
  session: baseProcedure
    .input(nothing.optional())
    .output(z.object({ isSignedIn: z.boolean() }))
    .query(({ ctx }) => ({ isSignedIn: ctx.actor?.kind === 'operator' })),

  signIn: baseProcedure
    .input(z.strictObject({ token: z.string().min(1).max(1_000) }))
    .output(nothing)
    .mutation(async ({ ctx, input }) => {
      await signInOperator(ctx.deps, input.token, ctx)
      return {}
    }),

  /** Works without a session, too: the cookie is cleared. */
  signOut: baseProcedure
    .input(nothing.optional())
    .output(nothing)
    .mutation(async ({ ctx }) => {
      await signOutOperator(ctx.deps, ctx)
      return {}
    })
})
