// What identity providers sent and received, in batches: each row holds many exchanges of one tenant.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readInTenant, readOneInTenant } from './connect.ts'
import { prepare, writeTogether } from './prepared.ts'
import type { WireLogTable } from './schema.ts'

export type WireBatch = Omit<WireLogTable, 'tenant_id'>

/** A batch to be written: its ids are values of UuidArrays. */
export type NewWireBatch = Omit<WireBatch, 'request_ids' | 'resource_ids'> & {
  readonly request_ids: Buffer
  readonly resource_ids: Buffer
}

/** For how many days the log of a tenant without a setting is kept. */
export const DEFAULT_WIRE_LOG_DAYS = 30

const insertBatch = prepare(
  (p) => sql`
    insert into wire_log (tenant_id, id, from_at, to_at, exchanges, dropped, statuses, connection_ids, resource_ids,
      request_ids, entries)
    values (${p.tenantId}, ${p.id}, ${p.from_at}, ${p.to_at}, ${p.exchanges}, ${p.dropped}, ${p.statuses},
      ${p.connection_ids}, ${p.resource_ids}, ${p.request_ids}, ${p.entries})
    on conflict do nothing`
)
const waitForNoDisk = prepare(() => sql`select set_config('synchronous_commit', 'off', true)`)

/**
 * Writes a batch, unless it is already there (the answer to an earlier try was lost). The commit does not wait for the
 * disk: a crash of the database loses only log, and the server need not wait.
 */
export const insertWireBatch = (db: Db, tenantId: number, batch: NewWireBatch): Promise<unknown> =>
  writeTogether(db, tenantId, [waitForNoDisk(db, {}), insertBatch(db, { ...batch, tenantId })])

/** The batches that a search has to open. */
interface WireBatchQuery {
  readonly connectionId?: string
  /** A user or a group that an exchange names. */
  readonly resourceId?: string
  readonly requestId?: string
  /** A status; `refused`: any of 400 and above; `answered`: any below 400. */
  readonly status?: number | 'refused' | 'answered'
  readonly from?: Date
  /** Exclusive. */
  readonly to?: Date
  /** The batch in which the previous page ended; it is returned again. */
  readonly until?: { readonly toAt: Date; readonly id: string }
  readonly limit: number
}

/** Batches that may hold matching exchanges, newest first; the caller filters the exchanges in them. */
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
