// What history and undo read: events of targets and of connections, and who was a member of what, and when.
import { type RawBuilder, sql } from 'kysely'
import { type AuditRow, firstIdAt } from './audit-log.ts'
import { type Db, readInTenant, type Trx } from './connect.ts'
import { rowSet } from './rows.ts'

export type HistoryEvent = AuditRow & { connection_id: string | null }

const EVENT_COLUMNS = sql`e.id, e.at, e.action, e.actor_kind, e.actor_id, e.actor_name, e.target_type, e.target_id,
  e.target_name, e.request_id, e.ip, e.before, e.after, e.connection_id`

/** Which events: one; those of a target or a connection since a time; those of one undo. */
type EventSelection =
  | { readonly eventId: string }
  | { readonly targetId: string; readonly from: Date }
  | { readonly connectionId: string; readonly from: Date }
  | { readonly undoId: string; readonly to: Date }

/** Up to `limit` events, oldest first; one statement. */
export const selectEvents = (db: Db, tenantId: number, selection: EventSelection, limit: number) =>
  readInTenant<HistoryEvent>(
    db,
    tenantId,
    sql<HistoryEvent>`
      select ${EVENT_COLUMNS} from audit_events e
      where e.tenant_id = ${tenantId} and ${isSelected(selection)}
      order by e.id limit ${limit}`
  )

function isSelected(selection: EventSelection): RawBuilder<unknown> {
  if ('eventId' in selection) return sql`e.id = ${selection.eventId}::uuid`
  if ('undoId' in selection) {
    const end = firstIdAt(new Date(selection.to.getTime() + 1))
    return sql`e.id >= ${selection.undoId}::uuid and e.id < ${end}::uuid and e.after ->> 'undoId' = ${selection.undoId}`
  }
  const first = firstIdAt(selection.from)
  return 'targetId' in selection
    ? sql`e.target_id = ${selection.targetId}::uuid and e.id >= ${first}::uuid`
    : sql`e.connection_id = ${selection.connectionId}::uuid and e.id >= ${first}::uuid`
}

/** All events of targets from an event on, oldest first, grouped by target. */
export async function readTargetEvents(
  trx: Trx,
  tenantId: number,
  targetIds: readonly string[],
  fromId: string
): Promise<Map<string, HistoryEvent[]>> {
  const { rows } = await sql<HistoryEvent>`
    select ${EVENT_COLUMNS} from audit_events e
    where e.tenant_id = ${tenantId} and e.target_id = any(${targetIds}::uuid[]) and e.id >= ${fromId}::uuid
    order by e.id`.execute(trx)
  return Map.groupBy(rows, ({ target_id }) => target_id!)
}

/** Events by their ids, in no order. */
export async function selectEventsById(trx: Trx, tenantId: number, ids: readonly string[]): Promise<HistoryEvent[]> {
  const { rows } = await sql<HistoryEvent>`
    select ${EVENT_COLUMNS} from audit_events e
    where e.tenant_id = ${tenantId} and e.id = any(${ids}::uuid[])`.execute(trx)
  return rows
}

/** A member and the group: `member_id` is a user, or a group that is a member. */
export interface Pair {
  readonly group_id: string
  readonly member_id: string
}

/** Which memberships: those that events touched, or those of a member or a group that changed from an event on. */
export type PairSelection =
  | {
      readonly eventIds: readonly string[]
      readonly groupIds: readonly string[]
      readonly memberIds: readonly string[]
    }
  | { readonly memberId: string; readonly fromId: string }
  | { readonly groupId: string; readonly fromId: string }

type Kind = 'users' | 'groups'
const TABLES = {
  users: { now: sql`group_members`, past: sql`past_memberships`, member: sql`user_id` },
  groups: { now: sql`group_children`, past: sql`past_children`, member: sql`child_id` }
} as const

/** The selected pairs, each once, sorted by group and member; one statement. */
export const selectPairs = (db: Db, tenantId: number, kind: Kind, selection: PairSelection): Promise<Pair[]> => {
  const { now, past, member } = TABLES[kind]
  const pair = sql`group_id, ${member} as member_id`
  return readInTenant<Pair>(
    db,
    tenantId,
    sql<Pair>`
      select ${pair} from ${now} where tenant_id = ${tenantId} and ${isPairSelected(selection, member, [sql`event_id`])}
      union
      select ${pair} from ${past}
      where tenant_id = ${tenantId} and ${isPairSelected(selection, member, [sql`removed_event_id`, sql`added_event_id`])}
      order by group_id, member_id`
  )
}

function isPairSelected(selection: PairSelection, member: RawBuilder<unknown>, events: readonly RawBuilder<unknown>[]) {
  if ('eventIds' in selection) {
    const { eventIds, groupIds, memberIds } = selection
    const isTouched = events.map((event) => sql`${event} = any(${eventIds}::uuid[])`)
    return sql`(group_id = any(${groupIds}::uuid[]) or ${member} = any(${memberIds}::uuid[]))
      and (${sql.join(isTouched, sql` or `)})`
  }
  const isLater = sql.join(
    events.map((event) => sql`${event} >= ${selection.fromId}::uuid`),
    sql` or `
  )
  const isOf =
    'memberId' in selection ? sql`${member} = ${selection.memberId}::uuid` : sql`group_id = ${selection.groupId}::uuid`
  return sql`${isOf} and (${isLater})`
}

/** The events, from one on, that began or ended memberships of a user or a group; one statement. */
export const selectPairEvents = (
  db: Db,
  tenantId: number,
  of: Exclude<PairSelection, { eventIds: unknown }>
): Promise<{ id: string }[]> => {
  const part = ({ now, past, member }: (typeof TABLES)[Kind]) => {
    const isOf = 'memberId' in of ? sql`${member} = ${of.memberId}::uuid` : sql`group_id = ${of.groupId}::uuid`
    return sql`
      select event_id as id from ${now} where tenant_id = ${tenantId} and ${isOf}
      union select added_event_id from ${past} where tenant_id = ${tenantId} and ${isOf}
      union select removed_event_id from ${past} where tenant_id = ${tenantId} and ${isOf}`
  }
  return readInTenant<{ id: string }>(
    db,
    tenantId,
    sql<{ id: string }>`select id from (${part(TABLES.users)} union ${part(TABLES.groups)}) as ids
      where id >= ${of.fromId}::uuid`
  )
}

/** A membership that ended because its group or its member was removed. */
export interface LostMembership extends Pair {
  readonly member_name: string | null
  readonly group_name: string | null
}

/** Memberships that an undo ended by removing users or groups; one statement. */
export const readLostMemberships = (
  db: Db,
  tenantId: number,
  undoId: string,
  gone: { userIds: readonly string[]; groupIds: readonly string[] }
): Promise<LostMembership[]> => {
  const ids = sql`${[...gone.userIds, ...gone.groupIds]}::uuid[]`
  const part = ({ past, member }: (typeof TABLES)[Kind], name: RawBuilder<unknown>) => sql`
    select p.group_id, p.${member} as member_id, ${name} as member_name,
      coalesce(g.display_name, case when e.target_id = p.group_id then e.target_name end) as group_name
    from ${past} p
    join audit_events e on e.tenant_id = ${tenantId} and e.id = p.removed_event_id and e.target_id = any(${ids})
      and e.after ->> 'undoId' = ${undoId}
    left join groups g on g.tenant_id = ${tenantId} and g.id = p.group_id
    where p.tenant_id = ${tenantId} and (p.group_id = any(${ids}) or p.${member} = any(${ids}))
      and p.removed_event_id >= ${undoId}::uuid`
  return readInTenant<LostMembership>(
    db,
    tenantId,
    sql<LostMembership>`
      ${part(
        TABLES.users,
        sql`(select coalesce(u.display_name, nullif(concat_ws(' ', u.given_name, u.family_name), ''), u.email,
          u.user_name) from users u where u.tenant_id = ${tenantId} and u.id = p.user_id)`
      )}
      union all
      ${part(
        TABLES.groups,
        sql`(select m.display_name from groups m where m.tenant_id = ${tenantId} and m.id = p.child_id)`
      )}
      order by group_id, member_id`
  )
}

/** A period for which a user or group was a member; the newest one may still last. */
export interface Period extends Pair {
  readonly connection_id: string | null
  readonly added_event_id: string | null
  readonly removed_event_id: string | null
}

/** All periods of the pairs; those of each pair oldest first. */
export async function readPeriods(trx: Trx, tenantId: number, kind: Kind, pairs: readonly Pair[]): Promise<Period[]> {
  const { now, past, member } = TABLES[kind]
  const asked = rowSet('p', { group_id: 'uuid', member_id: 'uuid' }, pairs)
  const { rows } = await sql<Period>`
    with p as materialized (select * from ${asked})
    select m.group_id, m.${member} as member_id, m.connection_id, m.added_event_id, m.removed_event_id
    from p join ${past} m on m.tenant_id = ${tenantId} and m.group_id = p.group_id and m.${member} = p.member_id
    union all
    select m.group_id, m.${member}, m.connection_id, m.event_id, null
    from p join ${now} m on m.tenant_id = ${tenantId} and m.group_id = p.group_id and m.${member} = p.member_id
    order by removed_event_id nulls last`.execute(trx)
  return rows
}

/** For each of the events that is part of an undo: the events that it took back. */
export async function readTakenBack(
  trx: Trx,
  tenantId: number,
  eventIds: readonly string[]
): Promise<Map<string, ReadonlySet<string>>> {
  const { rows } = await sql<{ id: string; undone: string }>`
    select id, after -> 'undone' as undone from audit_events
    where tenant_id = ${tenantId} and id = any(${eventIds}::uuid[]) and after ->> 'undoId' is not null`.execute(trx)
  return new Map(rows.map(({ id, undone }) => [id, new Set(JSON.parse(undone) as string[])]))
}

/**
 * The events that began or ended past memberships, by user or group.
 * @param ids users or groups that have no memberships any more
 */
export async function readMembershipEvents(
  trx: Trx,
  tenantId: number,
  ids: readonly string[]
): Promise<Map<string, string[]>> {
  if (ids.length === 0) return new Map()
  const part = (past: string, of: string) => sql`
    select ${sql.ref(of)} as id, unnest(array[added_event_id, removed_event_id]) as event_id from ${sql.table(past)}
    where tenant_id = ${tenantId} and ${sql.ref(of)} = any(${ids}::uuid[])`
  const { rows } = await sql<{ id: string; events: string[] }>`
    select id, array_agg(distinct event_id) as events from (
      ${part('past_memberships', 'user_id')} union all ${part('past_memberships', 'group_id')}
      union all ${part('past_children', 'group_id')} union all ${part('past_children', 'child_id')}
    ) as ended where event_id is not null group by id`.execute(trx)
  return new Map(rows.map(({ id, events }) => [id, events]))
}

/** A change of one membership. */
export interface MembershipChange extends Pair {
  /** The membership's new state; undefined if it ends. */
  readonly to: { readonly connectionId: string | null } | undefined
  /** The audit event of the change. */
  readonly eventId: string
}

/** Ends and begins memberships of locked groups; an existing one that changes its connection is ended first. */
export async function writeMemberships(
  trx: Trx,
  tenantId: number,
  kind: Kind,
  changes: readonly MembershipChange[]
): Promise<void> {
  if (changes.length === 0) return
  const { now, past, member } = TABLES[kind]
  const types = { group_id: 'uuid', member_id: 'uuid', event_id: 'uuid', connection_id: 'uuid' }
  const rows = changes.map(({ group_id, member_id, eventId, to }) => ({
    group_id,
    member_id,
    event_id: eventId,
    connection_id: to?.connectionId ?? null
  }))
  const begun = rows.filter((_, index) => changes[index]!.to)
  await Promise.all([
    sql`
      with gone as (
        delete from ${now} m using ${rowSet('r', types, rows)}
        where m.tenant_id = ${tenantId} and m.group_id = r.group_id and m.${member} = r.member_id
        returning m.group_id, m.${member} as member_id, m.connection_id, m.event_id, r.event_id as removed_event_id
      )
      insert into ${past} (tenant_id, group_id, ${member}, connection_id, added_event_id, removed_event_id)
      select ${tenantId}::int, group_id, member_id, connection_id, event_id, removed_event_id from gone
      returning 1`.execute(trx),
    begun.length > 0 &&
      sql`
        insert into ${now} (tenant_id, group_id, ${member}, connection_id, event_id)
        select ${tenantId}::int, group_id, member_id, connection_id, event_id from ${rowSet('r', types, begun)}
        returning 1`.execute(trx)
  ])
}
