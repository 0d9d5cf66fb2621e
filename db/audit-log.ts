// Reading the audit log: newest first, paged by the events' ids, which begin with their time (UUID version 7).
import { type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely'
import { type Db, readInTenant } from './connect.ts'
import type { ActorKind, AuditEventsTable } from './schema.ts'

export interface AuditLogQuery {
  /** Part of the action, the actor's name, or the target's name or id, in any letter case. */
  readonly search?: string
  /** `user.deactivated`, or with a final dot all actions of a kind: `user.`. */
  readonly action?: string
  readonly actorId?: string
  readonly actorKind?: ActorKind
  readonly targetId?: string
  /** At or after. */
  readonly from?: Date
  /** Before. */
  readonly to?: Date
  /** Only events about this user and the user's invitations. */
  readonly aboutUserId?: string
  /** Newest first unless set. */
  readonly isAscending?: boolean
  /** The id of the last event of the page before. */
  readonly after?: string
  readonly limit: number
}

/** `before` and `after` as JSON text. */
export type AuditRow = Omit<Selectable<AuditEventsTable>, 'tenant_id' | 'connection_id' | 'xid'>

/** Up to `limit` events in the order asked for; one statement. */
export const listAuditEvents = (db: Db, tenantId: number, query: AuditLogQuery): Promise<AuditRow[]> =>
  readInTenant<AuditRow>(
    db,
    tenantId,
    sql<AuditRow>`
      select id, at, action, actor_kind, actor_id, actor_name, target_type, target_id, target_name, request_id, ip,
        before, after
      from audit_events
      where tenant_id = ${tenantId} and ${sql.join(conditionsOf(tenantId, query), sql` and `)}
      order by id ${sql.raw(query.isAscending ? 'asc' : 'desc')} limit ${query.limit}`
  )

/** How many events the list has in all. */
export async function countAuditEvents(
  db: Db,
  tenantId: number,
  query: Omit<AuditLogQuery, 'after' | 'limit'>
): Promise<number> {
  const count = sql<{ total: number }>`
    select count(*)::int as total from audit_events
    where tenant_id = ${tenantId} and ${sql.join(conditionsOf(tenantId, query), sql` and `)}`
  const [row] = await readInTenant<{ total: number }>(db, tenantId, count)
  return row!.total
}

function conditionsOf(tenantId: number, query: Omit<AuditLogQuery, 'limit'>): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = [sql<SqlBool>`true`]
  if (query.after !== undefined) {
    conditions.push(query.isAscending ? sql`id > ${query.after}::uuid` : sql`id < ${query.after}::uuid`)
  }
  if (query.from) conditions.push(sql`id >= ${firstIdAt(query.from)}::uuid`)
  if (query.to) conditions.push(sql`id < ${firstIdAt(query.to)}::uuid`)
  if (query.action !== undefined) {
    conditions.push(
      query.action.endsWith('.') ? sql`starts_with(action, ${query.action})` : sql`action = ${query.action}`
    )
  }
  if (query.actorId !== undefined) conditions.push(sql`actor_id = ${query.actorId}::uuid`)
  if (query.actorKind !== undefined) conditions.push(sql`actor_kind = ${query.actorKind}`)
  if (query.targetId !== undefined) conditions.push(sql`target_id = ${query.targetId}::uuid`)
  if (query.aboutUserId !== undefined) conditions.push(isAbout(tenantId, query.aboutUserId))
  const search = query.search?.trim().toLowerCase()
  if (search) {
    conditions.push(
      sql`strpos(lower(concat_ws(chr(10), action, actor_name, target_name, target_id::text)), ${search}::text) > 0`
    )
  }
  return conditions
}

const isAbout = (tenantId: number, userId: string) => sql`target_id = any(array(
  select i.id from invitations i where i.tenant_id = ${tenantId} and i.user_id = ${userId}::uuid
  union all select ${userId}::uuid))`

/** The lowest UUID version 7 of a millisecond. */
export function firstIdAt(time: Date): string {
  const hex = Math.max(0, time.getTime()).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`
}
