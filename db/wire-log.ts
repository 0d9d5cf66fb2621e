// What identity providers sent and got, in batches: each row holds many exchanges of one tenant.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, inTenant, readInTenant, readOneInTenant } from './connect.ts'
import type { WireLogTable } from './schema.ts'

export type WireBatch = Omit<WireLogTable, 'tenant_id'>

/** For how many days a tenant's log is kept that has not said otherwise. */
export const DEFAULT_WIRE_LOG_DAYS = 30

/**
 * Writes a batch; one that is there already (a try whose answer was lost) is left as it is. The commit waits for no
 * disk: what a crash of the database takes away is log, and the server goes on meanwhile.
 */
export const insertWireBatch = (db: Db, tenantId: number, batch: WireBatch): Promise<unknown> =>
  inTenant(db, tenantId, (trx) =>
    Promise.all([
      sql`set local synchronous_commit = off`.execute(trx),
      sql`
        insert into wire_log (tenant_id, id, from_at, to_at, exchanges, dropped, statuses, connection_ids, resource_ids,
          request_ids, entries)
        values (${tenantId}, ${batch.id}, ${batch.from_at}, ${batch.to_at}, ${batch.exchanges}, ${batch.dropped},
          ${batch.statuses}, ${batch.connection_ids}, ${batch.resource_ids}, ${batch.request_ids}, ${batch.entries})
        on conflict do nothing`.execute(trx)
    ])
  )

/** Which batches a search has to open. */
export interface WireBatchQuery {
  readonly connectionId?: string
  /** A user or a group that an exchange names. */
  readonly resourceId?: string
  readonly requestId?: string
  /** A status, or whether any was refused. */
  readonly status?: number | 'refused' | 'answered'
  readonly from?: Date
  /** Exclusive. */
  readonly to?: Date
  /** The batch that the page before ended in; it comes again. */
  readonly until?: { readonly toAt: Date; readonly id: string }
  readonly limit: number
}

/** Batches that may hold what is looked for, newest first; the exchanges within are for the caller to choose. */
export const listWireBatches = (db: Db, tenantId: number, query: WireBatchQuery): Promise<WireBatch[]> => {
  const { connectionId, resourceId, requestId, status, from, to, until, limit } = query
  const conditions: RawBuilder<SqlBool>[] = [
    sql`tenant_id = ${tenantId}`,
    ...(connectionId === undefined ? [] : [sql<SqlBool>`connection_ids @> array[${connectionId}::uuid]`]),
    ...(resourceId === undefined ? [] : [sql<SqlBool>`resource_ids @> array[${resourceId}::uuid]`]),
    ...(requestId === undefined ? [] : [sql<SqlBool>`request_ids @> array[${requestId}::uuid]`]),
    ...(typeof status === 'number' ? [sql<SqlBool>`statuses @> array[${status}::smallint]`] : []),
    ...(status === 'refused' ? [sql<SqlBool>`400 <= any (statuses)`] : []),
    ...(status === 'answered' ? [sql<SqlBool>`400 > any (statuses)`] : []),
    ...(from ? [sql<SqlBool>`to_at >= ${from}`] : []),
    ...(to ? [sql<SqlBool>`from_at < ${to}`] : []),
    ...(until ? [sql<SqlBool>`(to_at, id) <= (${until.toAt}, ${until.id}::uuid)`] : [])
  ]
  return readInTenant<WireBatch>(
    db,
    tenantId,
    sql<WireBatch>`select ${COLUMNS} from wire_log where ${sql.join(conditions, sql` and `)}
      order by to_at desc, id desc limit ${limit}`
  )
}

export const findWireBatch = (db: Db, tenantId: number, id: string): Promise<WireBatch | undefined> =>
  readOneInTenant<WireBatch>(
    db,
    tenantId,
    sql<WireBatch>`select ${COLUMNS} from wire_log where tenant_id = ${tenantId} and id = ${id}::uuid`
  )

const COLUMNS = sql`id, from_at, to_at, exchanges, dropped, statuses, connection_ids, resource_ids, request_ids, entries`
