// What people hold that lets them in, or lets them be part of something, and how it ends.
import { sql } from 'kysely'
import { releaseAddressesOf } from './addresses.ts'
import type { Trx } from './connect.ts'
import { countMemberChanges } from './groups.ts'

/**
 * - `locked`: sessions, API tokens, one-time codes and unused reset links are gone, mails with such links are not sent;
 * - `deactivated`: also pending invitations are revoked, so that their links and mails are dead;
 * - `removed`: also password, second factor and Google link are gone, and the login address is free for other tenants.
 */
export type Ending = 'locked' | 'deactivated' | 'removed'

export interface Ended {
  /** Whether any session or API token was alive. */
  readonly hadCredentials: boolean
  /** The invitations that were revoked. */
  readonly invitations: { id: string; userId: string }[]
  /** The groups that were left: one entry per person and group. */
  readonly memberships: { groupId: string; userId: string }[]
}

const LEFT_GROUPS = sql`select group_id, -count(*)::int as delta from left_groups group by group_id`

/**
 * Deletes or revokes what ends with the access of `userIds`, in one statement for any number of people.
 * @param options.leavesGroupsBy for `removed`: takes the people out of their groups and counts that in
 *   `group_revisions`, as for every change of memberships; the ids of their removals' audit events, in the order of
 *   `userIds`
 */
export async function deleteAccess(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date,
  what: Ending,
  { leavesGroupsBy }: { leavesGroupsBy?: readonly string[] }
): Promise<Ended> {
  const isOfThem = sql`tenant_id = ${tenantId}::int and user_id = any(${userIds}::uuid[])`
  const endsInvitations = what !== 'locked'
  const endsIdentity = what === 'removed'
  const leavesGroups = endsIdentity && leavesGroupsBy !== undefined

  // a statement of its own, sent along: where tables are distributed, these rows lie on other nodes
  const freed = endsIdentity && releaseAddressesOf(trx, tenantId, userIds)
  const ending = sql<{
    credentials: number
    invitations: Ended['invitations']
    memberships: Ended['memberships']
  }>`
    with ended_sessions as (delete from sessions where ${isOfThem} returning 1),
      ended_api_tokens as (delete from api_tokens where ${isOfThem} returning 1),
      ended_codes as (delete from one_time_codes where ${isOfThem}),
      ended_resets as (delete from password_resets where ${isOfThem} and used_at is null),
      ended_invitations as (
        update invitations set state = 'revoked', ended_at = ${now}
        where ${isOfThem} and state = 'pending' and ${endsInvitations} returning id, user_id
      ),
      ended_mails as (
        update mails set state = 'cancelled', token_sealed = null
        where ${isOfThem} and state = 'queued' and (template = 'password-reset' or ${endsInvitations})
      ),
      ended_passwords as (delete from user_credentials where ${isOfThem} and ${endsIdentity}),
      ended_second_factors as (delete from second_factors where ${isOfThem} and ${endsIdentity}),
      ended_google as (delete from google_identities where ${isOfThem} and ${endsIdentity}),
      -- whoever changes all members of a group holds it first, and then comes to the memberships
      their_groups as (
        select id from groups where tenant_id = ${tenantId} and ${leavesGroups}
          and id in (select group_id from group_members where ${isOfThem})
        order by id for key share
      ),
      left_groups as (
        delete from group_members where ${isOfThem} and group_id in (select id from their_groups)
        returning group_id, user_id, connection_id, event_id
      ),
      kept as (
        insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
        select ${tenantId}::int, group_id, user_id, connection_id, event_id, removed_event_id
        from left_groups
        join unnest(${userIds}::uuid[], ${leavesGroupsBy ?? []}::uuid[]) as removals (user_id, removed_event_id)
          using (user_id)
        returning 1
      ),
      counted as (${countMemberChanges(tenantId, now, LEFT_GROUPS)})
    select
      ((select count(*) from ended_sessions) + (select count(*) from ended_api_tokens))::int as credentials,
      coalesce((select jsonb_agg(jsonb_build_object('id', id, 'userId', user_id)) from ended_invitations), '[]')
        as invitations,
      coalesce((select jsonb_agg(jsonb_build_object('groupId', group_id, 'userId', user_id)) from left_groups), '[]')
        as memberships`.execute(trx)
  const [{ rows }] = await Promise.all([ending, freed])
  const { credentials, invitations, memberships } = rows[0]!
  return { hadCredentials: credentials > 0, invitations, memberships }
}

/** Whether one of `userIds` has a session or an API token. */
export async function hasCredentials(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<boolean> {
  const { rows } = await sql`
    select 1 from sessions where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[])
    union all select 1 from api_tokens where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[])
    limit 1`.execute(trx)
  return rows.length > 0
}
