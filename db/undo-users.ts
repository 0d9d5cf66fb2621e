// How undo writes users: a fixed number of statements for any number of locked users.
import { sql } from 'kysely'
import { findClaims } from './addresses.ts'
import type { Trx } from './connect.ts'
import { assignmentsFrom, type ColumnTypes, insertRows, rowSet } from './rows.ts'
import type { UserPatch, UserRow } from './schema.ts'
import { noteNames } from './search-index.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

/** Locks users `for update`, by id, and reads them whole. */
export async function lockUsers(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<UserRow[]> {
  const { rows } = await sql<UserRow>`
    select users.* from users where users.tenant_id = ${tenantId} and users.id = any(${userIds}::uuid[])
    order by users.id for update`.execute(trx)
  return rows
}

/** The unique values of a restored user. */
export interface Identity {
  readonly id: string
  readonly user_name_key: string
  readonly external_id: string | null
  readonly connection_id: string | null
  readonly email_key: string | null
}

/** A value that another user has: `userName`, `externalId` (of the same connection) or `address` (in this tenant). */
interface TakenIdentity {
  readonly id: string
  readonly what: 'userName' | 'externalId' | 'address'
  readonly holder_id: string
}

/** Queries addresses separately: on Citus they do not lie where the tenant's other rows do. */
export async function findTakenIdentities(
  trx: Trx,
  tenantId: number,
  wanted: readonly Identity[]
): Promise<TakenIdentity[]> {
  const addressed = wanted.flatMap(({ id, email_key }) => (email_key === null ? [] : [{ id, address_key: email_key }]))
  const [names, holders] = await Promise.all([
    findTakenNames(trx, tenantId, wanted),
    findClaims(trx, tenantId, addressed)
  ])
  const addresses = addressed.flatMap(({ id, address_key }): TakenIdentity[] => {
    const holder_id = holders.get(address_key)
    return holder_id === undefined || holder_id === id ? [] : [{ id, what: 'address', holder_id }]
  })
  return [...names, ...addresses]
}

async function findTakenNames(trx: Trx, tenantId: number, wanted: readonly Identity[]): Promise<TakenIdentity[]> {
  const { rows } = await sql<TakenIdentity>`
    with w as materialized (select * from ${rowSet('w', IDENTITY, wanted)})
    select w.id, 'userName' as what, u.id as holder_id from w
      join users u on u.tenant_id = ${tenantId} and u.user_name_key = w.user_name_key and not u.is_removed
      where u.id <> w.id
    union all
    select w.id, 'externalId', u.id from w
      join users u on u.tenant_id = ${tenantId} and u.external_id = w.external_id and u.connection_id = w.connection_id
        and not u.is_removed
      where u.id <> w.id`.execute(trx)
  return rows
}

const IDENTITY: ColumnTypes = {
  id: 'uuid',
  user_name_key: 'text',
  external_id: 'text',
  connection_id: 'uuid'
}

/** Clears the unique names of users who get new ones in the same transaction, so that two users can swap theirs. */
export const parkIdentities = (trx: Trx, tenantId: number, userIds: readonly string[]) =>
  sql`
    update users set user_name_key = 'parked ' || id, external_id = null
    where tenant_id = ${tenantId} and id = any(${userIds}::uuid[])`.execute(trx)

/** Changes locked users: each version goes up by one. @param users with every column of USER_COLUMNS */
export async function updateUsers(
  trx: Trx,
  tenantId: number,
  users: readonly (UserPatch & { id: string })[],
  now: Date
): Promise<void> {
  const noted = noteNames(tenantId, sql`select unnest(${users.map(({ id }) => id)}::uuid[])`)
  await sql`
    with noted as (${noted})
    update users u set ${assignmentsFrom('r', USER_COLUMNS)}, version = u.version + 1, updated_at = ${now}
    from ${rowSet('r', USER_COLUMNS, users)}
    where u.tenant_id = ${tenantId} and u.id = r.id`.execute(trx)
}

const USER_COLUMNS: ColumnTypes = {
  id: 'uuid',
  state: 'text',
  locked: 'boolean',
  role: 'text',
  given_role: 'text',
  connection_id: 'uuid',
  authority: 'json',
  must_reset_password: 'boolean',
  activated_at: 'timestamptz',
  ...DOCUMENT_COLUMNS
}

/** Replaces the e-mail values that users are found by. */
export async function replaceEmailsOfUsers(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  emails: readonly { user_id: string; value_key: string }[]
): Promise<void> {
  const rows = emails.map((email) => ({ tenant_id: tenantId, ...email }))
  await Promise.all([
    sql`delete from user_emails where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[])`.execute(trx),
    insertRows(trx, 'user_emails', { tenant_id: 'int', user_id: 'uuid', value_key: 'text' }, rows)
  ])
}

/**
 * Makes the newest invitation of each user pending again. Its links stay ended, so it must be sent again before it can
 * be accepted.
 */
export async function reopenInvitations(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date
): Promise<{ id: string; state: string }[]> {
  const { rows } = await sql<{ id: string; state: string }>`
    with newest as (
        select distinct on (user_id) id, state from invitations
        where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[]) order by user_id, id desc
      ),
      ended_links as (
        update invitation_links set replaced_at = ${now}
        where tenant_id = ${tenantId} and invitation_id in (select id from newest) and replaced_at is null
      ),
      reopened as (
        update invitations i set state = 'pending', ended_at = null
        from newest where i.tenant_id = ${tenantId} and i.id = newest.id and i.state <> 'pending' returning i.id
      )
    select newest.id, newest.state from newest join reopened using (id)`.execute(trx)
  return rows
}

/** Marks pending invitations of users who are active again as accepted; gives all pending ones their user's role. */
export async function followUsers(
  trx: Trx,
  tenantId: number,
  users: readonly { id: string; state: string; role: string }[],
  now: Date
): Promise<void> {
  const rows = rowSet('r', { id: 'uuid', state: 'text', role: 'text' }, users)
  await sql`
    with ended as (
      update invitations i set
        state = case when r.state = 'active' then 'accepted' else i.state end,
        ended_at = case when r.state = 'active' then ${now}::timestamptz end,
        role = r.role
      from ${rows} where i.tenant_id = ${tenantId} and i.user_id = r.id and i.state = 'pending'
      returning i.id, i.state
    )
    update mails set state = 'cancelled', token_sealed = null
    where tenant_id = ${tenantId} and state = 'queued'
      and invitation_id in (select id from ended where state = 'accepted')`.execute(trx)
}
