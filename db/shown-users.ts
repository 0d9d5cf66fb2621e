// Users as people see them, read as text: rows that become text again are not parsed in between.
import { type RawBuilder, sql } from 'kysely'
import type { Role, UserState } from './schema.ts'
import type { Fields } from './tenant-query.ts'
import { toIsoTime } from './times.ts'

/** Times are ISO 8601, UTC. */
export interface ShownUser {
  readonly id: string
  readonly email: string | null
  readonly userName: string
  readonly displayName: string | null
  readonly givenName: string | null
  readonly familyName: string | null
  readonly role: Role
  readonly state: UserState
  readonly locked: boolean
  readonly source: 'invitation' | 'scim'
  /** For `scim`: the connection's name. */
  readonly sourceName: string | null
  readonly timeZone: string | null
  readonly locale: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly activatedAt: string | null
  readonly lastSignInAt: string | null
  readonly mustResetPassword: boolean
}

/** A select list on a row of `users`; toShownUser reads its columns. */
export const shownUserColumns = (tenantId: unknown): RawBuilder<unknown> => sql`
  users.id, users.email, users.user_name, users.display_name, users.given_name, users.family_name, users.role,
  users.state, users.locked, users.connection_id,
  case when users.connection_id is not null then
    (select name from scim_connections c where c.tenant_id = ${tenantId} and c.id = users.connection_id) end,
  users.time_zone, users.locale, users.created_at, users.updated_at, users.activated_at, users.last_sign_in_at,
  users.must_reset_password`

/** How many columns the list has. */
export const SHOWN_COLUMNS = 18
/** The position of the connection among them. */
export const CONNECTION_COLUMN = 9

/** @param fields begin with the columns of the select list */
export const toShownUser = (fields: Fields): ShownUser => ({
  id: fields[0]!,
  email: fields[1]!,
  userName: fields[2]!,
  displayName: fields[3]!,
  givenName: fields[4]!,
  familyName: fields[5]!,
  role: fields[6] as Role,
  state: fields[7] as UserState,
  locked: fields[8] === 't',
  source: fields[CONNECTION_COLUMN] === null ? 'invitation' : 'scim',
  sourceName: fields[10]!,
  timeZone: fields[11]!,
  locale: fields[12]!,
  createdAt: toIsoTime(fields[13]!),
  updatedAt: toIsoTime(fields[14]!),
  activatedAt: isoOrNull(fields[15]!),
  lastSignInAt: isoOrNull(fields[16]!),
  mustResetPassword: fields[17] === 't'
})

const isoOrNull = (text: string | null) => (text === null ? null : toIsoTime(text))
