// scimAcceptance.*: tries what an identity provider would send, before it does.
import { z } from 'zod'
import { ROLES, SCIM_PROFILES } from '../../db/schema.ts'
import { findConnectionDetails } from '../../db/scim-connections.ts'
import { notFound } from '../errors.ts'
import { defaultRole } from '../provisioning/actor.ts'
import { type AcceptanceInput, PLAYED } from '../wire-log/rehearsal.ts'
import { administratorProcedure, type MemberContext, router } from './trpc.ts'

export const leniencesOutput = z.array(
  z.object({
    name: z.string(),
    /** What it accepts, and who sends that. */
    means: z.string(),
    /** Attribute paths. */
    where: z.array(z.string())
  })
)

const stepOutput = z.object({
  /** The behaviour of the provider that it shows, such as E19. */
  id: z.string(),
  title: z.string(),
  outcome: z.enum(['passed', 'failed', 'skipped']),
  sent: z.object({ method: z.string(), path: z.string(), body: z.string().nullable() }).nullable(),
  got: z.object({ status: z.number().int(), body: z.string().nullable() }).nullable(),
  expected: z.object({ statuses: z.array(z.number().int()), body: z.string().nullable() }),
  problems: z.array(z.string()),
  leniences: leniencesOutput,
  /** What to do; null for a step that passed. */
  hint: z.string().nullable()
})

const reportOutput = z.object({
  as: z.enum(PLAYED),
  /** The settings of the connection that was tried. */
  connection: z.object({ name: z.string().nullable(), profile: z.enum(SCIM_PROFILES), highestRole: z.enum(ROLES) }),
  counts: z.object({ passed: z.number().int(), failed: z.number().int(), skipped: z.number().int() }),
  durationMs: z.number().int(),
  conversations: z.array(z.object({ title: z.string(), steps: z.array(stepOutput) }))
})

export const scimAcceptanceRouter = router({
  /**
   * Plays an identity provider's exchanges and rolls them back: nothing is changed, nobody is mailed. The trial makes
   * rows of its own, so real traffic waits for none of them.
   */
  run: administratorProcedure
    .input(
      z.strictObject({
        as: z.enum(PLAYED),
        /** Its profile and highest role are tried; without a connection, the provider's own profile. */
        connectionId: z.uuid().optional()
      })
    )
    .output(reportOutput)
    .mutation(async ({ ctx, input: { as, connectionId } }) => {
      const beganMs = performance.now()
      const { name, ...connection } = await connectionOf(ctx, as, connectionId)
      const { conversations } = await ctx.rehearsal.runAcceptance(ctx.tenant, { as, connection })
      const steps = conversations.flatMap((conversation) => conversation.steps)
      const count = (outcome: (typeof steps)[number]['outcome']) =>
        steps.filter((step) => step.outcome === outcome).length
      return {
        as,
        connection: { name, ...connection },
        counts: { passed: count('passed'), failed: count('failed'), skipped: count('skipped') },
        durationMs: Math.round(performance.now() - beganMs),
        conversations: conversations.map(({ title, steps: played }) => ({
          title,
          steps: played.map(({ expected, problems, ...step }) => ({
            ...step,
            expected: { ...expected, statuses: [...expected.statuses] },
            problems: [...problems],
            leniences: toLeniences(ctx, step.leniences)
          }))
        }))
      }
    })
})

async function connectionOf(
  { deps, tenant, actor }: MemberContext,
  as: AcceptanceInput['as'],
  connectionId: string | undefined
): Promise<AcceptanceInput['connection'] & { name: string | null }> {
  if (connectionId === undefined) return { name: null, profile: as, highestRole: defaultRole(actor.role) }
  const found = await findConnectionDetails(deps.db, tenant.id, connectionId, deps.now())
  if (!found) throw notFound('Connection')
  return { name: found.name, profile: found.profile, highestRole: found.highest_role }
}

export const toLeniences = (
  { rehearsal }: Pick<MemberContext, 'rehearsal'>,
  applied: readonly { readonly lenience: string; readonly where: readonly string[] }[]
): z.infer<typeof leniencesOutput> =>
  applied.map(({ lenience, where }) => ({
    name: lenience,
    // an earlier version may have recorded it
    means: rehearsal.leniences[lenience] ?? lenience,
    where: [...where]
  }))
