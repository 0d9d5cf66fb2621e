// The streams that a tenant's events go to. Callers seal secrets before they pass them here.
import { type Selectable, sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import type { EventStreamsTable } from './schema.ts'

export type EventStreamRow = Selectable<EventStreamsTable>

/** A stream with the state of its deliveries. */
export interface EventStreamView extends EventStreamRow {
  queued_count: number
  dead_count: number
  last_delivered_at: Date | null
  /** The error of the newest attempt that failed, whether or not it will be retried. */
  last_error: string | null
}

/** Oldest first; one statement. */
export const listEventStreams = (db: Db, tenantId: number): Promise<EventStreamView[]> =>
  readInTenant<EventStreamView>(
    db,
    tenantId,
    sql<EventStreamView>`
      select s.*, d.queued_count, d.dead_count, d.last_delivered_at, d.last_error
      from event_streams s cross join lateral (
        select count(*) filter (where state = 'queued')::int as queued_count,
          count(*) filter (where state = 'dead')::int as dead_count,
          max(attempted_at) filter (where state = 'delivered') as last_delivered_at,
          (array_agg(error order by attempted_at desc) filter (where error is not null))[1] as last_error
        from event_deliveries where tenant_id = ${tenantId} and stream_id = s.id
      ) d
      where s.tenant_id = ${tenantId} order by s.id`
  )

/** Locks the stream until the transaction ends. */
export const lockEventStream = (trx: Trx, tenantId: number, streamId: string): Promise<EventStreamRow | undefined> =>
  trx
    .selectFrom('event_streams')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', streamId)
    .forUpdate()
    .executeTakeFirst()

/**
 * Updates the count by which the relay finds tenants. Call it after making or deleting streams, with the tenant's row
 * locked. Two statements, because Citus can't read one node's rows to write a table on every node.
 */
export async function recountEventStreams(trx: Trx, tenantId: number): Promise<void> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from event_streams where tenant_id = ${tenantId}`.execute(trx)
  await sql`update tenants set event_stream_count = ${rows[0]!.count} where id = ${tenantId}`.execute(trx)
}

export async function listTenantsWithStreams(db: Db): Promise<number[]> {
  const rows = await db.selectFrom('tenants').select('id').where('event_stream_count', '>', 0).orderBy('id').execute()
  return rows.map(({ id }) => id)
}

/** The public halves of a tenant's signing keys, newest first. */
export async function listPublicKeys(db: Db, tenantId: number): Promise<Record<string, unknown>[]> {
  const rows = await readInTenant<{ public_jwk: Record<string, unknown> }>(
    db,
    tenantId,
    db.selectFrom('signing_keys').select('public_jwk').where('tenant_id', '=', tenantId).orderBy('id', 'desc')
  )
  return rows.map(({ public_jwk }) => public_jwk)
}

/** Pauses an enabled stream whose receiver wants no more events. */
export const pauseStream = (trx: Trx, tenantId: number, streamId: string, because: string, now: Date) =>
  trx
    .updateTable('event_streams')
    .set({ state: 'paused', paused_because: because, updated_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', streamId)
    .where('state', '=', 'enabled')
    .execute()

/** Marks administrators as told of lost deliveries. @returns the stream's name; undefined if they were since `since` */
export async function takeStreamToTell(
  trx: Trx,
  tenantId: number,
  streamId: string,
  now: Date,
  since: Date
): Promise<string | undefined> {
  const row = await trx
    .updateTable('event_streams')
    .set({ told_of_dead_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', streamId)
    .where((eb) => eb.or([eb('told_of_dead_at', 'is', null), eb('told_of_dead_at', '<', since)]))
    .returning('name')
    .executeTakeFirst()
  return row?.name
}
