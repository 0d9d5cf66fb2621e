// What stands around one user: groups, invitation and its mail, ways to sign in. One statement.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import type { MailState, MailTemplate, Role, StoredInvitationState } from './schema.ts'

/** Times are ISO 8601 texts as PostgreSQL writes them into JSON. */
export interface UserDetails {
  /** Up to MAX_GROUPS groups that the user is a direct member of, by name. */
  groups: { id: string; displayName: string }[]
  group_count: number
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
  /** The newest mail to the user, of whatever kind. */
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
}

const MAX_GROUPS = 200

/** @param now sessions and API tokens count that have not expired by then */
export async function getUserDetails(db: Db, tenantId: number, userId: string, now: Date): Promise<UserDetails> {
  const isTheirs = sql`tenant_id = ${tenantId} and user_id = ${userId}::uuid`
  const row = await readOneInTenant<UserDetails>(
    db,
    tenantId,
    sql<UserDetails>`select
      ${groupsOf(tenantId, userId)} as groups,
      (select count(*)::int from group_members where ${isTheirs}) as group_count,
      (select jsonb_build_object('id', id, 'state', state, 'role', role, 'inviterName', inviter_name,
          'createdAt', created_at, 'renewedAt', renewed_at, 'expiresAt', expires_at, 'endedAt', ended_at)
        from invitations where ${isTheirs} order by id desc limit 1) as invitation,
      (select jsonb_build_object('template', template, 'state', state, 'attempts', attempts,
          'queuedAt', queued_at, 'sentAt', sent_at, 'error', error)
        from mails where ${isTheirs} order by id desc limit 1) as mail,
      (select count(*)::int from sessions where ${isTheirs} and expires_at > ${now}) as session_count,
      (select count(*)::int from api_tokens where ${isTheirs} and (expires_at is null or expires_at > ${now}))
        as api_token_count,
      exists (select from user_credentials where ${isTheirs}) as has_password,
      exists (select from google_identities where ${isTheirs}) as has_google`
  )
  return row!
}

const groupsOf = (tenantId: number, userId: string): RawBuilder<unknown> => sql`(
  select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'displayName', g.display_name) order by g.display_name_key), '[]')
  from (
    select groups.id, groups.display_name, groups.display_name_key
    from group_members m join groups on groups.tenant_id = m.tenant_id and groups.id = m.group_id
    where m.tenant_id = ${tenantId} and m.user_id = ${userId}::uuid
    order by groups.display_name_key limit ${MAX_GROUPS}
  ) g)`
