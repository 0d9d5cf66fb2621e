// The brake against mass deprovisioning: permits, which database functions grant (migration 20261125T1200), and the
// changes that were held because none was left.
import { type RawBuilder, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { type Db, readInTenant, readOneInTenant, type Trx } from './connect.ts'
import { type ColumnTypes, rowSet } from './rows.ts'
import type { BrakeSettings, HeldKind, HeldState } from './schema.ts'

/** How many people a connection may deprovision per hour: the greater of the two. */
export interface BrakeLimits {
  /** Percent of the tenant's active users. */
  readonly percent: number
  readonly people: number
}

/** Whole minutes since 1970. */
export const minuteOf = (time: Date): number => Math.floor(time.getTime() / 60_000)

/** People whom a connection deprovisions, in a transaction that has already written it. */
export interface Deprovisioning {
  readonly connectionId: string
  readonly limits: BrakeLimits
  readonly kind: HeldKind
}

/** 0: go on. Positive: held; permits may be available in so many seconds. -1: an administrator rejected the change. */
export type BrakeOutcome = number
export const REJECTED = -1

/**
 * Takes permits for deactivations or removals. Send it as the transaction's last statement that locks. It takes all
 * permits of a connection at once: taking more while holding some could deadlock.
 * @param people.leaving how many people were active before this transaction and no longer are
 */
export async function takeUserPermits(
  trx: Trx,
  tenantId: number,
  { connectionId, limits, kind }: Deprovisioning,
  people: { ids: readonly string[]; leaving: number },
  now: Date
): Promise<BrakeOutcome> {
  const { rows } = await sql<{ outcome: number }>`
    select take_brake_permits(${tenantId}, ${connectionId}::uuid, ${kind}, ${people.ids}::uuid[],
      ${people.ids}::uuid[], '{}', null, ${people.leaving}, ${minuteOf(now)}, ${limits.percent}::numeric,
      ${limits.people}) as outcome`.execute(trx)
  return rows[0]!.outcome
}

/** The memberships that an event ended. */
export interface EndedMemberships {
  readonly groupId: string
  readonly eventId: string
}

/** Users and groups that an event removed from a group and that have not been added again. */
const leftBy = (tenantId: number, { groupId, eventId }: EndedMemberships) => ({
  users: sql`
    select past.user_id from past_memberships past
    where past.tenant_id = ${tenantId} and past.group_id = ${groupId}::uuid and past.removed_event_id = ${eventId}::uuid
      and not exists (select from group_members m where m.tenant_id = ${tenantId} and m.group_id = ${groupId}::uuid
        and m.user_id = past.user_id)`,
  children: sql`
    select past.child_id from past_children past
    where past.tenant_id = ${tenantId} and past.group_id = ${groupId}::uuid and past.removed_event_id = ${eventId}::uuid
      and not exists (select from group_children c where c.tenant_id = ${tenantId} and c.group_id = ${groupId}::uuid
        and c.child_id = past.child_id)`
})

/** Takes permits for all who lost a group, also those who were in it through a nested one. See takeUserPermits. */
export async function takeMemberPermits(
  trx: Trx,
  tenantId: number,
  { connectionId, limits, kind }: Deprovisioning,
  ended: EndedMemberships,
  now: Date
): Promise<BrakeOutcome> {
  const left = leftBy(tenantId, ended)
  const { rows } = await sql<{ outcome: number }>`
    with users_left as materialized (${left.users}), children_left as materialized (${left.children})
    select take_brake_permits(${tenantId}, ${connectionId}::uuid, ${kind},
      array(
        select user_id from users_left
        union
        select m.user_id from children_left
        join group_ancestors a on a.tenant_id = ${tenantId} and a.ancestor_id = children_left.child_id
        join group_members m on m.tenant_id = ${tenantId} and m.group_id = a.group_id
      ),
      array(select user_id from users_left), array(select child_id from children_left), ${ended.groupId}::uuid, 0,
      ${minuteOf(now)}, ${limits.percent}::numeric, ${limits.people}) as outcome`.execute(trx)
  return rows[0]!.outcome
}

/** Whom an event removed from a group. Call it in the transaction that did so. */
export async function readLeft(
  trx: Trx,
  tenantId: number,
  ended: EndedMemberships
): Promise<{ userIds: string[]; childIds: string[] }> {
  const left = leftBy(tenantId, ended)
  const { rows } = await sql<{ userIds: string[]; childIds: string[] }>`
    select array(${left.users}) as "userIds", array(${left.children}) as "childIds"`.execute(trx)
  return rows[0]!
}

/**
 * Part of a statement that is its own transaction: makes it fail if permits are missing (brakeOutcomeOf).
 * @param people an array of those whose membership ends; `given.brakeConnectionId` is null if no brake applies
 */
export const requirePermit = (
  given: Readonly<Record<'tenantId' | 'groupId' | BrakeValue, unknown>>,
  people: RawBuilder<unknown>
): RawBuilder<boolean> => sql`
  case when ${given.brakeConnectionId}::uuid is not null then require_brake_permits(${given.tenantId}::int,
    ${given.brakeConnectionId}::uuid, 'leave', ${people}, ${given.groupId}::uuid, ${given.brakeMinute}::int,
    ${given.brakePercent}::numeric, ${given.brakePeople}::int) end`

export type BrakeValue = 'brakeConnectionId' | 'brakeMinute' | 'brakePercent' | 'brakePeople'

/** The values of requirePermit. */
export const brakeValues = (
  brake: Omit<Deprovisioning, 'kind'> | undefined,
  now: Date
): Record<BrakeValue, unknown> => ({
  brakeConnectionId: brake?.connectionId ?? null,
  brakeMinute: minuteOf(now),
  brakePercent: brake?.limits.percent ?? null,
  brakePeople: brake?.limits.people ?? null
})

/** Why requirePermit refused; undefined for any other error. */
export function brakeOutcomeOf(error: unknown): BrakeOutcome | undefined {
  const { code, detail } = (error ?? {}) as { code?: string; detail?: string }
  return code === 'MB429' ? Number(detail) : undefined
}

/** Changes that were held together: one for each of the users and nested groups, or a single one for the group. */
export interface HeldTogether {
  readonly kind: HeldKind
  readonly userIds: readonly string[]
  readonly childIds: readonly string[]
  readonly groupId: string | null
}

/**
 * Records held changes; for a change that was held before it counts another attempt.
 * @returns `isNew` if this begins a mass deprovisioning; undefined if the connection's changes are let through now: the
 *   caller then rolls the record back
 */
export async function noteHeld(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  { kind, userIds, childIds, groupId }: HeldTogether,
  now: Date
): Promise<{ isNew: boolean } | undefined> {
  const subjects = [
    ...userIds.map((user_id) => ({ user_id, child_id: null })),
    ...childIds.map((child_id) => ({ user_id: null, child_id }))
  ]
  const rows = subjects.length > 0 ? subjects : [{ user_id: null, child_id: null }]
  const ids = rows.map((row) => ({ ...row, id: uuidv7({ msecs: now.getTime() }) }))
  await sql`
    insert into held_changes (tenant_id, id, connection_id, kind, user_id, child_id, group_id, first_at, last_at)
    select ${tenantId}::int, subject.id, ${connectionId}::uuid, ${kind}, subject.user_id, subject.child_id,
      ${groupId}::uuid, ${now}::timestamptz, ${now}::timestamptz
    from ${rowSet('subject', SUBJECT_COLUMNS, ids)} order by subject.user_id, subject.child_id
    on conflict (tenant_id, connection_id, user_id, group_id, kind, child_id) do update set
      last_at = greatest(held_changes.last_at, excluded.last_at), tries = held_changes.tries + 1`.execute(trx)
  const before = await sql<{ is_released: boolean; is_new: boolean }>`
    select coalesce(released_minute >= ${minuteOf(now)}, false) as is_released,
      episode_at is null or episode_ended_at is not null or last_held_at < ${new Date(now.getTime() - EPISODE_MS)}
        as is_new
    from brakes where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid for update`.execute(trx)
  const brake = before.rows[0]
  if (!brake || brake.is_released) return undefined
  await sql`
    update brakes set has_held = true, last_held_at = greatest(last_held_at, ${now}::timestamptz),
      episode_at = case when ${brake.is_new} then ${now}::timestamptz else episode_at end, episode_ended_at = null
    where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid`.execute(trx)
  return { isNew: brake.is_new }
}

/** After a day without an attempt, the next held change counts as a new mass deprovisioning, with a new mail. */
const EPISODE_MS = 24 * 3_600_000

const SUBJECT_COLUMNS: ColumnTypes = { id: 'uuid', user_id: 'uuid', child_id: 'uuid' }

/** A held or rejected change that would still have an effect. */
export interface HeldChange {
  id: string
  kind: HeldKind
  state: HeldState
  user_id: string | null
  user_name: string | null
  user_email: string | null
  child_id: string | null
  child_name: string | null
  group_id: string | null
  group_name: string | null
  first_at: Date
  last_at: Date
  tries: number
}

const heldChanges = (
  tenantId: number,
  connectionId: string | RawBuilder<string>
): RawBuilder<HeldChange> => sql<HeldChange>`
  select h.id, h.kind, h.state, h.user_id, h.child_id, h.group_id, h.first_at, h.last_at, h.tries,
    coalesce(users.display_name, nullif(concat_ws(' ', users.given_name, users.family_name), ''), users.email,
      users.user_name) as user_name,
    users.email as user_email, child.display_name as child_name, groups.display_name as group_name
  from held_changes h
  left join users on users.tenant_id = h.tenant_id and users.id = h.user_id
  left join groups child on child.tenant_id = h.tenant_id and child.id = h.child_id
  left join groups on groups.tenant_id = h.tenant_id and groups.id = h.group_id
  where h.tenant_id = ${tenantId} and h.connection_id = ${connectionId}::uuid
    and case h.kind
      when 'deactivate' then users.state in ('active', 'invited')
      when 'remove' then users.state <> 'removed'
      when 'removeGroup' then groups.id is not null
      else exists (select from group_members m
          where m.tenant_id = ${tenantId} and m.group_id = h.group_id and m.user_id = h.user_id)
        or exists (select from group_children c
          where c.tenant_id = ${tenantId} and c.group_id = h.group_id and c.child_id = h.child_id) end`

/**
 * Held or rejected changes, oldest first. Leaves out those that others have carried out meanwhile.
 * @param page.after the last id of the previous page
 * @param page.ids only these
 */
export const listHeld = (
  db: Db,
  tenantId: number,
  connectionId: string,
  page: { state: HeldState; after?: string; limit: number; ids?: readonly string[] }
): Promise<HeldChange[]> =>
  readInTenant<HeldChange>(
    db,
    tenantId,
    sql<HeldChange>`${heldChanges(tenantId, connectionId)} and h.state = ${page.state}
      and ${page.after === undefined ? sql`true` : sql`h.id > ${page.after}::uuid`}
      and ${page.ids === undefined ? sql`true` : sql`h.id = any(${page.ids}::uuid[])`}
      order by h.id limit ${page.limit}`
  )

/** The permits that a connection has used, and the changes that are held. */
interface BrakeStatus {
  /** Active users at the last count; null if nobody was deprovisioned yet. */
  base: number | null
  /** People deprovisioned within the last hour. */
  given: number
  released_minute: number | null
  episode_at: Date | null
  held_changes: number
  /** Distinct people among them, including members of groups that were to be removed. */
  held_people: number
  rejected_changes: number
}

/** One statement. */
export const readBrakeStatus = (
  db: Db,
  tenantId: number,
  connectionId: string,
  now: Date
): Promise<BrakeStatus | undefined> =>
  readOneInTenant<BrakeStatus>(
    db,
    tenantId,
    sql<BrakeStatus>`
      with held as materialized (${heldChanges(tenantId, connectionId)})
      select (select base from brakes b where b.tenant_id = ${tenantId} and b.connection_id = c.id
          and b.based_minute > 0) as base,
        (select coalesce(sum(brake_given(s.minutes, s.last_minute, ${minuteOf(now)})), 0)::int from brake_slots s
          where s.tenant_id = ${tenantId} and s.connection_id = c.id) as given,
        (select released_minute from brakes b where b.tenant_id = ${tenantId} and b.connection_id = c.id)
          as released_minute,
        (select episode_at from brakes b where b.tenant_id = ${tenantId} and b.connection_id = c.id
          and b.episode_ended_at is null) as episode_at,
        (select count(*)::int from held where state = 'held') as held_changes,
        (select count(*)::int from held where state = 'rejected') as rejected_changes,
        (select count(*)::int from (
          select user_id from held where state = 'held' and user_id is not null
          union
          select m.user_id from held
          join group_ancestors a on a.tenant_id = ${tenantId} and a.ancestor_id = coalesce(held.child_id, held.group_id)
          join group_members m on m.tenant_id = ${tenantId} and m.group_id = a.group_id
          where held.state = 'held' and held.user_id is null
        ) as people) as held_people
      from scim_connections c where c.tenant_id = ${tenantId} and c.id = ${connectionId}::uuid`
  )

/** A connection with held changes. */
export interface HoldingConnection {
  id: string
  name: string
  brake: BrakeSettings
  since: Date
}

/** Connections with held changes that would still have an effect: the others need no decision. */
export const listHolding = (db: Db, tenantId: number): Promise<HoldingConnection[]> =>
  readInTenant(
    db,
    tenantId,
    sql<HoldingConnection>`
      select c.id, c.name, c.brake, b.episode_at as since from brakes b
      join scim_connections c on c.tenant_id = b.tenant_id and c.id = b.connection_id
      where b.tenant_id = ${tenantId} and b.has_held and b.episode_ended_at is null
        and exists (${heldChanges(tenantId, sql`c.id`)} and h.state = 'held')
      order by b.episode_at`
  )

/** Lets all changes of a connection through for an hour. */
export const releaseBrake = (trx: Trx, tenantId: number, connectionId: string, now: Date) =>
  sql`
    update brakes set released_minute = ${minuteOf(now) + 60}, episode_ended_at = ${now}
    where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid`.execute(trx)

/** Rejects held changes. @param ids only these @returns how many */
export async function rejectHeld(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  ids: readonly string[] | undefined
): Promise<number> {
  const { numAffectedRows } = await sql`
    update held_changes set state = 'rejected'
    where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid and state = 'held'
      and ${ids === undefined ? sql`true` : sql`id = any(${ids}::uuid[])`}`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** Deletes held or rejected changes. @param chosen a condition on rows of `held_changes` @returns how many */
export async function forgetHeld(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  chosen: RawBuilder<unknown>
): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from held_changes
    where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid and ${chosen}`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** Updates the brake's row from its held changes. If none are left, the mass deprovisioning is over. */
export const settleBrake = (trx: Trx, tenantId: number, connectionId: string, now: Date) =>
  sql`
    update brakes b set has_held = states.has_held, has_rejected = states.has_rejected,
      episode_ended_at = case when states.has_held then b.episode_ended_at
        else coalesce(b.episode_ended_at, ${now}::timestamptz) end
    from (
      select coalesce(bool_or(state = 'held'), false) as has_held,
        coalesce(bool_or(state = 'rejected'), false) as has_rejected
      from held_changes where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid
    ) as states
    where b.tenant_id = ${tenantId} and b.connection_id = ${connectionId}::uuid`.execute(trx)
