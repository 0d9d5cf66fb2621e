// The audit log as a feed, oldest first, that misses nothing: a reader goes on from its cursor.
//
// Events are ordered by the transactions that wrote them, not by their ids. The feed gives an event only once no
// running transaction can still precede it: what a transaction writes that begins early and commits late is read after
// its commit. While a transaction that writes stays open, in any database of the server, the feed waits there.
//
// On Citus each node counts transactions for itself. A tenant's events carry the numbers of the node on which they lie
// (db/distribute.ts) and are compared only with what runs there: the node evaluates the conditions. When a tenant's
// rows are moved to another node, or restored on another server, the numbers begin anew. A cursor from before is
// recognised by its `node` and resolved by ids, with a margin: some events come twice, and none is missed.
import { type RawBuilder, sql } from 'kysely'
import { type AuditRow, firstIdAt } from './audit-log.ts'
import { type Db, readInTenant, type Trx } from './connect.ts'

/** A position in a tenant's feed: the last event that was read, or an end of the feed. */
export interface EventCursor {
  /** Where `xid` was counted: a server, and the table there that holds the events. Null: where they lie now. */
  readonly node: string | null
  /** PostgreSQL's xid8, as text. */
  readonly xid: string
  /** The event's id. */
  readonly id: string
  /** Events with smaller ids are far older than the position and never given after it; null for no limit. */
  readonly floor: string | null
}

type Position = Pick<EventCursor, 'xid' | 'id'>

/** Whether a position comes after another one, counted on the same node. */
export const isBehind = (place: Position, other: Position): boolean =>
  place.xid === other.xid ? place.id > other.id : BigInt(place.xid) > BigInt(other.xid)

/** Whether the feed gives an event after a cursor. */
export const isGivenBehind = (event: Position, cursor: EventCursor): boolean =>
  isBehind(event, cursor) && (cursor.floor === null || event.id >= cursor.floor)

export type FeedEvent = AuditRow & Position & { connection_id: string | null }

/** Smaller than any event's id. */
export const NO_ID = '00000000-0000-0000-0000-000000000000'
/** Before any transaction. */
const NO_XID = '0'
/** No event takes as long to commit after its id was made. */
const MARGIN_MS = 3_600_000

/**
 * Up to `limit` events after `cursor`, in the feed's order.
 * @returns also the cursor to continue from
 */
export async function readFeed(
  db: Db,
  tenantId: number,
  cursor: EventCursor,
  limit: number
): Promise<{ events: FeedEvent[]; cursor: EventCursor }> {
  const read = (from: EventCursor) => readInTenant<FeedEvent>(db, tenantId, feedAfter(tenantId, from, limit))
  const [end, found] = await Promise.all([readFeedEnd(db, tenantId), read(cursor)])
  const from = onNodeOf(end, cursor)
  const events = isMovedFrom(end, cursor) ? await read(from) : found
  const last = events.at(-1)
  if (last) return { events, cursor: { ...from, xid: last.xid, id: last.id } }
  return { events, cursor: isMovedFrom(end, cursor) ? { ...end, floor: from.floor } : from }
}

/** The statement of readFeed. @param cursor from onNodeOf */
export const feedAfter = (tenantId: number, cursor: EventCursor, limit: number) => sql<FeedEvent>`
  select id, at, action, actor_kind, actor_id, actor_name, target_type, target_id, target_name, request_id, ip,
    before, after, connection_id, xid::text as xid
  from audit_events
  where tenant_id = ${tenantId} and (xid, id) > (${cursor.xid}::xid8, ${cursor.id}::uuid)
    and xid < pg_snapshot_xmin(pg_current_snapshot()) and id >= ${cursor.floor ?? NO_ID}::uuid
  order by audit_events.xid, id limit ${limit}`

interface EndRow {
  node: string
  xid: string
  newest_id: string | null
}

/** Where the feed ends now, for a reader who wants only new events: whatever commits from now on comes after it. */
export async function readFeedEnd(db: Db, tenantId: number): Promise<EventCursor> {
  const [row] = await readInTenant<EndRow>(db, tenantId, feedEnd(tenantId))
  return toEnd(row!)
}

/** The same in a transaction of the tenant. */
export async function readFeedEndIn(trx: Trx, tenantId: number): Promise<EventCursor> {
  const { rows } = await feedEnd(tenantId).execute(trx)
  return toEnd(rows[0]!)
}

/** EventCursor.node of events. @param table the oid of their table: the copy of a moved table has another one */
export const nodeOf = (table: RawBuilder<unknown>) =>
  sql<string>`((select system_identifier from pg_control_system()) || '.' || ${table})`

// one row, even if the tenant has no event
const feedEnd = (tenantId: number) => sql<EndRow>`
  select ${nodeOf(sql`coalesce(min(part)::text, '')`)} as node,
    pg_snapshot_xmin(pg_current_snapshot())::text as xid, min(id::text) as newest_id
  from (
    select id, tableoid::bigint as part from audit_events where tenant_id = ${tenantId} order by id desc limit 1
  ) newest`

const toEnd = ({ node, xid, newest_id }: EndRow): EventCursor => ({
  node,
  xid,
  id: NO_ID,
  floor: newest_id === null ? null : idBefore(newest_id)
})

/** Whether the events have moved since the cursor was read. @param end of the feed, where they lie now */
export const isMovedFrom = (end: EventCursor, { node }: EventCursor): boolean => node !== null && node !== end.node

/** The cursor in the numbers of the node where the events lie now: unchanged unless they have moved. */
export function onNodeOf(end: EventCursor, cursor: EventCursor): EventCursor {
  if (!isMovedFrom(end, cursor)) return { ...cursor, node: end.node }
  return { node: end.node, xid: NO_XID, id: NO_ID, floor: cursor.id === NO_ID ? cursor.floor : idBefore(cursor.id) }
}

/** The lowest id of MARGIN_MS before this one: ids begin with their time (UUID version 7). */
const idBefore = (id: string): string =>
  firstIdAt(new Date(Number.parseInt(id.replace('-', '').slice(0, 12), 16) - MARGIN_MS))
