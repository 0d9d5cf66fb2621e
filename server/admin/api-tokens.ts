// apiTokens.*: tokens by which backends call this API. The rules are in server/auth/api-tokens.ts.
import { z } from 'zod'
import { type ApiTokenView, listApiTokens } from '../../db/api-tokens.ts'
import { encodeCursor } from '../../db/cursor.ts'
import { createApiToken, revokeApiToken } from '../auth/api-tokens.ts'
import { effectiveRole, ownerName } from '../auth/principals.ts'
import {
  cursorInput,
  DEFAULT_LIMIT,
  isoOrNull,
  limitInput,
  lineInput,
  listOutput,
  readCursor,
  roleShape
} from './shapes.ts'
import { memberProcedure, personProcedure, router } from './trpc.ts'

const time = z.iso.datetime()
const cursorKeys = z.tuple([z.uuid()])

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
  /** The caller's own, an administrator sees everybody's; newest first. */
  list: memberProcedure
    .input(z.strictObject({ cursor: cursorInput, limit: limitInput }).optional())
    .output(listOutput(apiTokenOutput))
    .query(async ({ ctx: { deps, tenant, actor }, input: { cursor, limit = DEFAULT_LIMIT } = {} }) => {
      const ownerId = actor.role === 'administrator' ? undefined : (actor.id ?? undefined)
      const before = readCursor('apiTokens', cursorKeys, cursor)?.[0]
      const rows = await listApiTokens(deps.db, tenant.id, ownerId, limit + 1, before)
      const page = rows.slice(0, limit)
      return {
        items: page.map(toApiToken),
        nextCursor: rows.length > limit ? encodeCursor('apiTokens', [page.at(-1)!.id]) : null
      }
    }),

  /** `role` is the caller's own where it is left out; `token` is shown this once. */
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

const toApiToken = (row: ApiTokenView): z.infer<typeof apiTokenOutput> => ({
  id: row.id,
  name: row.name,
  role: effectiveRole(row),
  owner: { id: row.user_id, name: ownerName(row) },
  createdAt: row.created_at.toISOString(),
  expiresAt: isoOrNull(row.expires_at),
  lastUsedAt: isoOrNull(row.last_used_at)
})
