// The audit log as a feed, oldest first, which misses nothing: whoever has read to a cursor reads on from there.
//
// Events are in the order of the transactions that wrote them, not of their ids, and only those are given that no
// running transaction can precede any more: one that began early and commits late is read when it has committed.
// While some transaction that writes stays open, in whichever database of the cluster, the feed waits at its place.
import { sql } from 'kysely'
import type { AuditRow } from './audit-log.ts'
import { type Db, readInTenant } from './connect.ts'

/** A place in a tenant's feed: the last event that was read. */
export interface EventCursor {
  /** PostgreSQL's xid8, as text. */
  readonly xid: string
  /** The event's id. */
  readonly id: string
}

/** Whether a place lies behind another one. */
export const isBehind = (place: EventCursor, other: EventCursor): boolean =>
  place.xid === other.xid ? place.id > other.id : BigInt(place.xid) > BigInt(other.xid)

export type FeedEvent = AuditRow & EventCursor & { connection_id: string | null }

const NO_ID = '00000000-0000-0000-0000-000000000000'

/**
 * Up to `limit` events behind `cursor`, in the feed's order; one statement. The last one given is the next cursor;
 * where none is given, the cursor stays what it was.
 */
export const readEventsAfter = (db: Db, tenantId: number, cursor: EventCursor, limit: number): Promise<FeedEvent[]> =>
  readInTenant<FeedEvent>(db, tenantId, feedAfter(tenantId, cursor, limit))

/** The same as a statement, for a transaction of the tenant. */
export const feedAfter = (tenantId: number, cursor: EventCursor, limit: number) => sql<FeedEvent>`
  select id, at, action, actor_kind, actor_id, actor_name, target_type, target_id, target_name, request_id, ip,
    before, after, connection_id, xid::text as xid
  from audit_events
  where tenant_id = ${tenantId} and (xid, id) > (${cursor.xid}::xid8, ${cursor.id}::uuid)
    and xid < pg_snapshot_xmin(pg_current_snapshot())
  order by audit_events.xid, id limit ${limit}`

/** Where the feed ends now, for who wants only what is new: whatever commits from now on is behind it. */
export async function readFeedEnd(db: Db): Promise<EventCursor> {
  const { rows } = await sql<{ xid: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as xid`.execute(db)
  return { xid: rows[0]!.xid, id: NO_ID }
}
