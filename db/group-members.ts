// Users as members of groups. No statement here reads a whole member list, so each costs the same in a group of ten and
// of 100,000.
import { type RawBuilder, sql } from 'kysely'
import {
  type AuditActor,
  auditInsertFrom,
  auditInsertOf,
  connectionOf,
  EVENT_COLUMNS,
  eventColumns,
  newEventId
} from './audit.ts'
import { type BrakeValue, brakeValues, type Deprovisioning, requirePermit } from './brakes.ts'
import type { Db, Trx } from './connect.ts'
import { countMemberChanges, isWithinScope } from './groups.ts'
import { keepEndedMemberships, keepMemberships, type MemberCause } from './past-members.ts'
import { prepare, prepareWrite, writeTogether } from './prepared.ts'
import { columnSet, columnsOf } from './rows.ts'

/** A group of a tenant, restricted to what the caller may see. */
export interface GroupScope {
  readonly tenantId: number
  readonly groupId: string
  /** Only this SCIM connection's users and groups are visible; undefined for all of the tenant's. */
  readonly connectionId: string | undefined
}

/** Who makes a change, and when. */
export interface Change {
  readonly actor: AuditActor
  readonly now: Date
}

/** How many ids an audit event lists; of more it gives only the number. */
export const MAX_AUDITED_IDS = 1_000

/** How many memberships a statement changed, and up to MAX_AUDITED_IDS of the members. */
export interface Changed {
  readonly count: number
  readonly ids: string[]
}

/**
 * Locks users so that nobody can remove them before this transaction ends.
 * @param userIds sorted, so that two transactions cannot deadlock
 * @returns those that exist and are not removed
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

// `for share` waits for a concurrent removal and then reads the state again
const lockedUsers = (tenantId: number, userIds: readonly string[], connectionId: string | undefined) =>
  sql<{ id: string }>`
    select users.id from users
    where users.tenant_id = ${tenantId} and users.id = any(${userIds}::uuid[]) and users.state <> 'removed'
      and ${isWithinScope('users', connectionId)}
    order by users.id for share`

// `for key share`: many transactions may change members at once; one that holds the row `for update` excludes them
const sharedGroup = ({ tenantId, groupId, connectionId }: GroupScope, condition: RawBuilder<unknown>) => sql`
    select groups.id, groups.display_name from groups
    where groups.tenant_id = ${tenantId} and groups.id = ${groupId} and ${isWithinScope('groups', connectionId)}
      and ${condition}
    for key share`

/** The parameters of the two statements below. */
type Values = Record<
  'groupId' | 'users' | 'connectionId' | 'byConnectionId' | 'eventId' | 'now' | Exclude<keyof AuditActor, 'scim'>,
  unknown
>
type Given = Readonly<Values & { tenantId: unknown }>

const valuesOf = ({ groupId, connectionId }: GroupScope, users: unknown, { actor, now }: Change): Values => ({
  groupId,
  users,
  connectionId,
  byConnectionId: connectionOf(actor),
  eventId: newEventId(now),
  now,
  kind: actor.kind,
  id: actor.id,
  name: actor.name,
  requestId: actor.requestId,
  ip: actor.ip
})

/** A scope made of placeholders. */
const scopeOf = ({ tenantId, groupId, connectionId }: Given, isOwn: boolean) =>
  ({ tenantId, groupId, connectionId: isOwn ? connectionId : undefined }) as GroupScope

/**
 * Adds users in one statement that is its own transaction: it checks and locks them and the group, counts the change
 * and writes its audit event.
 * @param userIds sorted, without duplicates
 * @returns false if a user or the group was not found; nothing is changed then
 */
export async function addUsers(
  db: Db,
  scope: GroupScope,
  userIds: readonly string[],
  change: Change
): Promise<boolean> {
  const add = scope.connectionId === undefined ? addStatement : addOwnStatement
  const [row] = await add(db, scope.tenantId, valuesOf(scope, userIds, change))
  return row!.is_found
}

const prepareAdd = (isOwn: boolean) =>
  prepareWrite<{ is_found: boolean }, Values>((given) => {
    const scope = scopeOf(given, isOwn)
    const { tenantId, connectionId } = scope
    const isComplete = sql`(select count(*) from found) = cardinality(${given.users}::uuid[])`
    const { counted, audited } = consequences(
      given,
      sql`select id as group_id, count as delta from outcome where count > 0`,
      sql`json_build_object('addedCount', count, 'added', ids)`,
      sql`outcome where count > 0`
    )
    return sql`
      with found as (${lockedUsers(tenantId, given.users as string[], connectionId)}),
        target as (${sharedGroup(scope, isComplete)}),
        added as (
          insert into group_members (tenant_id, group_id, user_id, connection_id, event_id)
          select ${tenantId}::int, target.id, found.id, ${given.byConnectionId}::uuid, ${given.eventId}::uuid
          from target cross join found order by found.id
          on conflict do nothing returning user_id
        ),
        outcome as (
          select target.id, target.display_name, (select count(*)::int from added) as count,
            array(select user_id from added limit ${sql.lit(MAX_AUDITED_IDS)}) as ids
          from target
        ),
        counted as (${counted}),
        audited as (${audited})
      select exists (select from outcome) as is_found`
  })
const addStatement = prepareAdd(false)
const addOwnStatement = prepareAdd(true)

/**
 * Removes one user in one statement that is its own transaction.
 * @param brake the statement fails without its permit (brakeOutcomeOf)
 * @returns `noGroup`; `isGroup` if the id is that of a nested group; `isManaged` if a person acts and a connection
 *   added the user. Nothing is changed in these cases.
 */
export async function removeUser(
  db: Db,
  scope: GroupScope,
  userId: string,
  change: Change,
  brake: Omit<Deprovisioning, 'kind'> | undefined
): Promise<RemoveOutcome> {
  const remove = scope.connectionId === undefined ? removeStatement : removeOwnStatement
  const after = JSON.stringify({ removedCount: 1, removed: [userId] })
  const [row] = await remove(db, scope.tenantId, {
    ...valuesOf(scope, userId, change),
    ...brakeValues(brake, change.now),
    after
  })
  return row!.outcome
}

type RemoveOutcome = 'done' | 'noGroup' | 'isGroup' | 'isManaged'

const prepareRemove = (isOwn: boolean) =>
  prepareWrite<{ outcome: RemoveOutcome }, Values & Record<'after' | BrakeValue, unknown>>((given) => {
    const scope = scopeOf(given, isOwn)
    const { tenantId, groupId, connectionId } = scope
    const { counted, audited } = consequences(
      given,
      sql`select ${groupId}::uuid as group_id, -1 as delta from removed`,
      sql`${given.after}::json`,
      sql`removed`
    )
    return sql`
      with target as (${sharedGroup(scope, sql`true`)}),
        removed as (
          delete from group_members using target
          where group_members.tenant_id = ${tenantId} and group_members.group_id = ${groupId}
            and group_members.user_id = ${given.users}::uuid and ${isMemberWithinScope(tenantId, connectionId)}
            and (${given.byConnectionId}::uuid is not null or group_members.connection_id is null)
          returning target.display_name, group_members.group_id, group_members.user_id, group_members.connection_id,
            group_members.event_id
        ),
        kept as (${keepMemberships(tenantId, given.eventId, sql`removed`)}),
        counted as (${counted}),
        audited as (${audited})
      select case
        when exists (select from removed) then 'done'
        when not exists (select from target) then 'noGroup'
        when exists (select from group_children
          where tenant_id = ${tenantId} and group_id = ${groupId} and child_id = ${given.users}::uuid) then 'isGroup'
        when ${given.byConnectionId}::uuid is null and exists (select from group_members
          where tenant_id = ${tenantId} and group_id = ${groupId} and user_id = ${given.users}::uuid) then 'isManaged'
        else 'done' end as outcome,
        (select ${requirePermit(given, sql`array[removed.user_id]`)} from removed) as permitted`
  })
const removeStatement = prepareRemove(false)
const removeOwnStatement = prepareRemove(true)

/** A user to remove from a group, and who does it. */
interface Removal extends Change {
  readonly groupId: string
  readonly userId: string
}

/**
 * Removes users from groups in one statement that is its own transaction. All removals are by the same connection, or
 * by none.
 * @param removals without duplicates; all of one group if a brake applies
 * @param brake see removeUser
 * @returns for each whether it was done; removeUser tells why it was not
 */
export async function removeUsers(
  db: Db,
  { tenantId, connectionId }: Omit<GroupScope, 'groupId'>,
  removals: readonly Removal[],
  brake: Omit<Deprovisioning, 'kind'> | undefined
): Promise<boolean[]> {
  const [{ actor, groupId }, now] = [removals[0]!, new Date(Math.max(...removals.map((one) => one.now.getTime())))]
  const rows = removals.map((removal) => ({
    ...eventColumns(removal),
    group_id: removal.groupId,
    user_id: removal.userId
  }))
  const statement = connectionId === undefined ? removeAllStatement : removeAllOwnStatement
  const values = { tenantId, connectionId, byConnectionId: connectionOf(actor), groupId, now }
  const [done] = await writeTogether(db, tenantId, [
    statement(db, { ...values, ...brakeValues(brake, now), ...columnsOf(REMOVAL, rows) })
  ])
  const ids = new Set(done!.map(([eventId]) => eventId))
  return rows.map(({ event_id }) => ids.has(event_id))
}

const REMOVAL = { ...EVENT_COLUMNS, group_id: 'uuid', user_id: 'uuid' }

const prepareRemoveAll = (isOwn: boolean) =>
  prepare((p) => {
    const given = p as Given & Record<BrakeValue, unknown>
    const { tenantId, connectionId } = scopeOf(given, isOwn)
    const audited = auditInsertOf(
      tenantId,
      { action: MEMBERS_CHANGED, targetType: 'group', targetId: sql`group_id`, connectionId: given.byConnectionId },
      {
        targetName: sql`display_name`,
        after: sql`('{"removedCount":1,"removed":["' || user_id || '"]}')::json`
      },
      sql`(select given.*, removed.display_name from removed join given using (group_id, user_id)) as told`
    )
    const counts = sql`select group_id, -count(*)::int as delta from removed group by group_id`
    return sql`
      with given as (select * from ${columnSet('given', REMOVAL, p)}),
        target as (
          select groups.id, groups.display_name from groups
          where groups.tenant_id = ${tenantId} and groups.id in (select group_id from given)
            and ${isWithinScope('groups', connectionId)}
          order by groups.id for key share
        ),
        removed as (
          delete from group_members using given join target on target.id = given.group_id
          where group_members.tenant_id = ${tenantId} and group_members.group_id = given.group_id
            and group_members.user_id = given.user_id and ${isMemberWithinScope(tenantId, connectionId)}
            and (${given.byConnectionId}::uuid is not null or group_members.connection_id is null)
          returning target.display_name, group_members.group_id, group_members.user_id, group_members.connection_id,
            group_members.event_id, given.event_id as removed_event_id
        ),
        kept as (${keepEndedMemberships(tenantId, sql`removed`)}),
        counted as (${countMemberChanges(tenantId, given.now as Date, counts, sql`-source.delta`)}),
        audited as (${audited})
      select removed_event_id, (select ${requirePermit(given, sql`array(select user_id from removed)`)}) from removed`
  })
const removeAllStatement = prepareRemoveAll(false)
const removeAllOwnStatement = prepareRemoveAll(true)

/** An actor made of placeholders. */
const actorOf = ({ kind, id, name, requestId, ip, byConnectionId }: Given) =>
  ({ kind, id, name, requestId, ip, scim: { connectionId: byConnectionId } }) as AuditActor

/** Condition on a row of `group_members`: the user is visible in the scope. */
const isMemberWithinScope = (tenantId: number, connectionId: string | undefined) =>
  connectionId === undefined
    ? sql`true`
    : sql`exists (select from users where users.tenant_id = ${tenantId} and users.id = group_members.user_id
        and ${isWithinScope('users', connectionId)})`

/**
 * The parts of a statement that come after its change of memberships.
 * @param counts a select of (group_id, delta)
 * @param source has `display_name`, and a row if something changed
 */
function consequences(
  given: Given,
  counts: RawBuilder<unknown>,
  after: RawBuilder<unknown>,
  source: RawBuilder<unknown>
): Record<'counted' | 'audited', RawBuilder<unknown>> {
  const tenantId = given.tenantId as number
  const now = given.now as Date
  return {
    counted: countMemberChanges(tenantId, now, counts),
    audited: auditInsertFrom(
      tenantId,
      actorOf(given),
      now,
      { id: given.eventId as string, action: MEMBERS_CHANGED, targetType: 'group', targetId: given.groupId as string },
      { targetName: sql`display_name`, after },
      source
    )
  }
}

/** The audit event of a change of members: `after` holds addedCount, added, removedCount, removed. */
export const MEMBERS_CHANGED = 'group.membersChanged'

/**
 * Adds users to a group. The caller has locked their rows and the group's, and counts the change.
 * @param userIds sorted
 */
export async function insertMembers(
  trx: Trx,
  { tenantId, groupId }: GroupScope,
  userIds: readonly string[],
  { eventId, connectionId }: MemberCause
): Promise<Changed> {
  return changedBy(
    trx,
    sql`
      insert into group_members (tenant_id, group_id, user_id, connection_id, event_id)
      select ${tenantId}::int, ${groupId}::uuid, id, ${connectionId}::uuid, ${eventId}::uuid
      from unnest(${userIds}::uuid[]) as id
      on conflict do nothing returning user_id as id`
  )
}

/**
 * Removes users from a group. The caller has locked the group `for update`, and counts the change.
 * @param chosen a condition on rows of `group_members`
 */
export async function deleteMembers(
  trx: Trx,
  { tenantId, groupId, connectionId }: GroupScope,
  chosen: RawBuilder<unknown>,
  { eventId }: MemberCause
): Promise<Changed> {
  return changedBy(
    trx,
    sql`
      delete from group_members
      where tenant_id = ${tenantId} and group_id = ${groupId} and ${chosen}
        and ${isMemberWithinScope(tenantId, connectionId)}
      returning user_id as id, group_id, user_id, connection_id, event_id`,
    keepMemberships(tenantId, eventId, sql`changed`)
  )
}

/**
 * @param statement changes memberships and returns the `id` of each
 * @param kept further parts that use the rows that the statement returns, as `changed`
 */
export async function changedBy(
  trx: Trx,
  statement: RawBuilder<unknown>,
  kept: RawBuilder<unknown> = sql`select`
): Promise<Changed> {
  const { rows } = await sql<Changed>`
    with changed as (${statement}), kept as (${kept})
    select (select count(*)::int from changed) as count, array(select id from changed limit ${MAX_AUDITED_IDS}) as ids`.execute(
    trx
  )
  return rows[0]!
}
