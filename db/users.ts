// Reading and writing single users. Each query names the tenant, in addition to row-level security.
import { type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import type { Database, UserPatch, UserRow } from './schema.ts'
import { notingNames } from './search-index.ts'

/**
 * What people are shown of a user: every column except the document, its authority and those that serve indexes; and
 * the name of the connection that manages the user.
 */
export type UserView = Omit<
  UserRow,
  | 'doc'
  | 'authority'
  | 'apart_key'
  | 'ordinal'
  | 'shown_name_key'
  | 'indexed_family_name'
  | 'listed_family_name'
  | 'is_name_unlisted'
  | 'is_removed'
> & {
  source_name: string | null
}

const VIEW_COLUMNS = [
  'users.tenant_id',
  'users.id',
  'users.state',
  'users.locked',
  'users.role',
  'users.given_role',
  'users.user_name',
  'users.user_name_key',
  'users.external_id',
  'users.connection_id',
  'users.email',
  'users.email_key',
  'users.display_name',
  'users.display_name_key',
  'users.given_name',
  'users.family_name',
  'users.family_name_key',
  'users.time_zone',
  'users.locale',
  'users.must_reset_password',
  'users.version',
  'users.created_at',
  'users.updated_at',
  'users.activated_at',
  'users.last_sign_in_at'
] as const

// a subquery, not a join: it runs only for the rows of the page
const sourceName = (tenantId: number) => sql<string | null>`
  (select name from scim_connections c where c.tenant_id = ${tenantId} and c.id = users.connection_id)`

/** The select that user views start from; the caller adds further conditions. */
export const selectUserViews = (db: Db, tenantId: number) =>
  db
    .selectFrom('users')
    .select([...VIEW_COLUMNS, sourceName(tenantId).as('source_name')])
    .where('users.tenant_id', '=', tenantId)

/** Finds a user in any state (also removed); one statement. */
export const findUserView = (db: Db, tenantId: number, userId: string): Promise<UserView | undefined> =>
  readOneInTenant<UserView>(db, tenantId, selectUserViews(db, tenantId).where('users.id', '=', userId))

/** The views of `userIds` in no order, within a transaction of `inTenant`. */
export const getUserViews = (trx: Trx, tenantId: number, userIds: readonly string[]): Promise<UserView[]> =>
  selectUserViews(trx, tenantId).where(sql<SqlBool>`users.id = any(${userIds}::uuid[])`).execute()

/**
 * Locks a user's row until the transaction ends and reads it whole.
 * @param strength `for update` if access or state changes: sessions and memberships being made for the person then
 *   wait; `for no key update` if only the profile changes
 */
export const lockUser = (
  trx: Trx,
  tenantId: number,
  userId: string,
  strength: 'for update' | 'for no key update'
): Promise<UserRow | undefined> => {
  const query: SelectQueryBuilder<Database, 'users', UserRow> = trx
    .selectFrom('users')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', userId)
  return (strength === 'for update' ? query.forUpdate() : query.forNoKeyUpdate()).executeTakeFirst()
}

/** Changes a locked user: the version goes up by one. */
export const updateUser = (trx: Trx, tenantId: number, userId: string, patch: UserPatch, now: Date) => {
  const set = Object.entries({ ...patch, updated_at: now }).map(([column, value]) => sql`${sql.ref(column)} = ${value}`)
  return sql`
    ${notingNames(tenantId, userId, patch)}
    update users set ${sql.join(set)}, version = version + 1
    where tenant_id = ${tenantId} and id = ${userId}::uuid`.execute(trx)
}

/** Deactivates or removes users; whoever is removed keeps their own role, not one that a group gave. */
export const endUsers = (
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  state: 'deactivated' | 'removed',
  now: Date
) => {
  const isRemoval = state === 'removed'
  return sql`
    update users set state = ${state}, locked = locked and ${!isRemoval}, version = version + 1, updated_at = ${now},
      role = case when ${isRemoval} then coalesce(given_role, role) else role end,
      given_role = case when ${isRemoval} then null else given_role end
    where tenant_id = ${tenantId} and id = any(${userIds}::uuid[])`.execute(trx)
}

/** Whether there is an active administrator who is not locked, beside `userIds`. */
export async function isAdministratorBeside(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<boolean> {
  const { rows } = await sql`
    select 1 from users
    where tenant_id = ${tenantId} and role = 'administrator' and state = 'active' and not locked
      and id <> all(${userIds}::uuid[])
    limit 1`.execute(trx)
  return rows.length > 0
}

/** Replaces the e-mail values that a user is found by. */
export async function replaceUserEmails(
  trx: Trx,
  tenantId: number,
  userId: string,
  keys: readonly string[]
): Promise<void> {
  await sql`
    with gone as (
      delete from user_emails
      where tenant_id = ${tenantId} and user_id = ${userId} and value_key <> all(${keys}::text[])
    )
    insert into user_emails (tenant_id, user_id, value_key)
    select ${tenantId}::int, ${userId}::uuid, key from unnest(${keys}::text[]) as key
    on conflict do nothing`.execute(trx)
}

/** The names of users, in no order; one statement of a transaction. */
export const findUserNames = (trx: Trx, tenantId: number, userIds: readonly string[]) =>
  trx
    .selectFrom('users')
    .select(['id', 'display_name', 'given_name', 'family_name', 'email', 'user_name'])
    .where('tenant_id', '=', tenantId)
    .where(sql<SqlBool>`id = any(${userIds}::uuid[])`)
    .execute()
