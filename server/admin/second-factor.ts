// secondFactor.*: one's own second factor. The rules are in server/auth/second-factor.ts.
import { z } from 'zod'
import { findSecondFactor } from '../../db/second-factors.ts'
import { disableSecondFactor, enableSecondFactor, prepareSecondFactor } from '../auth/second-factor.ts'
import { personProcedure, router } from './trpc.ts'

const nothing = z.strictObject({})

export const secondFactorRouter = router({
  get: personProcedure
    .output(
      z.object({
        enabledAt: z.iso.datetime().nullable(),
        /** How many recovery codes are left. */
        recoveryCodeCount: z.number().int()
      })
    )
    .query(async ({ ctx: { deps, tenant, actor } }) => {
      const factor = await findSecondFactor(deps.db, tenant.id, actor.id)
      return {
        enabledAt: factor?.confirmed_at?.toISOString() ?? null,
        recoveryCodeCount: factor?.confirmed_at ? factor.recovery_count : 0
      }
    }),

  /** A new secret, which is in force once `enable` got a code of it. */
  prepare: personProcedure
    .input(nothing.optional())
    .output(z.object({ secret: z.string(), uri: z.string() }))
    .mutation(({ ctx: { deps, tenant, actor } }) => prepareSecondFactor(deps, tenant, actor)),

  enable: personProcedure
    .input(z.strictObject({ code: z.string().min(1).max(100) }))
    .output(z.object({ recoveryCodes: z.array(z.string()) }))
    .mutation(async ({ ctx: { deps, tenant, actor }, input }) => ({
      recoveryCodes: await enableSecondFactor(deps, tenant, actor, input.code)
    })),

  disable: personProcedure
    .input(nothing.optional())
    .output(nothing)
    .mutation(async ({ ctx: { deps, tenant, actor } }) => {
      await disableSecondFactor(deps, tenant, actor)
      return {}
    })
})
