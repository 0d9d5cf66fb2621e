// Users as members of groups: every statement here names its members or a set of them and reads no member list, so
// that it costs the same in a group of ten and of 100,000.
import { type RawBuilder, sql } from 'kysely'
import { type AuditActor, auditInsertFrom } from './audit.ts'
import { type Db, type Trx, writeInTenant } from './connect.ts'
import { countMemberChanges, isWithinScope } from './groups.ts'

/** One group of one tenant, as far as somebody may see it. */
export interface GroupScope {
  readonly tenantId: number
  readonly groupId: string
  /** The users and groups of this SCIM connection alone; undefined for all of the tenant's. */
  readonly connectionId: string | undefined
}

/** Who changes something, and when. */
export interface Change {
  readonly actor: AuditActor
  readonly now: Date
}

/** The ids that an audit event names; beyond it only the number is told. */
export const MAX_AUDITED_IDS = 1_000

/** What a statement changed: how many memberships, and whose, up to MAX_AUDITED_IDS of them. */
export interface Changed {
  readonly count: number
  readonly ids: string[]
}

/**
 * Locks users, so that nobody removes them before this transaction ends.
 * @param userIds sorted, so that two transactions never wait for each other
 * @returns those of them that exist and are not removed
 */
export async function lockUsersShared(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  connectionId: string | undefined
): Promise<string[]> {
  const { rows } = await lockedUsers(tenantId, userIds, connectionId).execute(trx)
  return rows.map(({ id }) => id)
}

// `for share`: waits for a removal that is under way, and reads the state again when that is done
const lockedUsers = (tenantId: number, userIds: readonly string[], connectionId: string | undefined) =>
  sql<{ id: string }>`
    select users.id from users
    where users.tenant_id = ${tenantId} and users.id = any(${userIds}::uuid[]) and users.state <> 'removed'
      and ${isWithinScope('users', connectionId)}
    order by users.id for share`

// `for key share`: many change the members at once, and whoever holds the row `for update` excludes them
const sharedGroup = ({ tenantId, groupId, connectionId }: GroupScope, condition: RawBuilder<unknown>) => sql`
    select groups.id, groups.display_name from groups
    where groups.tenant_id = ${tenantId} and groups.id = ${groupId} and ${isWithinScope('groups', connectionId)}
      and ${condition}
    for key share`

/**
 * Adds users in one statement, a transaction of its own: checks and locks them and the group, counts and audits what
 * changed.
 * @param userIds sorted, each once
 * @returns false where a user or the group was not found, and nothing was changed
 */
export async function addUsers(
  db: Db,
  scope: GroupScope,
  userIds: readonly string[],
  change: Change
): Promise<boolean> {
  const { tenantId, groupId, connectionId } = scope
  const statement = sql<{ is_found: boolean }>`
    with found as (${lockedUsers(tenantId, userIds, connectionId)}),
      target as (${sharedGroup(scope, sql`(select count(*) from found) = ${userIds.length}::int`)}),
      added as (
        insert into group_members (tenant_id, group_id, user_id)
        select ${tenantId}::int, target.id, found.id from target cross join found order by found.id
        on conflict do nothing returning user_id
      ),
      outcome as (
        select target.id, target.display_name, (select count(*)::int from added) as count,
          array(select user_id from added limit ${MAX_AUDITED_IDS}) as ids
        from target
      ),
      counted as (${countMemberChanges(tenantId, change.now, sql`select id as group_id, count as delta from outcome where count > 0`)}),
      audited as (${auditMembers(tenantId, groupId, change, sql`json_build_object('addedCount', count, 'added', ids)`)})
    select exists (select from outcome) as is_found`
  const [row] = await writeInTenant(db, tenantId, statement)
  return row!.is_found
}

/**
 * Takes one user out in one statement, a transaction of its own.
 * @returns `noGroup`; `isGroup` where the id is that of a group among the members: nothing was changed then
 */
export async function removeUser(
  db: Db,
  scope: GroupScope,
  userId: string,
  change: Change
): Promise<'done' | 'noGroup' | 'isGroup'> {
  const { tenantId, groupId, connectionId } = scope
  const statement = sql<{ is_found: boolean; is_group: boolean }>`
    with target as (${sharedGroup(scope, sql`true`)}),
      removed as (
        delete from group_members where tenant_id = ${tenantId} and group_id = ${groupId} and user_id = ${userId}
          and exists (select from target) and ${isMemberWithinScope(tenantId, connectionId)}
        returning user_id
      ),
      outcome as (
        select target.id, target.display_name, (select count(*)::int from removed) as count,
          array(select user_id from removed) as ids
        from target
      ),
      counted as (${countMemberChanges(tenantId, change.now, sql`select id as group_id, -count as delta from outcome where count > 0`)}),
      audited as (${auditMembers(tenantId, groupId, change, sql`json_build_object('removedCount', count, 'removed', ids)`)})
    select exists (select from outcome) as is_found,
      exists (select from group_children where tenant_id = ${tenantId} and group_id = ${groupId} and child_id = ${userId})
        as is_group`
  const [row] = await writeInTenant(db, tenantId, statement)
  const { is_found, is_group } = row!
  if (!is_found) return 'noGroup'
  return is_group ? 'isGroup' : 'done'
}

/** Of a row of `group_members`: whether the user is one that the scope shows. */
const isMemberWithinScope = (tenantId: number, connectionId: string | undefined) =>
  connectionId === undefined
    ? sql`true`
    : sql`exists (select from users where users.tenant_id = ${tenantId} and users.id = group_members.user_id
        and ${isWithinScope('users', connectionId)})`

const auditMembers = (tenantId: number, groupId: string, { actor, now }: Change, after: RawBuilder<unknown>) =>
  auditInsertFrom(
    tenantId,
    actor,
    now,
    { action: MEMBERS_CHANGED, targetType: 'group', targetId: groupId },
    { targetName: sql`display_name`, after },
    sql`outcome where count > 0`
  )

/** The one audit event of a change of members: `after` holds addedCount, added, removedCount, removed. */
export const MEMBERS_CHANGED = 'group.membersChanged'

/**
 * Adds users to a group; their rows and the group's are locked, and counting is up to the caller.
 * @param userIds sorted
 */
export async function insertMembers(
  trx: Trx,
  { tenantId, groupId }: GroupScope,
  userIds: readonly string[]
): Promise<Changed> {
  return changedBy(
    trx,
    sql`
      insert into group_members (tenant_id, group_id, user_id)
      select ${tenantId}::int, ${groupId}::uuid, id from unnest(${userIds}::uuid[]) as id
      on conflict do nothing returning user_id as id`
  )
}

/**
 * Takes users out of a group whose row is locked `for update`; counting is up to the caller.
 * @param chosen a condition on rows of `group_members`
 */
export async function deleteMembers(
  trx: Trx,
  { tenantId, groupId, connectionId }: GroupScope,
  chosen: RawBuilder<unknown>
): Promise<Changed> {
  return changedBy(
    trx,
    sql`
      delete from group_members
      where tenant_id = ${tenantId} and group_id = ${groupId} and ${chosen}
        and ${isMemberWithinScope(tenantId, connectionId)}
      returning user_id as id`
  )
}

/** @param statement changes memberships and returns the `id` of each */
export async function changedBy(trx: Trx, statement: RawBuilder<unknown>): Promise<Changed> {
  const { rows } = await sql<Changed>`
    with changed as (${statement})
    select (select count(*)::int from changed) as count, array(select id from changed limit ${MAX_AUDITED_IDS}) as ids`.execute(
    trx
  )
  return rows[0]!
}
