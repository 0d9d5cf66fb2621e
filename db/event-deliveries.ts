// Events on their way to streams: the relay copies them from the log, the job that sends them records the outcome.
import { sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import {
  type EventCursor,
  type FeedEvent,
  feedAfter,
  isBehind,
  isGivenBehind,
  isMovedFrom,
  onNodeOf,
  readFeedEndIn
} from './event-feed.ts'
import type { EventStreamRow } from './event-streams.ts'
import { type ColumnTypes, insertRowsAnd, rowSet } from './rows.ts'

/** A test event that an administrator asks for: only for its own stream, whatever event types that wants. */
export const STREAM_TESTED = 'eventStream.tested'

/** Whether a stream wants an event. */
export function wants(stream: Pick<EventStreamRow, 'id' | 'event_types' | 'created_at'>, event: FeedEvent): boolean {
  // a transaction that was open when the stream was made keeps the cursor before events that were already committed
  if (event.at < stream.created_at) return false
  if (event.action === STREAM_TESTED) return event.target_id === stream.id
  if (stream.event_types.length === 0) return true
  return stream.event_types.some((type) =>
    type.endsWith('.*') ? event.action.startsWith(type.slice(0, -1)) : event.action === type
  )
}

export interface RelayedDelivery {
  id: string
  streamId: string
  /** A stream's deliveries about the same subject are sent one after the other. */
  subjectId: string
}

/**
 * Copies up to `limit` events of the log into deliveries of each enabled stream, and advances the streams' cursors.
 * Two processes that relay at once share the streams between them.
 * @param newId makes a uuid of version 7
 * @returns what was copied, oldest first, and whether there may be more
 */
export async function relayEvents(
  trx: Trx,
  tenantId: number,
  limit: number,
  now: Date,
  newId: () => string
): Promise<{ deliveries: RelayedDelivery[]; isMore: boolean }> {
  const [streams, end] = await Promise.all([lockRelayed(trx, tenantId), readFeedEndIn(trx, tenantId)])
  if (streams.length === 0) return { deliveries: [], isMore: false }
  const cursors = streams.map((stream) => onNodeOf(end, cursorOf(stream)))
  const { rows: events } = await feedAfter(tenantId, cursors.reduce(earlier), limit).execute(trx)
  // with nothing to read, a cursor that was resolved by ids moves to the end, so that it need not be resolved again
  const last = events.at(-1) ?? end
  const moved = streams.flatMap((stream, index) => {
    const cursor = cursors[index]!
    const isToMove = events.length > 0 || isMovedFrom(end, cursorOf(stream))
    return isToMove && isBehind(last, cursor) ? [{ id: stream.id, floor: cursor.floor }] : []
  })
  if (moved.length === 0) return { deliveries: [], isMore: false }
  const copied = streams.flatMap((stream, index) =>
    events
      .filter((event) => isGivenBehind(event, cursors[index]!) && wants(stream, event))
      .map((event) => ({ id: newId(), streamId: stream.id, event }))
  )
  const [inserted] = await Promise.all([
    insertDeliveries(trx, tenantId, copied, now),
    sql`
      update event_streams s set cursor_xid = ${last.xid}::xid8, cursor_id = ${last.id}::uuid,
        cursor_node = ${end.node}, cursor_floor = r.floor, relayed_at = now()
      from ${rowSet('r', { id: 'uuid', floor: 'uuid' }, moved)}
      where s.tenant_id = ${tenantId} and s.id = r.id`.execute(trx)
  ])
  return {
    deliveries: copied
      .filter(({ id }) => inserted.has(id))
      .map(({ id, streamId, event }) => ({ id, streamId, subjectId: event.target_id ?? event.id })),
    isMore: events.length === limit
  }
}

/** The enabled streams that no other process is working on. */
const lockRelayed = (trx: Trx, tenantId: number) =>
  trx
    .selectFrom('event_streams')
    .select(['id', 'event_types', 'created_at', 'cursor_node', 'cursor_xid', 'cursor_id', 'cursor_floor'])
    .where('tenant_id', '=', tenantId)
    .where('state', '=', 'enabled')
    // jobs sort by when their transaction began, so one that began before the last relay must not add any
    .where(sql<boolean>`coalesce(relayed_at < now(), true)`)
    .orderBy('id')
    .forUpdate()
    .skipLocked()
    .execute()

const cursorOf = (
  stream: Pick<EventStreamRow, 'cursor_node' | 'cursor_xid' | 'cursor_id' | 'cursor_floor'>
): EventCursor => ({
  node: stream.cursor_node,
  xid: stream.cursor_xid,
  id: stream.cursor_id,
  floor: stream.cursor_floor
})

const earlier = (left: EventCursor, right: EventCursor): EventCursor => ({
  ...(isBehind(left, right) ? right : left),
  floor: [left.floor, right.floor].includes(null) ? null : [left.floor!, right.floor!].sort()[0]!
})

/** Skips existing ones: after a cursor was resolved by ids, events come twice. @returns the ids of the new ones */
async function insertDeliveries(
  trx: Trx,
  tenantId: number,
  copied: readonly { id: string; streamId: string; event: FeedEvent }[],
  now: Date
): Promise<Set<string>> {
  const rows = copied.map(({ id, streamId, event }) => ({
    tenant_id: tenantId,
    id,
    stream_id: streamId,
    event_id: event.id,
    state: 'queued',
    queued_at: now
  }))
  const ending = sql`on conflict (tenant_id, stream_id, event_id) do nothing returning id`
  const inserted = await insertRowsAnd<{ id: string }>(ending, trx, 'event_deliveries', DELIVERY_COLUMNS, rows)
  return new Set(inserted.map(({ id }) => id))
}

const DELIVERY_COLUMNS: ColumnTypes = {
  tenant_id: 'int',
  id: 'uuid',
  stream_id: 'uuid',
  event_id: 'uuid',
  state: 'text',
  queued_at: 'timestamptz'
}

/** A delivery with its event and the facts of its stream that sending needs. */
export interface DeliveryToSend extends Omit<FeedEvent, 'xid'> {
  delivery_id: string
  stream_id: string
  queued_at: Date
  kind: EventStreamRow['kind']
  stream_name: string
  url: string
  stream_state: EventStreamRow['state']
  audience: string | null
  authorization_sealed: Buffer | null
  secret_sealed: Buffer | null
  old_secret_sealed: Buffer | null
  old_secret_until: Date | null
  subdomain: string
  /** The identity provider's id of the user or group, if it gave one. */
  external_id: string | null
}

/** Reads those of the deliveries that are still queued, in one statement. */
export const readDeliveriesToSend = (
  db: Db,
  tenantId: number,
  deliveryIds: readonly string[]
): Promise<DeliveryToSend[]> =>
  readInTenant<DeliveryToSend>(
    db,
    tenantId,
    sql<DeliveryToSend>`
      select d.id as delivery_id, d.stream_id, d.queued_at, s.kind, s.name as stream_name, s.url,
        s.state as stream_state, s.audience, s.authorization_sealed, s.secret_sealed, s.old_secret_sealed,
        s.old_secret_until, t.subdomain, coalesce(u.external_id, g.external_id) as external_id,
        e.id, e.at, e.action, e.actor_kind, e.actor_id, e.actor_name, e.target_type, e.target_id, e.target_name,
        e.request_id, e.ip, e.before, e.after, e.connection_id
      from event_deliveries d
      join event_streams s on s.tenant_id = d.tenant_id and s.id = d.stream_id
      join audit_events e on e.tenant_id = d.tenant_id and e.id = d.event_id
      join tenants t on t.id = d.tenant_id
      left join users u on e.target_type = 'user' and u.tenant_id = e.tenant_id and u.id = e.target_id
      left join groups g on e.target_type = 'group' and g.tenant_id = e.tenant_id and g.id = e.target_id
      where d.tenant_id = ${tenantId} and d.id = any(${deliveryIds}::uuid[]) and d.state = 'queued'`
  )

/** The outcome of an attempt. `queued`: it failed and will be retried. */
export interface DeliveryOutcome {
  id: string
  state: 'queued' | 'delivered' | 'dead'
  /** 1, or 0 if sending was not tried. */
  attempts: number
  status: number | null
  error: string | null
}

export const settleDeliveries = (trx: Trx, tenantId: number, outcomes: readonly DeliveryOutcome[], now: Date) =>
  sql`
    update event_deliveries d set state = o.state, attempts = d.attempts + o.attempts, status = o.status,
      error = o.error, attempted_at = case when o.attempts > 0 then ${now}::timestamptz else d.attempted_at end
    from ${rowSet('o', OUTCOME_COLUMNS, outcomes)}
    where d.tenant_id = ${tenantId} and d.id = o.id and d.state = 'queued'`.execute(trx)

const OUTCOME_COLUMNS: ColumnTypes = { id: 'uuid', state: 'text', attempts: 'int', status: 'int', error: 'text' }

export interface DeliveryView {
  id: string
  event_id: string
  action: string
  target_name: string | null
  state: 'queued' | 'delivered' | 'dead'
  attempts: number
  queued_at: Date
  attempted_at: Date | null
  status: number | null
  error: string | null
}

/** Newest first; `after` is the id of the previous page's last delivery. */
export const listDeliveries = (
  db: Db,
  tenantId: number,
  query: { streamId: string; state: DeliveryView['state'] | undefined; after: string | undefined; limit: number }
): Promise<DeliveryView[]> =>
  readInTenant<DeliveryView>(
    db,
    tenantId,
    sql<DeliveryView>`
      select d.id, d.event_id, e.action, e.target_name, d.state, d.attempts, d.queued_at, d.attempted_at, d.status,
        d.error
      from event_deliveries d
      left join audit_events e on e.tenant_id = d.tenant_id and e.id = d.event_id
      where d.tenant_id = ${tenantId} and d.stream_id = ${query.streamId}::uuid
        and ${query.state ? sql`d.state = ${query.state}` : sql`true`}
        and ${query.after ? sql`d.id < ${query.after}::uuid` : sql`true`}
      order by d.id desc limit ${query.limit}`
  )

/**
 * Queues finished deliveries again; they have another three days.
 * @param deliveryIds undefined for every dead one of the stream, up to `limit`
 */
export async function requeueDeliveries(
  trx: Trx,
  tenantId: number,
  streamId: string,
  deliveryIds: readonly string[] | undefined,
  limit: number,
  now: Date
): Promise<RelayedDelivery[]> {
  const chosen = deliveryIds ? sql`d.id = any(${deliveryIds}::uuid[]) and d.state <> 'queued'` : sql`d.state = 'dead'`
  const { rows } = await sql<RelayedDelivery>`
    with chosen as (
      select d.id from event_deliveries d
      where d.tenant_id = ${tenantId} and d.stream_id = ${streamId}::uuid and ${chosen}
      order by d.id limit ${limit} for update
    )
    update event_deliveries d set state = 'queued', queued_at = ${now}, error = null, status = null
    from chosen, audit_events e
    where d.tenant_id = ${tenantId} and d.id = chosen.id and e.tenant_id = d.tenant_id and e.id = d.event_id
    returning d.id, d.stream_id as "streamId", coalesce(e.target_id, e.id) as "subjectId"`.execute(trx)
  return rows.sort((left, right) => (left.id < right.id ? -1 : 1))
}
