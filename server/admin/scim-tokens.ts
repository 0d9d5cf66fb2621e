// scimTokens.*: the tokens that identity providers sign in with. The rules are in server/provisioning/scim-tokens.ts.
import { z } from 'zod'
import { ROLES, SCIM_PROFILES } from '../../db/schema.ts'
import { listScimErrors } from '../../db/scim-errors.ts'
import { countScimTokens, type ListedScimToken, listScimTokens, type ScimTokenView } from '../../db/scim-tokens.ts'
import { createScimToken, type MadeScimToken, revokeScimToken, rotateScimToken } from '../provisioning/scim-tokens.ts'
import { openShadow } from '../provisioning/shadow/shadow.ts'
import { listInput, listOutput, orderOf, pageById } from './paging.ts'
import { isoOrNull, lineInput } from './shapes.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()

const scimTokenOutput = z.object({
  id: z.string(),
  /** The connection of one identity provider: every rotation of its token stays in it. */
  connectionId: z.string(),
  name: z.string(),
  profile: z.enum(SCIM_PROFILES),
  highestRole: z.enum(ROLES),
  /** Whether the connection is in shadow mode: nothing that it does changes the tenant. */
  shadow: z.boolean(),
  createdAt: time,
  expiresAt: time.nullable(),
  /** To the minute. */
  lastUsedAt: time.nullable(),
  /** The network addresses that it was used from last, newest first, at most five; empty for one just made. */
  lastUsedFrom: z.array(z.object({ address: z.string(), lastUsedAt: time })),
  revoked: z.boolean(),
  revokedAt: time.nullable()
})

/** The token's text is shown here and never again. */
const madeOutput = z.object({ scimToken: scimTokenOutput, token: z.string(), baseUrl: z.string() })

const tokensListInput = listInput({ connectionId: z.uuid().optional(), revoked: z.boolean().optional() }, ['createdAt'])
const MAX_OVERLAP_HOURS = 24 * 90

export const scimTokensRouter = router({
  /** Newest first, including those that have ended. */
  list: administratorProcedure
    .input(tokensListInput)
    .output(listOutput(scimTokenOutput))
    .query(({ ctx, input }) => listPage(ctx, input)),

  /** What connections were refused in the last day, to the hour; those without refusals are left out. */
  errors: administratorProcedure
    .output(
      z.object({
        connections: z.array(
          z.object({
            connectionId: z.string(),
            count: z.number().int(),
            /** The newest. */
            last: z.object({ at: time, status: z.number().int(), detail: z.string() })
          })
        )
      })
    )
    .query(async ({ ctx }) => {
      const rows = await listScimErrors(ctx.deps.db, ctx.tenant.id, ctx.deps.now())
      return {
        connections: rows.map((row) => ({
          connectionId: row.connection_id,
          count: row.count,
          last: { at: row.last_at.toISOString(), status: row.last_status, detail: row.last_detail }
        }))
      }
    }),

  create: administratorProcedure
    .input(
      z.strictObject({
        name: lineInput(100, 1),
        highestRole: z.enum(ROLES).optional(),
        expiresAt: z.iso.datetime({ offset: true }).optional(),
        profile: z.enum(SCIM_PROFILES).optional(),
        /** Begins a connection of its own, in shadow mode: nothing that the token does changes the tenant. */
        shadow: z.boolean().optional()
      })
    )
    .output(madeOutput)
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { shadow, ...input } }) => {
      const expiresAt = input.expiresAt === undefined ? undefined : new Date(input.expiresAt)
      const made = await createScimToken(deps, tenant, actor, { ...input, expiresAt, isApart: shadow })
      if (!shadow) return toMade(made)
      try {
        await openShadow(deps, tenant.id, actor, made.scimToken.connection_id)
        made.scimToken.is_shadow = true
      } catch (error) {
        // nobody has the token yet, and nobody must believe that it is in shadow mode
        await revokeScimToken(deps, tenant, actor, made.scimToken.id)
        throw error
      }
      return toMade(made)
    }),

  rotate: administratorProcedure
    .input(
      z.strictObject({ scimTokenId: z.uuid(), overlapHours: z.number().min(0).max(MAX_OVERLAP_HOURS).default(24) })
    )
    .output(madeOutput)
    .mutation(async ({ ctx, input }) => toMade(await rotateScimToken(ctx.deps, ctx.tenant, ctx.actor, input))),

  revoke: administratorProcedure
    .input(z.strictObject({ scimTokenId: z.uuid() }))
    .output(z.object({ scimToken: scimTokenOutput }))
    .mutation(async ({ ctx, input }) => ({
      scimToken: toScimToken(await revokeScimToken(ctx.deps, ctx.tenant, ctx.actor, input.scimTokenId))
    }))
})

function listPage({ deps, tenant }: TenantContext, input: z.infer<typeof tokensListInput>) {
  const { isDescending, list } = orderOf('scimTokens', input.sort, 'createdAt', 'desc')
  const filter = { search: input.search, ...input.filter }
  return pageById(input, {
    list,
    read: (after, limit) => listScimTokens(deps.db, tenant.id, { ...filter, isDescending, after, limit }),
    count: () => countScimTokens(deps.db, tenant.id, filter),
    toItem: toScimToken
  })
}

const toMade = ({ scimToken, token, baseUrl }: MadeScimToken) => ({ scimToken: toScimToken(scimToken), token, baseUrl })

const toScimToken = (row: ScimTokenView & Partial<Pick<ListedScimToken, 'uses'>>): z.infer<typeof scimTokenOutput> => ({
  id: row.id,
  connectionId: row.connection_id,
  name: row.connection_name,
  profile: row.profile,
  highestRole: row.highest_role,
  shadow: row.is_shadow,
  createdAt: row.created_at.toISOString(),
  expiresAt: isoOrNull(row.expires_at),
  lastUsedAt: isoOrNull(row.last_used_at),
  lastUsedFrom: row.uses ?? [],
  revoked: row.revoked_at !== null,
  revokedAt: isoOrNull(row.revoked_at)
})
