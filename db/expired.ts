// Deletes what has expired.
import { sql } from 'kysely'
import { minuteOf } from './brakes.ts'
import { type Db, inTenant } from './connect.ts'
import { DEFAULT_WIRE_LOG_DAYS } from './wire-log.ts'

/** For so long, an expired link or token is still answered as expired; after that it is unknown. */
const KEPT_MS = 7 * 24 * 3_600_000
/** A change or conflict that an identity provider has not tried again for so long is forgotten. */
const HELD_MS = 30 * 24 * 3_600_000
/** How long deliveries that succeeded or were given up can be replayed. */
const DELIVERY_MS = 30 * 24 * 3_600_000

/** Deletes one tenant's expired rows in one statement. @returns how many */
export async function deleteExpiredOfTenant(db: Db, tenantId: number, now: Date): Promise<number> {
  const longAgo = new Date(now.getTime() - KEPT_MS)
  const forgottenAt = new Date(now.getTime() - HELD_MS)
  const deliveredAt = new Date(now.getTime() - DELIVERY_MS)
  const { rows } = await inTenant(db, tenantId, (trx) =>
    sql<{ count: number }>`
      with old_sessions as (
          delete from sessions where tenant_id = ${tenantId} and expires_at <= ${now} returning 1),
        old_codes as (
          delete from one_time_codes where tenant_id = ${tenantId} and expires_at <= ${now} returning 1),
        old_resets as (
          delete from password_resets where tenant_id = ${tenantId} and expires_at <= ${longAgo} returning 1),
        old_api_tokens as (
          delete from api_tokens where tenant_id = ${tenantId} and expires_at <= ${longAgo} returning 1),
        old_wire_log as (
          delete from wire_log where tenant_id = ${tenantId} and to_at <= ${now}::timestamptz - (
            select coalesce((settings ->> 'wireLogDays')::int, ${DEFAULT_WIRE_LOG_DAYS}) * interval '1 day'
            from tenants where id = ${tenantId}) returning 1),
        old_brake_people as (
          delete from brake_people where tenant_id = ${tenantId} and minute < ${minuteOf(now) - 60}::int returning 1),
        old_held_changes as (
          delete from held_changes where tenant_id = ${tenantId} and last_at <= ${forgottenAt} and state = 'held'
          returning 1),
        old_conflicts as (
          delete from scim_conflicts where tenant_id = ${tenantId} and last_at <= ${forgottenAt} returning 1),
        old_deliveries as (
          delete from event_deliveries where tenant_id = ${tenantId} and queued_at <= ${deliveredAt}
            and state <> 'queued' returning 1)
      select ((select count(*) from old_sessions) + (select count(*) from old_codes)
        + (select count(*) from old_resets) + (select count(*) from old_api_tokens)
        + (select count(*) from old_wire_log) + (select count(*) from old_brake_people)
        + (select count(*) from old_held_changes) + (select count(*) from old_conflicts)
        + (select count(*) from old_deliveries))::int as count`.execute(trx)
  )
  return rows[0]!.count
}

/** Deletes expired rows that belong to no tenant: rate limits and single-use keys. @returns how many */
export async function deleteExpired(db: Db, now: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('rate_limits')
    .where('expire', '<=', String(now.getTime()))
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** Only real tenants: a shadow is deleted as a whole. */
export async function listTenantIds(db: Db): Promise<number[]> {
  const rows = await db.selectFrom('tenants').select('id').where('shadow_of', 'is', null).orderBy('id').execute()
  return rows.map(({ id }) => id)
}
