// The shapes of the API's answers and inputs: rows are turned into these here, and nowhere else.
import { z } from 'zod'
import type { ShownAuthority } from '../../db/authority.ts'
import { ROLES, USER_STATES } from '../../db/schema.ts'
import type { UserView } from '../../db/users.ts'

export const roleShape = z.enum(ROLES)
export const userIdInput = z.strictObject({ userId: z.uuid() })

const time = z.iso.datetime()

/** A user as every procedure shows it; times in ISO 8601, UTC. */
export const userOutput = z.object({
  id: z.string(),
  /** The login address; null for somebody whom an IdP created without one. */
  email: z.string().nullable(),
  userName: z.string(),
  displayName: z.string().nullable(),
  givenName: z.string().nullable(),
  familyName: z.string().nullable(),
  role: roleShape,
  state: z.enum(USER_STATES),
  locked: z.boolean(),
  source: z.enum(['invitation', 'scim']),
  /** For `scim`: the connection's name. */
  sourceName: z.string().nullable(),
  timeZone: z.string().nullable(),
  locale: z.string().nullable(),
  createdAt: time,
  updatedAt: time,
  /** When the person first could sign in. */
  activatedAt: time.nullable(),
  lastSignInAt: time.nullable(),
  /** Whether the person must set a new password before signing in by any means. */
  mustResetPassword: z.boolean()
})
type UserOutput = z.infer<typeof userOutput>

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

/** Who owns something. What a connection owns is read-only to everybody else. */
export const authorityShape = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('connection'),
    id: z.string(),
    name: z.string(),
    /** It was removed, and what it owned is kept as it left it. */
    isRemoved: z.boolean(),
    /** For a role: only administrators give roles above it. */
    highestRole: roleShape.optional()
  }),
  z.object({ kind: z.literal('administrator') }),
  z.object({ kind: z.literal('person') })
])
export type AuthorityOutput = z.infer<typeof authorityShape>

/** For what administrators own unless a connection does. */
export const toAuthority = (connection: Pick<ShownAuthority, 'id' | 'name' | 'isRemoved'> | null): AuthorityOutput =>
  connection
    ? { kind: 'connection', id: connection.id, name: connection.name, isRemoved: connection.isRemoved }
    : { kind: 'administrator' }

/**
 * For schemas that are used all the time: checks with code that Zod generates for the schema. tRPC would use its async
 * parser, for which Zod walks through the schema each time.
 */
export const atOnce = <Schema extends z.ZodType>(
  schema: Schema
): { _input: z.input<Schema>; _output: z.output<Schema> } => {
  const parser = { parse: (value: unknown) => schema.parse(value) }
  // the rest of what tRPC asks for is only types
  return parser as typeof parser & { _input: z.input<Schema>; _output: z.output<Schema> }
}

/** One line of text as people type it: trimmed, no control characters. */
export const lineInput = (maxLength: number, minLength = 0) =>
  z
    .string()
    .trim()
    .min(minLength)
    .max(maxLength)
    .refine((text) => !/\p{Cc}/u.test(text) && text.isWellFormed(), 'Control characters are not allowed')

/** Whether `Intl` knows the name, such as `Europe/Zurich`; an offset is not a time zone. */
function isTimeZone(name: string): boolean {
  try {
    return !/^[+-]/.test(name) && Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}

/** Whether a text is a language tag (BCP 47), such as `de-CH`. */
function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

/** Facts that people give about themselves; an empty text removes one. */
export const profileInput = {
  displayName: lineInput(200).optional(),
  givenName: lineInput(200).optional(),
  familyName: lineInput(200).optional(),
  timeZone: z
    .string()
    .refine((name) => name === '' || isTimeZone(name), 'Not a time zone such as Europe/Zurich')
    .optional(),
  locale: z
    .string()
    .max(50)
    .refine((tag) => tag === '' || isLocale(tag), 'Not a language tag such as en-GB')
    .optional()
}

export const isoOrNull = (time: Date | null): string | null => time?.toISOString() ?? null
