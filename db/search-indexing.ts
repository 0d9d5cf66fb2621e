// Puts noted users into the search index: as they come, and by sweeps over all users by name. A sweep makes sorted
// segments (slices), few of which a page of the list has to search. It also gets rid of entries outdated by renaming.
import { type RawBuilder, sql } from 'kysely'
import { type Db, inTenant, readOneInTenant, type Trx } from './connect.ts'
import { PENDING_KEPT, rankOf, SEGMENT_USERS } from './search-index.ts'

interface IndexingLimits {
  /** Maximum number of steps. */
  readonly steps?: number
  /** Up to how many notes may be left. */
  readonly kept?: number
  /** Users per segment. */
  readonly segmentUsers?: number
  /** How many users in unsorted segments, or waiting, are worth a sweep. */
  readonly unsorted?: number
}

/** Up to how many users may be in unsorted segments, all of which each search looks into. */
const UNSORTED_KEPT = 8 * SEGMENT_USERS
/** In a large tenant, up to one in this many users: a sweep takes longer the larger the tenant is. */
const UNSORTED_SHARE = 8
/** How many segments from before a sweep are deleted at once. */
const REMAINS_AT_ONCE = 8

interface IndexState {
  /** The number of notes, counted only up to what is worth a sweep. */
  readonly pending: number
  /** Users who were indexed as they came, since the newest sweep began. */
  readonly unsorted: number
  readonly sorted: number
  /** The newest sweep (0: none), and the last user that it has reached (null: it is over). */
  readonly sweep: string
  readonly until_name: string | null
  readonly until_id: string | null
  /** Whether it is over and older segments, now useless, are left. */
  readonly has_remains: boolean
}

/** Whether more than `kept` users wait to be indexed, a sweep is under way, or older segments are left to delete. */
export async function isIndexBehind(db: Db, tenantId: number, kept = PENDING_KEPT): Promise<boolean> {
  const waiting = sql`select from search_pending where tenant_id = ${tenantId} limit ${kept + 1}`
  const row = await readOneInTenant<{ is: boolean }>(
    db,
    tenantId,
    sql`select (select count(*) from (${waiting}) as waiting) > ${kept} or exists (
      select from (${newestSweep(tenantId)}) as newest where until_id is not null or exists (
        select from search_segments s where s.tenant_id = ${tenantId} and s.segment < newest.sweep)) as is`
  )
  return row!.is
}

/** The last segment of the newest sweep; without any sweep, one numbered 0 that is over. */
const newestSweep = (tenantId: number): RawBuilder<unknown> => sql`
  select sweep, until_name, until_id from (
    select sweep, segment, until_name, until_id from search_segments where tenant_id = ${tenantId} and sweep is not null
    union all select 0, 0, null, null
  ) as slices order by sweep desc, segment desc limit 1`

/**
 * Puts noted users into the index until few are left, and sorts the index if much of it is unsorted. Each step is a
 * transaction of some thousand users that no writer waits for; several processes may run it side by side.
 * @returns how many notes were processed, plus how many users were sorted
 */
export async function indexNames(
  db: Db,
  tenantId: number,
  signal: AbortSignal,
  limits: IndexingLimits = {}
): Promise<number> {
  let total = 0
  for (let step = 0; step < (limits.steps ?? Number.POSITIVE_INFINITY) && !signal.aborted; step++) {
    const taken = await inTenant(db, tenantId, (trx) => takeStep(trx, tenantId, limits, step))
    // nothing to do, or another process is working on the rest
    if (taken === undefined) break
    total += taken
  }
  return total
}

/** @returns how many users it processed; undefined if there was nothing to do */
async function takeStep(trx: Trx, tenantId: number, limits: IndexingLimits, step: number): Promise<number | undefined> {
  const { kept = PENDING_KEPT, segmentUsers = SEGMENT_USERS, unsorted: worth = UNSORTED_KEPT } = limits
  // before the state is read, so that it includes what the previous holder of the lock did
  const maySweep = await lockSweeps(trx, tenantId)
  const state = await readState(trx, tenantId, worth)
  const isSweeping = state.until_id !== null
  const isWorth =
    state.pending + state.unsorted >= (isSweeping ? worth : Math.max(worth, state.sorted / UNSORTED_SHARE))
  const isBehind = state.pending > kept
  // if many wait, the sweep indexes them; otherwise every other step of a sweep goes to users noted meanwhile
  const isSweepsTurn = isWorth || ((isSweeping || state.has_remains) && !(isBehind && step % 2 === 1))
  if (!isSweepsTurn) return isBehind ? (await indexSome(trx, tenantId, segmentUsers)) || undefined : undefined
  if (!maySweep) return undefined
  if (state.has_remains) return deleteRemains(trx, tenantId)
  return isSweeping ? sweepSome(trx, tenantId, state, segmentUsers) : beginSweep(trx, tenantId)
}

async function readState(trx: Trx, tenantId: number, worth: number): Promise<IndexState> {
  const { rows } = await sql<IndexState>`
    select counts.*, newest.*,
      (select count(*)::int from (
        select from search_pending where tenant_id = ${tenantId}
        limit greatest(${worth}::int, counts.sorted / ${sql.lit(UNSORTED_SHARE)})
      ) as waiting) as pending,
      newest.until_id is null and counts.is_older as has_remains
    from (${newestSweep(tenantId)}) as newest
    cross join lateral (
      select coalesce(sum(users) filter (where s.sweep is null and s.segment > newest.sweep), 0)::int as unsorted,
        coalesce(sum(users) filter (where s.sweep = newest.sweep), 0)::int as sorted,
        coalesce(bool_or(s.segment < newest.sweep), false) as is_older
      from search_segments s where s.tenant_id = ${tenantId}
    ) as counts`.execute(trx)
  return rows[0]!
}

/** Lets one process sweep at a time. @returns whether this transaction holds the lock, until its end */
async function lockSweeps(trx: Trx, tenantId: number): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select pg_try_advisory_xact_lock(${sql.lit(SWEEP_LOCK)}, ${tenantId}::int) as has`.execute(trx)
  return rows[0]!.has
}

const SWEEP_LOCK = 4_726_002

/**
 * Begins a sweep with an empty slice. Its number is the sweep's, drawn before the sweep reads anything: every segment
 * with a lower number was read before the sweep.
 */
async function beginSweep(trx: Trx, tenantId: number): Promise<number> {
  await sql`
    with made as materialized (select nextval('search_place_seq') as segment),
      begun as (
        insert into search_segments (tenant_id, segment, users, ordinals, sweep, until_name, until_id, names)
        select ${tenantId}::int, segment, 0, '{}', segment, '', ${NOBODY}::uuid, '{}' from made
        returning 1
      )
    select segment from made`.execute(trx)
  return 0
}

/** Sorts before everybody whose name is empty. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** Puts the next users by name into the index, and deletes their notes. */
async function sweepSome(trx: Trx, tenantId: number, state: IndexState, segmentUsers: number): Promise<number> {
  const { sweep, until_name: name, until_id: id } = state
  const { rows } = await sql<{ taken: number }>`
    with slice as materialized (
        select users.id, users.shown_name_key, ${textColumns} from users
        where users.tenant_id = ${tenantId} and (users.shown_name_key, users.id) > (${name}::text, ${id}::uuid)
        order by users.shown_name_key, users.id limit ${segmentUsers}::int
      ),
      heard as (
        delete from search_pending
        where tenant_id = ${tenantId} and (user_id in (select id from slice)) is true
        returning 1
      ),
      texts as materialized (
        select ordinal, rank, text, row_number() over (order by shown_name_key, id)::smallint as slot from slice
      ),
      last as (select shown_name_key, id from slice order by shown_name_key desc, id desc limit 1),
      counted as (select count(*) as users, count(*) = ${segmentUsers}::int as is_full from slice),
      made as materialized (select nextval('search_place_seq') as segment),
      ${posted(tenantId, sql`array_agg(slot)`)},
      segmented as (
        insert into search_segments
          (tenant_id, segment, users, ordinals, sweep, from_name, from_id, until_name, until_id, names)
        select ${tenantId}::int, (select segment from made), users, array(select ordinal from texts order by ordinal),
          ${sweep}::bigint, ${name}::text, ${id}::uuid,
          case when is_full then (select shown_name_key from last) end, case when is_full then (select id from last) end,
          array(select shown_name_key from slice order by shown_name_key, id)
        from counted
        returning 1
      )
    select users::int as taken from counted`.execute(trx)
  return rows[0]!.taken
}

/** Deletes segments from before the newest sweep, if that is over. */
async function deleteRemains(trx: Trx, tenantId: number): Promise<number> {
  const older = sql`
    select s.segment from search_segments s, (${newestSweep(tenantId)}) as newest
    where s.tenant_id = ${tenantId} and s.segment < newest.sweep and newest.until_id is null
    order by s.segment limit ${sql.lit(REMAINS_AT_ONCE)}`
  await sql`
    with gone as (
      delete from search_segments where tenant_id = ${tenantId} and segment = any(array(${older})) returning segment
    )
    delete from search_postings where tenant_id = ${tenantId} and segment = any(array(select segment from gone))`.execute(
    trx
  )
  return 0
}

/** The text that is indexed of a user. A name that the shown name contains is left out. */
const textColumns = sql`users.ordinal, ${rankOf(sql.ref('users.shown_name_key'))} as rank, (
  concat_ws(' ', users.shown_name_key, users.email_key, nullif(users.user_name_key, users.email_key),
    case when not ${isWithin(sql.ref('users.family_name_key'))} then users.family_name_key end,
    case when not ${isWithin(sql`lower(users.given_name)`)} then lower(users.given_name) end) || ' ') collate "C" as text`

function isWithin(name: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`(strpos(' ' || users.shown_name_key || ' ', ' ' || ${name} || ' ') > 0)`
}

/** Posts `texts` under the segment number of `made`. For the `returning 1`, see noteNames. */
const posted = (tenantId: number, slots: RawBuilder<unknown>): RawBuilder<unknown> => sql`
      grams as (
        select distinct texts.rank, texts.slot, texts.ordinal, split_part(substr(texts.text, place, 3), ' ', 1) as gram
        from texts, generate_series(1, length(texts.text) - 1) as place
      ),
      posted as (
        insert into search_postings (tenant_id, gram, segment, users, ordinals, ranks, slots)
        select ${tenantId}::int, gram, (select segment from made), count(*), array_agg(ordinal), array_agg(rank), ${slots}
        from (select * from grams where gram <> '' order by gram, rank, slot) as sorted group by gram
        returning 1
      )`

/**
 * Indexes the users who have waited longest. One statement, because it must see notes and names as of one moment: a
 * rename meanwhile leaves a note that this statement does not see, and so does not delete.
 */
async function indexSome(trx: Trx, tenantId: number, segmentUsers: number): Promise<number> {
  const { rows } = await sql<{ taken: number }>`
    with waiting as materialized (
        select place from search_pending where tenant_id = ${tenantId}
        order by place limit ${segmentUsers}::int for update skip locked
      ),
      taken as (
        delete from search_pending
        where tenant_id = ${tenantId} and place = any(array(select place from waiting)) returning user_id
      ),
      folded as (
        delete from search_segments where tenant_id = ${tenantId} and sweep is null and users < ${segmentUsers}::int / 2
        returning segment, ordinals
      ),
      gone as (
        delete from search_postings
        where tenant_id = ${tenantId} and segment = any(array(select segment from folded))
      ),
      members as materialized (
        select users.ordinal from users
          where users.tenant_id = ${tenantId} and users.id = any(array(select user_id from taken))
        union
        select unnest(ordinals) from folded
      ),
      made as materialized (select nextval('search_place_seq') as segment),
      texts as materialized (
        select ${textColumns}, null::smallint as slot from users
        where users.tenant_id = ${tenantId} and users.ordinal = any(array(select ordinal from members))
      ),
      ${posted(tenantId, sql`null`)},
      segmented as (
        insert into search_segments (tenant_id, segment, users, ordinals)
        select ${tenantId}::int, made.segment, count(*), array_agg(texts.ordinal order by texts.ordinal)
        from texts cross join made group by made.segment
        returning 1
      )
    select count(*)::int as taken from taken`.execute(trx)
  return rows[0]!.taken
}
