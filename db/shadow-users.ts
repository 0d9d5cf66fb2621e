// Users of a shadow that goes live: how they are written in the tenant, some hundreds in one statement.
import { sql } from 'kysely'
import type { Trx } from './connect.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, insertRows, rowSet } from './rows.ts'
import type { UserRow } from './schema.ts'
import { noteNamesOf } from './search-index.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

/** Whole rows, by id, without a lock. */
export async function readUsers(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<UserRow[]> {
  const { rows } = await sql<UserRow>`
    select users.* from users where users.tenant_id = ${tenantId} and users.id = any(${userIds}::uuid[])
    order by users.id`.execute(trx)
  return rows
}

/** Gives users whose names were parked their names back. */
export async function restoreNames(
  trx: Trx,
  tenantId: number,
  users: readonly { id: string; user_name_key: string; external_id: string | null }[]
): Promise<void> {
  if (users.length === 0) return
  await sql`
    update users u set user_name_key = r.user_name_key, external_id = r.external_id
    from ${rowSet('r', { id: 'uuid', user_name_key: 'text', external_id: 'text' }, users)}
    where u.tenant_id = ${tenantId} and u.id = r.id`.execute(trx)
}

/** Ends pending invitations because an IdP has provisioned the people, and cancels their queued mails. */
export async function adoptInvitationsOf(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date
): Promise<{ id: string; user_id: string }[]> {
  const { rows } = await sql<{ id: string; user_id: string }>`
    with adopted as (
      update invitations set state = 'adopted', ended_at = ${now}
      where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[]) and state = 'pending' returning id, user_id
    ),
    cancelled as (
      update mails set state = 'cancelled', token_sealed = null
      where tenant_id = ${tenantId} and state = 'queued' and invitation_id in (select id from adopted)
    )
    select id, user_id from adopted`.execute(trx)
  return rows
}

/** The columns that a shadow's user keeps: also the position in the list, and the version that clients were given. */
const COLUMNS: ColumnTypes = {
  id: 'uuid',
  ordinal: 'bigint',
  state: 'text',
  locked: 'boolean',
  role: 'text',
  ...DOCUMENT_COLUMNS,
  connection_id: 'uuid',
  must_reset_password: 'boolean',
  authority: 'json',
  apart_key: 'text',
  version: 'int',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  activated_at: 'timestamptz'
}

/** Makes users with the ids that they had in the shadow; their addresses are already claimed. */
export async function insertShadowUsers(
  trx: Trx,
  tenantId: number,
  users: readonly UserRow[],
  emails: readonly { user_id: string; value_key: string }[],
  now: Date
): Promise<void> {
  const own = <T extends object>(rows: readonly T[]) => rows.map((row) => ({ ...row, tenant_id: tenantId }))
  await insertRows(
    trx,
    'users',
    { tenant_id: 'int', ...COLUMNS },
    own(users).map((row) => ({ ...row, indexed_family_name: row.family_name_key, updated_at: now }))
  )
  await insertRows(trx, 'user_emails', { tenant_id: 'int', user_id: 'uuid', value_key: 'text' }, own(emails))
  await noteNamesOf(
    trx,
    tenantId,
    users.map(({ id }) => id)
  )
  await countResources(tenantId, 'User', users.length).execute(trx)
}

/** Gives users the passwords that the identity provider has set. @returns the users who got one */
export async function givePasswords(
  trx: Trx,
  tenantId: number,
  passwords: readonly { user_id: string; password_hash: string }[],
  now: Date
): Promise<UserRow[]> {
  const { rows } = await sql<UserRow>`
    with given as materialized (
      select * from ${rowSet('given', { user_id: 'uuid', password_hash: 'text' }, passwords)}
    ),
    welcome as (
      update users u set must_reset_password = false from given
      where u.tenant_id = ${tenantId} and u.id = given.user_id and u.state <> 'removed' returning u.*
    ),
    written as (
      insert into user_credentials (tenant_id, user_id, password_hash, updated_at)
      select ${tenantId}::int, given.user_id, given.password_hash, ${now}::timestamptz
      from given join welcome on welcome.id = given.user_id
      on conflict (tenant_id, user_id) do update
        set password_hash = excluded.password_hash, updated_at = excluded.updated_at
    )
    select * from welcome`.execute(trx)
  return rows
}

/** Sets the versions of users: to one that clients know already, or to one that none has seen. */
export async function setUserVersions(
  trx: Trx,
  tenantId: number,
  users: readonly { id: string; version: number }[]
): Promise<void> {
  if (users.length === 0) return
  await sql`
    update users u set version = r.version from ${rowSet('r', { id: 'uuid', version: 'int' }, users)}
    where u.tenant_id = ${tenantId} and u.id = r.id and u.version <> r.version`.execute(trx)
}
