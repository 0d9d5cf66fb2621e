// The index that users are searched by: which parts stand in whose names and addresses (the migration that made it says
// how it is built). Whatever writes names notes whom it wrote; here those who were noted are put into the index.
import { type RawBuilder, sql } from 'kysely'
import { type Db, inTenant, readOneInTenant, type Trx } from './connect.ts'
import { insertRows } from './rows.ts'
import type { UserPatch } from './schema.ts'

/** Users that are put into the index at once. */
export const SEGMENT_USERS = 4_096
/** Segments with fewer are taken along into the next one. */
const SMALL_SEGMENT_USERS = SEGMENT_USERS / 2
/** So many are left to be read one by one: an index of few people is no faster. */
export const PENDING_KEPT = 500

/** Steps of the indexing from one count of all users to the next. */
const STEPS_TO_COUNT = 16

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

/** Whether more users wait for being indexed than are left to be read one by one. */
export async function isIndexBehind(db: Db, tenantId: number, kept = PENDING_KEPT): Promise<boolean> {
  const waiting = sql`select from search_pending where tenant_id = ${tenantId} limit ${kept + 1}`
  const row = await readOneInTenant<{ count: number }>(
    db,
    tenantId,
    sql`select count(*)::int as count from (${waiting}) as waiting`
  )
  return row!.count > kept
}

/**
 * Puts users who were noted into the index, the longest waiting first, until few are left. Each step is a transaction
 * of some thousand users that waits for nobody; several processes may do it side by side.
 * @param limits.steps at most; `kept`: how many notes are few
 * @returns how many notes were worked off
 */
export async function indexNames(
  db: Db,
  tenantId: number,
  signal: AbortSignal,
  { steps = Number.POSITIVE_INFINITY, kept = PENDING_KEPT } = {}
): Promise<number> {
  let total = 0
  let areManyTwice = false
  for (let step = 0; step < steps && !signal.aborted && (await isIndexBehind(db, tenantId, kept)); step++) {
    if (step % STEPS_TO_COUNT === 0) areManyTwice = await isIndexCrowded(db, tenantId)
    const taken = await inTenant(db, tenantId, (trx) => indexSome(trx, tenantId, areManyTwice))
    // somebody else is at the rest
    if (taken === 0) break
    total += taken
  }
  return total
}

/**
 * One statement, because notes and names must be seen as they were at one moment: whoever renames meanwhile has left a
 * note that this does not see, and does not delete. What its inserts return is nobody's, as that of noteNames.
 */
async function indexSome(trx: Trx, tenantId: number, areManyTwice: boolean): Promise<number> {
  const { rows } = await sql<{ taken: number }>`
    with taken as (
        delete from search_pending where tenant_id = ${tenantId} and place in (
          select place from search_pending where tenant_id = ${tenantId}
          order by place limit ${sql.lit(SEGMENT_USERS)} for update skip locked
        ) returning user_id
      ),
      doubled as materialized (
        select segment from search_segments where tenant_id = ${tenantId} and ${sql.lit(areManyTwice)}
        order by segment limit 1
      ),
      folded as (
        delete from search_segments where tenant_id = ${tenantId} and segment = any(array(
          select segment from search_segments where tenant_id = ${tenantId} and users < ${sql.lit(SMALL_SEGMENT_USERS)}
          union all select segment from doubled
        )) returning segment, ordinals
      ),
      gone as (
        delete from search_postings
        where tenant_id = ${tenantId} and segment = any(array(select segment from folded))
      ),
      members as materialized (
        select users.ordinal from users
          where users.tenant_id = ${tenantId} and users.id = any(array(select user_id from taken))
        union
        select unnest(ordinals) from folded where segment not in (select segment from doubled)
        union (
          select unnest(ordinals) from folded where segment in (select segment from doubled)
          except
          select unnest(ordinals) from search_segments
            where tenant_id = ${tenantId} and segment not in (select segment from doubled)
              and exists (select from doubled)
        )
      ),
      made as materialized (select nextval('search_place_seq') as segment),
      texts as materialized (
        select users.ordinal, ${rankOf(sql.ref('users.shown_name_key'))} as rank, (concat_ws(' ', users.shown_name_key, users.email_key, users.user_name_key,
          users.family_name_key, lower(users.given_name)) || ' ') collate "C" as text
        from users
        where users.tenant_id = ${tenantId} and users.ordinal = any(array(select ordinal from members))
      ),
      grams as (
        select distinct texts.rank, texts.ordinal, split_part(substr(texts.text, place, 3), ' ', 1) as gram
        from texts, generate_series(1, length(texts.text) - 1) as place
      ),
      posted as (
        insert into search_postings (tenant_id, gram, segment, users, ordinals, ranks)
        select ${tenantId}::int, gram, (select segment from made), count(*), array_agg(ordinal), array_agg(rank)
        from (select * from grams where gram <> '' order by gram, rank) as sorted group by gram
        returning 1
      ),
      segmented as (
        insert into search_segments (tenant_id, segment, users, ordinals)
        select ${tenantId}::int, made.segment, count(*), array_agg(texts.ordinal order by texts.ordinal)
        from texts cross join made group by made.segment
        returning 1
      )
    select count(*)::int as taken from taken`.execute(trx)
  return rows[0]!.taken
}

/**
 * Who was renamed is in an old segment and in a newer one: by and by the old ones lose what they hold for nothing.
 * Counts all users of the tenant.
 */
async function isIndexCrowded(db: Db, tenantId: number): Promise<boolean> {
  const row = await readOneInTenant<{ is: boolean }>(
    db,
    tenantId,
    sql`select coalesce(sum(users), 0) > ${sql.lit(SEGMENT_USERS)}
      + 1.25 * (select count(*) from users where tenant_id = ${tenantId}) as is
      from search_segments where tenant_id = ${tenantId}`
  )
  return row!.is
}
