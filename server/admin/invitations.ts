// invitations.*: invite, send again, revoke, list; and what the holder of a link may do.
import { z } from 'zod'
import {
  countInvitations,
  INVITATION_SORT_KEYS,
  INVITATION_STATES,
  type InvitationSortKey,
  type InvitationView,
  listInvitations
} from '../../db/invitations-list.ts'
import { MAIL_STATES } from '../../db/schema.ts'
import { limitWrongTokens } from '../auth/limits.ts'
import { AppError } from '../errors.ts'
import { acceptInvitation, previewInvitation } from '../invitations/accept.ts'
import { createInvitations, type Outcome } from '../invitations/create.ts'
import { INVITATION_INVALID } from '../invitations/link-state.ts'
import { resendInvitation, revokeInvitation } from '../invitations/manage.ts'
import { managesOthers } from '../invitations/permission.ts'
import { INVITATION_RESULTS, type InvitationResult } from '../invitations/request.ts'
import { listInput, listOutput, orderOf, pageOf, sortKeys, textKey } from './paging.ts'
import { isoOrNull, lineInput, profileInput, roleShape, toUserOutput, userOutput } from './shapes.ts'
import { type MemberContext, memberProcedure, publicProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()
const resultShape = z.enum(INVITATION_RESULTS)
const invitationIdInput = z.strictObject({ invitationId: z.uuid() })
/** A link's token; the limit is above the length of ours. */
const tokenInput = z.string().min(1).max(200)
/** The rules judge its strength, so that the answer says what to do. */
const passwordInput = z.string().max(10_000)

const invitationOutput = z.object({
  id: z.string(),
  email: z.string(),
  role: roleShape,
  /** `adopted`: an identity provider has provisioned the person meanwhile. */
  state: z.enum(INVITATION_STATES),
  userId: z.string(),
  inviterName: z.string(),
  createdAt: time,
  /** When the newest link was made. */
  renewedAt: time,
  expiresAt: time,
  endedAt: time.nullable(),
  /** The newest mail: with `queued`, `error` says why the last attempt failed; after `failed` there is no other one. */
  mail: z.object({
    state: z.enum(MAIL_STATES),
    queuedAt: time,
    sentAt: time.nullable(),
    attempts: z.number().int(),
    error: z.string().nullable()
  })
})
const invitationAnswer = z.object({ invitation: invitationOutput })

const createInput = z.strictObject({
  /** `email` takes what people paste, even many addresses with names. `role` defaults to `defaultRole` of auth.me. */
  invites: z
    .array(z.strictObject({ email: z.string(), role: roleShape.optional() }))
    .min(1)
    .max(10_000),
  /** Also sends a new link to those who are invited already. */
  resend: z.boolean().optional()
})
const createOutput = z.object({
  /** One for each different address, in the order asked. */
  results: z.array(
    z.object({
      email: z.string(),
      result: resultShape,
      userId: z.string().optional(),
      invitationId: z.string().optional(),
      /** For `managedByIdp`: the connection of the identity provider. */
      connection: z.object({ id: z.string(), name: z.string() }).optional()
    })
  ),
  counts: z.partialRecord(resultShape, z.number().int())
})

const previewOutput = z.object({
  email: z.string(),
  tenant: z.object({ name: z.string(), subdomain: z.string() }),
  inviterName: z.string(),
  role: roleShape,
  /** For somebody who was a member before: the link first asks for a new password. */
  mustResetPassword: z.boolean(),
  expiresAt: time
})

const invitationsListInput = listInput(
  {
    state: z.enum(INVITATION_STATES).optional(),
    mailState: z.enum(MAIL_STATES).optional(),
    role: roleShape.optional()
  },
  INVITATION_SORT_KEYS
)

export const invitationsRouter = router({
  /** Everybody may invite, with roles up to their own. */
  create: memberProcedure
    .input(createInput)
    .output(createOutput)
    .mutation(async ({ ctx, input }) => {
      const results = await createInvitations(ctx.deps, ctx.tenant, ctx.actor, input)
      return { results, counts: countResults(results) }
    }),

  /** Managers and administrators see all, everybody else what they have invited; newest first. */
  list: memberProcedure
    .input(invitationsListInput)
    .output(listOutput(invitationOutput))
    .query(({ ctx, input }) => listPage(ctx, input)),

  resend: memberProcedure
    .input(invitationIdInput)
    .output(invitationAnswer)
    .mutation(async ({ ctx, input }) => ({
      invitation: toInvitationOutput(await resendInvitation(ctx.deps, ctx.tenant, ctx.actor, input.invitationId))
    })),

  revoke: memberProcedure
    .input(invitationIdInput)
    .output(invitationAnswer)
    .mutation(async ({ ctx, input }) => ({
      invitation: toInvitationOutput(await revokeInvitation(ctx.deps, ctx.tenant, ctx.actor, input.invitationId))
    })),

  preview: publicProcedure
    .input(z.strictObject({ token: tokenInput }))
    .output(previewOutput)
    .query(async ({ ctx, input }) => {
      const invitation = await limited(ctx, () => previewInvitation(ctx.deps, ctx.tenant, input.token))
      ctx.reply.header('cache-control', 'no-store')
      return {
        email: invitation.email,
        tenant: { name: ctx.tenant.name, subdomain: ctx.tenant.subdomain },
        inviterName: invitation.inviter_name,
        role: invitation.role,
        mustResetPassword: invitation.must_reset_password,
        expiresAt: invitation.expires_at.toISOString()
      }
    }),

  accept: publicProcedure
    .input(
      z.strictObject({
        token: tokenInput,
        password: passwordInput,
        profile: z.strictObject({ ...profileInput, displayName: lineInput(200, 1) })
      })
    )
    .output(z.object({ user: userOutput }))
    .mutation(async ({ ctx, input }) => ({
      user: toUserOutput(await limited(ctx, () => acceptInvitation(ctx.deps, ctx.tenant, input, ctx)))
    }))
})

/** Counts tokens that no link ever had, for the caller's network address. */
const limited = <T>({ deps, request }: TenantContext, work: () => Promise<T>): Promise<T> =>
  limitWrongTokens(deps, request.ip, work, (error) => error instanceof AppError && error.reason === INVITATION_INVALID)

function countResults(outcomes: readonly Outcome[]): Partial<Record<InvitationResult, number>> {
  const counts: Partial<Record<InvitationResult, number>> = {}
  for (const { result } of outcomes) counts[result] = (counts[result] ?? 0) + 1
  return counts
}

/** What a cursor of each order holds: the sort value as PostgreSQL writes it, and the id. */
const CURSOR_KEYS = {
  createdAt: sortKeys(z.uuid()),
  expiresAt: sortKeys(z.string().regex(/^\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d){0,2}$/)),
  email: sortKeys(textKey)
} satisfies Record<InvitationSortKey, z.ZodType>

function listPage({ deps, tenant, actor }: MemberContext, input: z.infer<typeof invitationsListInput>) {
  const { sort, isDescending, list } = orderOf('invitations', input.sort, 'createdAt', 'desc')
  const wanted = {
    now: deps.now(),
    search: input.search,
    filter: { ...input.filter, ...(!managesOthers(actor) && { inviterId: actor.id! }) }
  }
  return pageOf(input, {
    list,
    keys: CURSOR_KEYS[sort],
    read: (after, limit) => listInvitations(deps.db, tenant.id, { ...wanted, sort, isDescending, after, limit }),
    keysOf: ({ sort_value, id }) => [sort_value, id],
    count: () => countInvitations(deps.db, tenant.id, wanted),
    toItem: toInvitationOutput
  })
}

const toInvitationOutput = (row: InvitationView): z.infer<typeof invitationOutput> => ({
  id: row.id,
  email: row.email,
  role: row.role,
  state: row.state,
  userId: row.user_id,
  inviterName: row.inviter_name,
  createdAt: row.created_at.toISOString(),
  renewedAt: row.renewed_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  endedAt: isoOrNull(row.ended_at),
  mail: {
    state: row.mail_state,
    queuedAt: row.mail_queued_at.toISOString(),
    sentAt: isoOrNull(row.mail_sent_at),
    attempts: row.mail_attempts,
    error: row.mail_error
  }
})
