// The search index of users: which parts occur in whose names and addresses (its migrations explain how it is built).
// Every statement that writes names notes the users concerned; search-indexing.ts puts noted users into the index.
import { type RawBuilder, sql } from 'kysely'
import type { Db } from './connect.ts'
import { insertRows } from './rows.ts'
import type { UserPatch } from './schema.ts'

/** How many users are put into the index at once. */
export const SEGMENT_USERS = 4_096
/** Up to this many users are left unindexed and read one by one: an index of few people is no faster. */
export const PENDING_KEPT = 500

/** The tables that can be rebuilt from the users. */
export const SEARCH_TABLES: ReadonlySet<string> = new Set(['search_pending', 'search_segments', 'search_postings'])

/** The columns that are searched, in step with the conditions of `hasWord` (db/users-list.ts). */
const SEARCHED = ['user_name_key', 'email_key', 'display_name_key', 'given_name', 'family_name_key'] as const

/** The first 16 bytes of a shown name as a sort key (a uuid, which PostgreSQL compares byte by byte). */
export const rankOf = (name: RawBuilder<unknown>): RawBuilder<string> => sql`
  encode(substring(convert_to(${name}, 'UTF8') || decode(repeat('00', 16), 'hex') from 1 for 16), 'hex')::uuid`

/**
 * Notes users for indexing: a statement of a transaction, or part of a statement. `returning 1` is for Citus, which
 * would otherwise COPY the rows (row-level security refuses that).
 * @param ids a select of one uuid a row
 */
export const noteNames = (tenantId: number, ids: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  insert into search_pending (tenant_id, user_id) select ${tenantId}::int, ids.id from (${ids}) as ids (id) returning 1`

/** `noteNames` for a list of ids. */
export async function noteNamesOf(trx: Db, tenantId: number, userIds: readonly string[]): Promise<void> {
  const rows = userIds.map((user_id) => ({ tenant_id: tenantId, user_id }))
  await insertRows(trx, 'search_pending', { tenant_id: 'int', user_id: 'uuid' }, rows)
}

/** Whether a change of a user concerns the search index. */
export const isRenamed = (before: Readonly<UserPatch>, after: Readonly<UserPatch>): boolean =>
  SEARCHED.some((column) => after[column] !== undefined && after[column] !== before[column])

/**
 * A `with` clause to put before `update users …`, which notes the user if names change.
 * @returns nothing if the change writes no names
 */
export const notingNames = (tenantId: number, userId: string, patch: UserPatch): RawBuilder<unknown> => {
  const written = SEARCHED.filter((column) => column in patch)
  if (written.length === 0) return sql``
  const differs = written.map((column) => sql`${sql.ref(column)} is distinct from ${patch[column]}`)
  const renamed = sql`select id from users
    where tenant_id = ${tenantId} and id = ${userId}::uuid and (${sql.join(differs, sql` or `)})`
  return sql`with noted as (${noteNames(tenantId, renamed)})`
}
