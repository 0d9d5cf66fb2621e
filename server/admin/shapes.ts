// What the API's answers and list inputs look like: rows become these shapes here, and nowhere else.
import { z } from 'zod'
import { type CursorKeys, decodeCursor } from '../../db/cursor.ts'
import { ROLES, USER_STATES } from '../../db/schema.ts'
import type { UserView } from '../../db/users.ts'
import { invalid } from '../errors.ts'

export const roleShape = z.enum(ROLES)
export const userIdInput = z.strictObject({ userId: z.uuid() })

const time = z.iso.datetime()

/** A user as every procedure shows it; times in ISO 8601, UTC. */
export const userOutput = z.object({
  id: z.string(),
  /** The login address; null for somebody an IdP made without one. */
  email: z.string().nullable(),
  userName: z.string(),
  displayName: z.string().nullable(),
  givenName: z.string().nullable(),
  familyName: z.string().nullable(),
  role: roleShape,
  state: z.enum(USER_STATES),
  locked: z.boolean(),
  source: z.enum(['invitation', 'scim']),
  /** Of `scim`: the connection's name. */
  sourceName: z.string().nullable(),
  timeZone: z.string().nullable(),
  locale: z.string().nullable(),
  createdAt: time,
  updatedAt: time,
  /** When the person first could sign in. */
  activatedAt: time.nullable(),
  lastSignInAt: time.nullable(),
  /** Nothing signs the person in before a new password is set. */
  mustResetPassword: z.boolean()
})
export type UserOutput = z.infer<typeof userOutput>

export const toUserOutput = (row: UserView): UserOutput => ({
  id: row.id,
  email: row.email,
  userName: row.user_name,
  displayName: row.display_name,
  givenName: row.given_name,
  familyName: row.family_name,
  role: row.role,
  state: row.state,
  locked: row.locked,
  source: row.connection_id ? 'scim' : 'invitation',
  sourceName: row.source_name,
  timeZone: row.time_zone,
  locale: row.locale,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
  activatedAt: isoOrNull(row.activated_at),
  lastSignInAt: isoOrNull(row.last_sign_in_at),
  mustResetPassword: row.must_reset_password
})

export const isoOrNull = (time: Date | null): string | null => time?.toISOString() ?? null

export const MAX_LIMIT = 200
export const DEFAULT_LIMIT = 50

/**
 * What lists take: `{ search?, filter?, sort?: { by, direction? }, cursor?, limit?, includeTotal? }`.
 * @param filter the facts that the list may be narrowed by
 * @param sortKeys what it may be sorted by; the list's own order comes first
 */
export const listInput = <F extends z.ZodRawShape, const S extends readonly [string, ...string[]]>(
  filter: F,
  sortKeys: S
) =>
  z.strictObject({
    search: z.string().max(200).optional(),
    filter: z.strictObject(filter).optional(),
    sort: z.strictObject({ by: z.enum(sortKeys), direction: z.enum(['asc', 'desc']).optional() }).optional(),
    cursor: cursorInput,
    limit: limitInput,
    /** Counting costs as much as reading all: ask for it once, with the first page. */
    includeTotal: z.boolean().optional()
  })

export const cursorInput = z.string().max(2_000).optional()
export const limitInput = z.number().int().min(1).max(MAX_LIMIT).optional()

/** What lists give: `nextCursor` is null on the last page. */
export const listOutput = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable(), total: z.number().int().optional() })

/**
 * The keys that a page begins after; undefined for the first page.
 * @throws AppError invalid `invalidCursor` where the cursor is of another list, another order, or made up
 */
export function readCursor(list: string, keyCount: number, cursor: string | undefined): CursorKeys | undefined {
  if (cursor === undefined) return undefined
  const keys = decodeCursor(list, keyCount, cursor)
  if (!keys) throw invalid('The cursor does not belong to this list and its order', 'invalidCursor')
  return keys
}
