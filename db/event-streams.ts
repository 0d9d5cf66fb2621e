// Where a tenant's events go. Secrets are sealed before they come here.
import { type Selectable, sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import type { EventStreamsTable } from './schema.ts'

export type EventStreamRow = Selectable<EventStreamsTable>

/** A stream with how its deliveries stand. */
export interface EventStreamView extends EventStreamRow {
  queued_count: number
  dead_count: number
  last_delivered_at: Date | null
  /** Of the newest attempt that failed and is to be repeated, or was the last. */
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

/** Within a transaction, locked until its end. */
export const lockEventStream = (trx: Trx, tenantId: number, streamId: string): Promise<EventStreamRow | undefined> =>
  trx
    .selectFrom('event_streams')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', streamId)
    .forUpdate()
    .executeTakeFirst()

/**
 * Keeps the count by which the relay finds tenants; call it after streams were made or deleted, with the tenant's row
 * locked. Two statements, because Citus does not read one node's rows to write those of every node.
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

/** Stops a stream whose receiver wants no more. */
export const pauseStream = (trx: Trx, tenantId: number, streamId: string, because: string, now: Date) =>
  trx
    .updateTable('event_streams')
    .set({ state: 'paused', paused_because: because, updated_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', streamId)
    .where('state', '=', 'enabled')
    .execute()

/** @returns the stream's name where administrators were not told of its lost deliveries since `since`; they are now */
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
