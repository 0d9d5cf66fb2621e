// apiTokens.*: tokens by which backends call this API. The rules are in server/auth/api-tokens.ts.
import { z } from 'zod'
import { type ApiTokenView, countApiTokens, listApiTokens } from '../../db/api-tokens.ts'
import { createApiToken, revokeApiToken } from '../auth/api-tokens.ts'
import { effectiveRole, ownerName } from '../auth/principals.ts'
import { listInput, listOutput, orderOf, pageById } from './paging.ts'
import { isoOrNull, lineInput, roleShape } from './shapes.ts'
import { type MemberContext, memberProcedure, personProcedure, router } from './trpc.ts'

const time = z.iso.datetime()
/** `userId`: whose tokens. */
const tokensListInput = listInput({ userId: z.uuid().optional() }, ['createdAt'])

const apiTokenOutput = z.object({
  id: z.string(),
  name: z.string(),
  /** What it may do today: at most what its owner may. */
  role: roleShape,
  owner: z.object({ id: z.string(), name: z.string() }),
  createdAt: time,
  /** Null: never. */
  expiresAt: time.nullable(),
  /** To within a minute. */
  lastUsedAt: time.nullable()
})
const apiTokenAnswer = z.object({ apiToken: apiTokenOutput })

export const apiTokensRouter = router({
  /** The caller's own; an administrator sees everybody's. Newest first. */
  list: memberProcedure
    .input(tokensListInput)
    .output(listOutput(apiTokenOutput))
    .query(({ ctx, input }) => listPage(ctx, input)),

  /** `role` defaults to the caller's own; `token` is shown only this once. */
  create: personProcedure
    .input(
      z.strictObject({
        name: lineInput(100, 1),
        role: roleShape.optional(),
        expiresAt: z.iso.datetime({ offset: true }).optional()
      })
    )
    .output(apiTokenAnswer.extend({ token: z.string() }))
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { name, role = actor.role, expiresAt } }) => {
      const { apiToken, token } = await createApiToken(deps, tenant, actor, {
        name,
        role,
        expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt)
      })
      return { apiToken: toApiToken(apiToken), token }
    }),

  revoke: memberProcedure
    .input(z.strictObject({ apiTokenId: z.uuid() }))
    .output(apiTokenAnswer)
    .mutation(async ({ ctx: { deps, tenant, actor }, input }) => ({
      apiToken: toApiToken(await revokeApiToken(deps, tenant, actor, input.apiTokenId))
    }))
})

function listPage({ deps, tenant, actor }: MemberContext, input: z.infer<typeof tokensListInput>) {
  const { isDescending, list } = orderOf('apiTokens', input.sort, 'createdAt', 'desc')
  const filter = {
    search: input.search,
    userId: input.filter?.userId,
    ownerId: actor.role === 'administrator' ? undefined : (actor.id ?? undefined)
  }
  return pageById(input, {
    list,
    read: (after, limit) => listApiTokens(deps.db, tenant.id, { ...filter, isDescending, after, limit }),
    count: () => countApiTokens(deps.db, tenant.id, filter),
    toItem: toApiToken
  })
}

const toApiToken = (row: ApiTokenView): z.infer<typeof apiTokenOutput> => ({
  id: row.id,
  name: row.name,
  role: effectiveRole(row),
  owner: { id: row.user_id, name: ownerName(row) },
  createdAt: row.created_at.toISOString(),
  expiresAt: isoOrNull(row.expires_at),
  lastUsedAt: isoOrNull(row.last_used_at)
})
