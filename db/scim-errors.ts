// Refused requests of identity providers, counted by connection and hour, kept for two days.
import { sql } from 'kysely'
import { type Db, inTenant, readInTenant } from './connect.ts'
import { rowSet } from './rows.ts'
import type { ScimErrorsTable } from './schema.ts'

export type ScimErrors = Omit<ScimErrorsTable, 'tenant_id' | 'hour'>

const HOUR_MS = 3_600_000

/** Adds refused requests to the counts for the hour of `now`; one statement. */
export const noteScimErrors = (db: Db, tenantId: number, errors: readonly ScimErrors[], now: Date): Promise<unknown> =>
  inTenant(db, tenantId, (trx) => {
    const hour = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS)
    const types = {
      connection_id: 'uuid',
      count: 'int',
      last_at: 'timestamptz',
      last_status: 'int',
      last_detail: 'text'
    }
    // in the order of the key, so that two processes do not deadlock
    return sql`
      with outdated as (
        delete from scim_errors where tenant_id = ${tenantId} and hour < ${new Date(hour.getTime() - 48 * HOUR_MS)}
      )
      insert into scim_errors (tenant_id, connection_id, hour, count, last_at, last_status, last_detail)
      select ${tenantId}::int, noted.connection_id, ${hour}::timestamptz, noted.count, noted.last_at,
        noted.last_status, noted.last_detail
      from ${rowSet('noted', types, errors)} order by noted.connection_id
      on conflict (tenant_id, connection_id, hour) do update set
        count = scim_errors.count + excluded.count,
        last_at = excluded.last_at,
        last_status = excluded.last_status,
        last_detail = excluded.last_detail`.execute(trx)
  })

/** For each connection: how many requests were refused in the last 24 hours, to the hour, and the newest of them. */
export const listScimErrors = (db: Db, tenantId: number, now: Date): Promise<ScimErrors[]> =>
  readInTenant<ScimErrors>(
    db,
    tenantId,
    sql<ScimErrors>`
      select distinct on (connection_id) connection_id,
        (sum(count) over (partition by connection_id))::int as count, last_at, last_status, last_detail
      from scim_errors
      where tenant_id = ${tenantId} and hour > ${new Date(now.getTime() - 24 * HOUR_MS)}
      order by connection_id, hour desc`
  )
