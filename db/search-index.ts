// The index that users are searched by: which parts stand in whose names and addresses (the migrations that made it say
// how it is built). Whatever writes names notes whom it wrote; search-indexing.ts puts those who were noted into the index.
import { type RawBuilder, sql } from 'kysely'
import type { Db } from './connect.ts'
import { insertRows } from './rows.ts'
import type { UserPatch } from './schema.ts'

/** Users that are put into the index at once. */
export const SEGMENT_USERS = 4_096
/** So many are left to be read one by one: an index of few people is no faster. */
export const PENDING_KEPT = 500

/** What follows from the users. */
export const SEARCH_TABLES: ReadonlySet<string> = new Set(['search_pending', 'search_segments', 'search_postings'])

/** In step with the conditions of `hasWord` (db/users-list.ts): what they look at. */
const SEARCHED = ['user_name_key', 'email_key', 'display_name_key', 'given_name', 'family_name_key'] as const

/** How a shown name sorts, in 16 bytes (a uuid, which PostgreSQL compares byte by byte); equal where these are equal. */
export const rankOf = (name: RawBuilder<unknown>): RawBuilder<string> => sql`
  encode(substring(convert_to(${name}, 'UTF8') || decode(repeat('00', 16), 'hex') from 1 for 16), 'hex')::uuid`

/**
 * Notes users as a statement of a transaction, or part of one. What it returns is nobody's: without it Citus would copy
 * the rows, which row-level security refuses.
 * @param ids a select of one uuid a row
 */
export const noteNames = (tenantId: number, ids: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  insert into search_pending (tenant_id, user_id) select ${tenantId}::int, ids.id from (${ids}) as ids (id) returning 1`

/** `noteNames` of a list. */
export async function noteNamesOf(trx: Db, tenantId: number, userIds: readonly string[]): Promise<void> {
  const rows = userIds.map((user_id) => ({ tenant_id: tenantId, user_id }))
  await insertRows(trx, 'search_pending', { tenant_id: 'int', user_id: 'uuid' }, rows)
}

/** Whether a change of a user is one that the search must hear of. */
export const isRenamed = (before: Readonly<UserPatch>, after: Readonly<UserPatch>): boolean =>
  SEARCHED.some((column) => after[column] !== undefined && after[column] !== before[column])

/**
 * What goes ahead of `update users …` in its statement, so that a change of names is noted.
 * @returns nothing where the change writes no names
 */
export const notingNames = (tenantId: number, userId: string, patch: UserPatch): RawBuilder<unknown> => {
  const written = SEARCHED.filter((column) => column in patch)
  if (written.length === 0) return sql``
  const differs = written.map((column) => sql`${sql.ref(column)} is distinct from ${patch[column]}`)
  const renamed = sql`select id from users
    where tenant_id = ${tenantId} and id = ${userId}::uuid and (${sql.join(differs, sql` or `)})`
  return sql`with noted as (${noteNames(tenantId, renamed)})`
}
