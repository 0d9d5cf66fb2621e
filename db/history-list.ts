// The history of a user, a group or a SCIM connection: newest first, paged by the events' ids.
import { type RawBuilder, sql } from 'kysely'
import { firstIdAt } from './audit-log.ts'
import { type Db, readInTenant, readOneInTenant } from './connect.ts'
import type { HistoryEvent } from './history.ts'

export type HistoryOf = { readonly userId: string } | { readonly groupId: string } | { readonly connectionId: string }

interface HistoryPage {
  /** At or after. */
  readonly since?: Date
  /** The id of the last event of the page before. */
  readonly after?: string
  readonly limit: number
}

/** A membership that an event began or ended; times are ISO 8601 texts as PostgreSQL writes them into JSON. */
interface HistoryMembership {
  groupId: string
  /** Null where the group is gone. */
  groupName: string | null
  change: 'joined' | 'left'
  /** For `left`: when the membership began, if known. */
  since: string | null
  /** The SCIM connection that the membership belonged to; null if people made it. */
  connectionId: string | null
}

export type HistoryRow = HistoryEvent & {
  connection_name: string | null
  /** Only in a user's history. */
  memberships: HistoryMembership[] | null
}

/** Up to `limit` events; one statement. */
export const listHistory = (db: Db, tenantId: number, of: HistoryOf, page: HistoryPage): Promise<HistoryRow[]> =>
  readInTenant<HistoryRow>(
    db,
    tenantId,
    sql<HistoryRow>`
      select e.id, e.at, e.action, e.actor_kind, e.actor_id, e.actor_name, e.target_type, e.target_id, e.target_name,
        e.request_id, e.ip, e.before, e.after, e.connection_id,
        (select c.name from scim_connections c where c.tenant_id = ${tenantId} and c.id = e.connection_id)
          as connection_name,
        ${'userId' in of ? membershipsOf(tenantId, of.userId) : sql`null::jsonb`} as memberships
      from (${eventIds(tenantId, of, page)}) as found
      join audit_events e on e.tenant_id = ${tenantId} and e.id = found.id
      order by e.id desc`
  )

function eventIds(tenantId: number, of: HistoryOf, page: HistoryPage): RawBuilder<unknown> {
  const part = (table: string, column: string, condition: RawBuilder<unknown>) => {
    const id = sql.ref(column)
    return sql`(
      select distinct ${id} as id from ${sql.table(table)}
      where tenant_id = ${tenantId} and ${condition} and ${id} is not null
        ${page.after === undefined ? sql`` : sql`and ${id} < ${page.after}::uuid`}
        ${page.since === undefined ? sql`` : sql`and ${id} >= ${firstIdAt(page.since)}::uuid`}
      order by ${id} desc limit ${page.limit})`
  }
  const parts = () => {
    if ('connectionId' in of) return [part('audit_events', 'id', sql`connection_id = ${of.connectionId}::uuid`)]
    if ('groupId' in of) {
      const isOf = sql`group_id = ${of.groupId}::uuid`
      return [
        part('audit_events', 'id', sql`target_id = ${of.groupId}::uuid and target_type = 'group'`),
        // a user who was removed left the group, too
        part('past_memberships', 'removed_event_id', isOf)
      ]
    }
    const isOf = sql`user_id = ${of.userId}::uuid`
    return [
      part('audit_events', 'id', sql`target_id = ${of.userId}::uuid and target_type = 'user'`),
      part('group_members', 'event_id', isOf),
      part('past_memberships', 'added_event_id', isOf),
      part('past_memberships', 'removed_event_id', isOf)
    ]
  }
  // nested, because a single part already has an `order by` and a select takes only one
  return sql`select id from (${sql.join(parts(), sql` union `)}) as ids order by id desc limit ${page.limit}`
}

/** The user's memberships that the event `e` began or ended. */
const membershipsOf = (tenantId: number, userId: string) => sql`(
  select jsonb_agg(jsonb_build_object('groupId', m.group_id, 'groupName', g.display_name, 'change', m.change,
      'since', a.at, 'connectionId', m.connection_id) order by m.change, g.display_name_key)
  from (
    select group_id, connection_id, 'joined' as change, null::uuid as since_event_id from group_members
    where tenant_id = ${tenantId} and user_id = ${userId}::uuid and event_id = e.id
    union all
    select group_id, connection_id, 'joined', null from past_memberships
    where tenant_id = ${tenantId} and user_id = ${userId}::uuid and added_event_id = e.id
    union all
    select group_id, connection_id, 'left', added_event_id from past_memberships
    where tenant_id = ${tenantId} and user_id = ${userId}::uuid and removed_event_id = e.id
  ) m
  left join groups g on g.tenant_id = ${tenantId} and g.id = m.group_id
  left join audit_events a on a.tenant_id = ${tenantId} and a.id = m.since_event_id)`

/** What has a history. */
export type Historied = 'User' | 'Group' | 'Connection'

/** Whether the tenant has, or is known to have had, such a resource; one statement. */
export async function isKnown(db: Db, tenantId: number, what: Historied, id: string): Promise<boolean> {
  const isIn = (table: string) =>
    sql`exists (select from ${sql.table(table)} where tenant_id = ${tenantId} and id = ${id}::uuid)`
  const isTold = sql`exists (
    select from audit_events where tenant_id = ${tenantId} and target_id = ${id}::uuid and target_type = ${what.toLowerCase()})`
  const known = {
    User: isIn('users'),
    Group: sql`${isIn('groups')} or ${isTold}`,
    Connection: sql`${isIn('scim_connections')} or ${isIn('past_connections')}`
  }[what]
  const row = await readOneInTenant(db, tenantId, sql<{ is_known: boolean }>`select ${known} as is_known`)
  return row?.is_known === true
}
