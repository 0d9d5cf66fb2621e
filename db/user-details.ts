// One user with what belongs to them: groups, invitation, newest mail, ways to sign in.
import { type RawBuilder, sql } from 'kysely'
import { authorities, type ShownAuthority, shownAuthority } from './authority.ts'
import type { Db } from './connect.ts'
import { gatheredLookup, usersSought } from './gather.ts'
import type { MailState, MailTemplate, Role, StoredInvitationState } from './schema.ts'
import { CONNECTION_COLUMN, SHOWN_COLUMNS, type ShownUser, shownUserColumns, toShownUser } from './shown-users.ts'
import type { Fields } from './tenant-query.ts'

/** Times are ISO 8601 texts as PostgreSQL writes them into JSON. */
export interface UserDetails {
  user: ShownUser
  /** Their own role if groups give a higher one; null otherwise. */
  given_role: Role | null
  /** Up to MAX_GROUPS groups that the user is a direct member of, by name, with the connection that added them. */
  groups: { id: string; displayName: string; connectionId: string | null }[]
  group_count: number
  connection_id: string | null
  authority: string
  /** The document if a connection owns any part of the user; null otherwise. */
  doc: string | null
  /** Every connection of the tenant that may own attributes. */
  connections: ShownAuthority[]
  /** The newest one. */
  invitation: {
    id: string
    state: StoredInvitationState
    role: Role
    inviterName: string
    createdAt: string
    renewedAt: string
    expiresAt: string
    endedAt: string | null
  } | null
  /** The newest mail to the user, of any kind. */
  mail: {
    template: MailTemplate
    state: MailState
    attempts: number
    queuedAt: string
    sentAt: string | null
    error: string | null
  } | null
  session_count: number
  api_token_count: number
  has_password: boolean
  has_google: boolean
  has_second_factor: boolean
}

const MAX_GROUPS = 200

const isTheirs = (tenantId: unknown) => sql`tenant_id = ${tenantId} and user_id = users.id`

const groupsOf = (tenantId: unknown): RawBuilder<unknown> => sql`(
  select jsonb_agg(jsonb_build_object('id', g.id, 'displayName', g.display_name, 'connectionId', g.connection_id)
    order by g.display_name_key)
  from (
    select groups.id, groups.display_name, groups.display_name_key, m.connection_id
    from group_members m join groups on groups.tenant_id = m.tenant_id and groups.id = m.group_id
    where m.tenant_id = ${tenantId} and m.user_id = users.id
    order by groups.display_name_key limit ${sql.lit(MAX_GROUPS)}
  ) g)`

const findDetails = gatheredLookup<UserDetails, { now: string }>(
  ({ tenantId, keys, now }) => sql`
    select sought.key, ${shownUserColumns(tenantId)}, users.given_role,
      ${groupsOf(tenantId)},
      (select count(*) from group_members where ${isTheirs(tenantId)}),
      (select jsonb_build_object('id', id, 'state', state, 'role', role, 'inviterName', inviter_name,
          'createdAt', created_at, 'renewedAt', renewed_at, 'expiresAt', expires_at, 'endedAt', ended_at)
        from invitations where ${isTheirs(tenantId)} order by id desc limit 1),
      (select jsonb_build_object('template', template, 'state', state, 'attempts', attempts,
          'queuedAt', queued_at, 'sentAt', sent_at, 'error', error)
        from mails where ${isTheirs(tenantId)} order by id desc limit 1),
      (select count(*) from sessions where ${isTheirs(tenantId)} and expires_at > ${now}::timestamptz),
      (select count(*) from api_tokens where ${isTheirs(tenantId)} and (expires_at is null or expires_at > ${now}::timestamptz)),
      exists (select from user_credentials where ${isTheirs(tenantId)}),
      exists (select from google_identities where ${isTheirs(tenantId)}),
      exists (select from second_factors where ${isTheirs(tenantId)} and confirmed_at is not null),
      users.authority,
      case when users.connection_id is not null or users.authority::text <> '{}' then users.doc end,
      (select jsonb_agg(${shownAuthority}) from (${authorities(tenantId)}) as a)
    from ${usersSought(tenantId, keys, 'id', 'uuid')}`,
  toDetails
)

/**
 * Finds a user in any state (also removed).
 * @param userId as PostgreSQL writes it
 * @param now counts sessions and API tokens that have not expired by then, to the second
 */
export function findUserDetails(db: Db, tenantId: number, userId: string, now: Date): Promise<UserDetails | undefined> {
  const second = new Date(now)
  second.setMilliseconds(0)
  // the same text for all requests within a second, so that they share a statement
  return findDetails(db, tenantId, { now: second.toISOString() }, userId)
}

function toDetails([, ...fields]: Fields): UserDetails {
  const [
    givenRole,
    groups,
    groupCount,
    invitation,
    mail,
    sessions,
    tokens,
    hasPassword,
    hasGoogle,
    hasSecond,
    ...authority
  ] = fields.slice(SHOWN_COLUMNS)
  const [exceptions, doc, connections] = authority
  return {
    user: toShownUser(fields),
    given_role: givenRole as Role | null,
    groups: parse(groups) ?? [],
    group_count: Number(groupCount),
    invitation: parse(invitation),
    mail: parse(mail),
    session_count: Number(sessions),
    api_token_count: Number(tokens),
    has_password: hasPassword === 't',
    has_google: hasGoogle === 't',
    has_second_factor: hasSecond === 't',
    connection_id: fields[CONNECTION_COLUMN]!,
    authority: exceptions!,
    doc: doc!,
    connections: parse(connections) ?? []
  }
}

const parse = (text: string | null | undefined) => (text ? JSON.parse(text) : null)
