// Deletes what a tenant does not want to keep any longer, up to `limit` rows at once, and nothing before its time.
import { sql } from 'kysely'
import { firstIdAt } from './audit-log.ts'
import type { Db, Trx } from './connect.ts'
import { deleteListed } from './family-names.ts'
import type { TenantSettings, UserRow } from './schema.ts'

/** The database function that deletes events always keeps those of the last 30 days. */
export const MIN_AUDIT_DAYS = 30

export type Retention = Pick<TenantSettings, 'auditRetentionDays' | 'removedUserRetentionDays' | 'mailRetentionDays'>

/** The tenants that limit for how many days something is kept. */
export const listRetentions = (db: Db): Promise<{ id: number; settings: Retention }[]> =>
  db
    .selectFrom('tenants')
    .select(['id', 'settings'])
    .where(sql<boolean>`settings ?| array['auditRetentionDays', 'removedUserRetentionDays', 'mailRetentionDays']`)
    .orderBy('id')
    .execute()

const count = async (trx: Trx, deletion: ReturnType<typeof sql>): Promise<number> => {
  const { numAffectedRows } = await deletion.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** Deletes events older than the tenant's setting. @returns how many */
export async function deleteOldAuditEvents(trx: Trx, tenantId: number, now: Date, limit: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select remove_old_audit_events(${tenantId}, ${now}, ${limit}) as count`.execute(trx)
  return rows[0]!.count
}

/** Deletes memberships that ended before then: without their events they mean nothing. */
export const deletePastMemberships = async (trx: Trx, tenantId: number, before: Date, limit: number) =>
  (await deletePast(trx, 'past_memberships', tenantId, before, limit)) +
  (await deletePast(trx, 'past_children', tenantId, before, limit))

const deletePast = (trx: Trx, table: string, tenantId: number, before: Date, limit: number) =>
  count(
    trx,
    sql`delete from ${sql.table(table)} where tenant_id = ${tenantId} and ctid in (
      select ctid from ${sql.table(table)}
      where tenant_id = ${tenantId} and removed_event_id < ${firstIdAt(before)}::uuid limit ${limit})`
  )

/**
 * Deletes users who were removed before then, with all that is left of them; the audit log keeps their names. Skips a
 * user who is locked, such as one being invited again.
 */
export async function deleteRemovedUsers(trx: Trx, tenantId: number, before: Date, limit: number): Promise<number> {
  const { rows } = await sql<Pick<UserRow, 'id' | 'listed_family_name'>>`
    delete from users where tenant_id = ${tenantId} and id in (
      select id from users where tenant_id = ${tenantId} and state = 'removed' and updated_at < ${before}
      limit ${limit} for update skip locked)
    returning id, listed_family_name`.execute(trx)
  const ids = rows.map(({ id }) => id)
  // foreign keys delete the rest
  await deleteListed(trx, tenantId, rows)
  await sql`delete from user_emails where tenant_id = ${tenantId} and user_id = any(${ids}::uuid[])`.execute(trx)
  return ids.length
}

/** Deletes mails that were sent before then, or queued before then and cancelled or given up. */
export const deleteOldMails = (trx: Trx, tenantId: number, before: Date, limit: number) =>
  count(
    trx,
    sql`delete from mails where tenant_id = ${tenantId} and id in (
      select id from mails
      where tenant_id = ${tenantId} and state <> 'queued' and coalesce(sent_at, queued_at) < ${before} limit ${limit})`
  )
