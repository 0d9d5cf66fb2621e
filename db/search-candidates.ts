// Which users a search looks at: the common table expressions of a statement on `users`, and its condition. Every user
// to be found has the probes in the segment they were last put into, or waits to be indexed. The statement compares the
// candidates with the search itself.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { rankOf } from './search-index.ts'
import type { SearchEstimate } from './search-plan.ts'

/** How a list is sorted, and where the page begins. */
interface Bounds {
  readonly order: 'name' | 'age'
  readonly isDescending: boolean
  /** The sort value of the last row before the page, as text, and its id. */
  readonly after: readonly [string, string] | undefined
}

/** The beginning and the condition of a statement on `users`, so that it looks only at candidates. */
export interface Narrowing {
  readonly ctes: RawBuilder<unknown>
  readonly condition: RawBuilder<SqlBool>
}

/** In a subquery, to compute it once, not for each entry that is compared with it. */
const rankOnce = (name: RawBuilder<unknown>): RawBuilder<string> => sql`(select ${rankOf(name)})`

/** All candidates: everybody whom the index may find, or who is not in it yet. */
export function toCandidates(estimate: SearchEstimate): Narrowing {
  return {
    ctes: sql`with entries as materialized (${entriesWithAll(estimate, false, sql`true`)})`,
    condition: isAmong(estimate, sql`select ordinal from entries`)
  }
}

/**
 * The first candidates from the beginning of the page, in the order of the list, or all of them. A renamed user also
 * has entries with outdated ranks, and is looked at in the place of the first entry. The page ends at the last entry
 * taken.
 */
export function toFirstCandidates(
  estimate: SearchEstimate,
  first: number | undefined,
  { order, isDescending, after }: Bounds
): Narrowing {
  const isByName = order === 'name'
  const place = sql.ref(isByName ? 'entry.rank' : 'entry.ordinal')
  const own = isByName ? rankOf(sql.ref('users.shown_name_key')) : sql.ref('users.ordinal')
  const upTo = sql.raw(isDescending ? '>=' : '<=')
  const from = sql.raw(isDescending ? '<=' : '>=')
  const last = isByName ? rankOnce(sql`${after?.[0] ?? null}::text`) : sql`${after?.[0] ?? null}::bigint`
  const entries = entriesWithAll(estimate, isByName, after === undefined ? sql`true` : sql`${place} ${from} ${last}`)
  if (first === undefined) {
    return {
      ctes: sql`with entries as materialized (${entries})`,
      condition: isAmong(estimate, sql`select ordinal from entries`)
    }
  }
  const inOrder = sql.raw(`${isByName ? 'rank' : 'ordinal'}${isDescending ? ' desc' : ''}`)
  const column = sql.raw(isByName ? 'rank' : 'ordinal')
  // without an end, there are fewer than asked for
  const isWithin = (value: RawBuilder<unknown>) =>
    sql<SqlBool>`coalesce(${value} ${upTo} (select ${column} from page_end), true)`
  return {
    ctes: sql`
      with entries as materialized (${entries}),
      page_end as materialized (
        select ${column} from entries order by ${inOrder} offset ${sql.lit(first - 1)} limit 1
      )`,
    condition: sql<SqlBool>`
      ${isAmong(estimate, sql`select ordinal from entries where ${isWithin(column)}`)} and ${isWithin(own)}`
  }
}

/**
 * The first candidates by name: from as many slices, from the page's beginning on, as are likely to hold `likely`
 * matches (at least `slices` of them), and from the segments that are not slices. The page ends before the indexed name
 * of the last candidate taken, and at the latest with the last slice searched.
 */
export function toFirstOfSlices(
  estimate: SearchEstimate,
  { first, likely, slices }: { first: number; likely: number; slices: number },
  { isDescending, after }: Bounds
): Narrowing {
  const { tenantId, probes } = estimate
  const before = sql.raw(isDescending ? '>' : '<')
  const direction = sql.raw(isDescending ? 'desc' : 'asc')
  const isWithin = sql.raw(isDescending ? '>' : '<=')
  const [edgeName, edgeId] = isDescending
    ? [sql.ref('from_name'), sql.ref('from_id')]
    : [sql.ref('until_name'), sql.ref('until_id')]
  const rank = sql.ref('entry.rank')
  // one or two letters: several parts of a name may begin with them, so that a user has several entries
  const areManyTwice = [...probes[0]!.from].length < 3
  const end = sql.raw(isDescending ? '>=' : '<=')
  const unsortedBehind = after
    ? sql`and ${rank} ${sql.raw(isDescending ? '<=' : '>=')} ${rankOnce(sql`${after[0]}::text`)}`
    : sql``
  return {
    ctes: sql`
      with ${slicesInOrder(tenantId, isDescending)},
      nearest as materialized (${slicesByLikelihood(estimate, isDescending, after)}),
      looked_into as materialized (select place, segment from nearest where ahead < ${likely}::int or place <= ${slices}::int),
      cut as materialized (
        select ${edgeName} as name, ${edgeId} as id from nearest
        where place = (select max(place) from looked_into) and exists (
          select from nearest where place > (select max(place) from looked_into))
      ),
      passed as materialized (${passedSlots(tenantId, isDescending, after)}),
      entries as materialized (
        select ${areManyTwice ? sql`distinct` : sql``} looked_into.place, looked_into.segment, entry.slot, entry.ordinal
        from (${postingsOf(estimate, sql`p.segment, p.ordinals, p.slots`, sql`select segment from looked_into`)}) as posting
        join looked_into on looked_into.segment = posting.segment
        left join passed on passed.segment = posting.segment
        cross join unnest(posting.ordinals, posting.slots) as entry (ordinal, slot)
        where coalesce(entry.slot ${sql.raw(isDescending ? '<=' : '>')} passed.slot, true)
          ${hasOthers(estimate, sql`select segment from looked_into`)}
      ),
      page_end as materialized (
        select place, segment, slot from entries order by place, slot ${direction} offset ${sql.lit(first - 1)} limit 1
      ),
      bound as materialized (
        select ${isDescending ? sql`greatest(s.names[page_end.slot], nearest.from_name)` : sql`s.names[page_end.slot]`} as name
        from page_end join nearest on nearest.segment = page_end.segment
        join search_segments s on s.tenant_id = ${tenantId} and s.segment = page_end.segment
      ),
      unsorted as materialized (
        select entry.ordinal
        from (${postingsOf(estimate, sql`p.ordinals, p.ranks`, sql`select segment from loose`)}) as posting
        cross join unnest(posting.ordinals, posting.ranks) as entry (ordinal, rank)
        where coalesce(${rank} ${end} ${rankOnce(sql`(select name from bound)`)}, true)
          and coalesce(${rank} ${end} ${rankOnce(sql`(select name from cut)`)}, true) ${unsortedBehind}
          ${hasOthers(estimate, sql`select segment from loose`)}
      )`,
    condition: sql<SqlBool>`
      ${isAmong(
        estimate,
        sql`
          select ordinal from entries
          where coalesce((place, ${isDescending ? sql`-slot` : sql`slot`})
            <= (select place, ${isDescending ? sql`-slot` : sql`slot`} from page_end), true)
          union all select ordinal from unsorted`
      )}
      and coalesce(users.shown_name_key ${before} (select name from bound), true)
      and coalesce((users.shown_name_key, users.id) ${isWithin} (select name, id from cut), true)`
  }
}

/**
 * `slices`: those of the newest sweep, and for names that it has not reached yet, those of the sweep before. `loose`:
 * the segments that were made since, which are not sorted.
 */
function slicesInOrder(tenantId: number, isDescending: boolean): RawBuilder<unknown> {
  // if the newest sweep has come to the middle of an older slice, only the rest of that slice is used
  const furthest = (from: RawBuilder<unknown>, until: RawBuilder<unknown>) => sql`
    case when sweep < (select sweep from newest) and (from_name, from_id) < (select until_name, until_id from newest)
      then (select ${until} from newest) else ${from} end`
  const ofTenant = sql`tenant_id = ${tenantId} and sweep is not null`
  return sql`
    newest as materialized (
      select sweep, until_name, until_id from search_segments where ${ofTenant} order by sweep desc, segment desc limit 1
    ),
    whole as materialized (
      select coalesce(max(sweep), 0) as sweep from search_segments where ${ofTenant} and until_id is null
    ),
    slices as materialized (
      select row_number() over (order by ${sql.raw(isDescending ? 'sweep, segment desc' : 'sweep desc, segment')}) as before,
        segment, users, until_name, until_id, ${furthest(sql.ref('from_name'), sql.ref('until_name'))} as from_name, ${furthest(sql.ref('from_id'), sql.ref('until_id'))} as from_id
      from search_segments where ${ofTenant} and (
        sweep = (select sweep from newest)
        or sweep = (select sweep from whole) and (
          until_id is null or (until_name, until_id) > (select until_name, until_id from newest)))
    ),
    loose as materialized (
      select segment from search_segments
      where tenant_id = ${tenantId} and sweep is null and segment > (select sweep from whole)
    )`
}

/** Whether a slice `s` reaches beyond the page's beginning. */
function isAtPage(isDescending: boolean, after: Bounds['after']): RawBuilder<unknown> {
  if (!after) return sql`true`
  const [name, id] = after
  return isDescending
    ? sql`(s.from_name, s.from_id) < (${name}::text, ${id}::uuid)`
    : sql`coalesce((s.until_name, s.until_id) > (${name}::text, ${id}::uuid), true)`
}

/** Whether the page's beginning lies within a slice `s`. */
function holdsBeginning(isDescending: boolean, after: Bounds['after']): RawBuilder<unknown> {
  if (!after) return sql`false`
  const [name, id] = after
  return isDescending
    ? sql`coalesce((s.until_name, s.until_id) >= (${name}::text, ${id}::uuid), true)`
    : sql`(s.from_name, s.from_id) <= (${name}::text, ${id}::uuid)`
}

/**
 * The slices that have all probes, from the page's beginning on, each with the number of matches expected `ahead` of it
 * if the probes are independent. The slice in which the page begins counts as 0: it may have nothing left.
 */
function slicesByLikelihood(
  { tenantId, probes }: SearchEstimate,
  isDescending: boolean,
  after: Bounds['after']
): RawBuilder<unknown> {
  const shares = probes.map(
    ({ from, below }) => sql`least(1, coalesce((
      select sum(p.users) from search_postings p
      where p.tenant_id = ${tenantId} and p.segment = s.segment and p.gram >= ${from} and p.gram < ${below}), 0) / s.users::real)`
  )
  return sql`
    select likely.*, row_number() over (order by before) as place, coalesce(sum(case when is_begun then 0 else count end) over (
      order by before rows between unbounded preceding and 1 preceding), 0) as ahead
    from (
      select s.*, ${holdsBeginning(isDescending, after)} as is_begun, s.users * ${sql.join(shares, sql` * `)} as count
      from slices s where s.users > 0 and ${isAtPage(isDescending, after)}
    ) as likely
    where count > 0`
}

/** The slot up to which (descending: after which) users of the slice in which the page begins come before the page. */
function passedSlots(tenantId: number, isDescending: boolean, after: Bounds['after']): RawBuilder<unknown> {
  if (!after) return sql`select null::bigint as segment, null::bigint as slot where false`
  return sql`
    select s.segment, (select count(*) from unnest(s.names) as one (name)
      where one.name ${sql.raw(isDescending ? '<=' : '<')} ${after[0]}::text) as slot
    from nearest join search_segments s on s.tenant_id = ${tenantId} and s.segment = nearest.segment
    where nearest.is_begun`
}

/** Postings of the rarest probe: in the given segments, or in all those that have the other probes, too. */
function postingsOf(
  { tenantId, probes }: SearchEstimate,
  columns: RawBuilder<unknown>,
  segments: RawBuilder<unknown> | undefined
): RawBuilder<unknown> {
  const [rarest, ...others] = probes
  const there = segments ? sql`and p.segment = any(array(${segments}))` : sql``
  const holds = others.map(
    ({ from, below }) => sql`and exists (select from search_postings o where o.tenant_id = ${tenantId}
      and o.segment = p.segment and o.gram >= ${from} and o.gram < ${below})`
  )
  return sql`
    select ${columns} from search_postings p
    where p.tenant_id = ${tenantId} and p.gram >= ${rarest!.from} and p.gram < ${rarest!.below} ${there}
      ${holds.length > 0 && segments === undefined ? sql.join(holds, sql` `) : sql``}`
}

/** Conditions that the user of an entry has the other probes, too. */
function hasOthers(
  { tenantId, probes }: SearchEstimate,
  segments: RawBuilder<unknown> | undefined
): RawBuilder<unknown> {
  const there = segments ? sql`and p.segment = any(array(${segments}))` : sql``
  // `is true` keeps the planner from turning them into joins, whose size it underestimates
  const conditions = probes.slice(1).map(
    ({ from, below }) => sql`and (entry.ordinal in (select unnest(p.ordinals) from search_postings p
      where p.tenant_id = ${tenantId} and p.gram >= ${from} and p.gram < ${below} ${there})) is true`
  )
  return conditions.length > 0 ? sql.join(conditions, sql` `) : sql``
}

/**
 * Entries of the rarest probe whose users have the other probes, too. A user may have several.
 * @param withRanks whether to read ranks, which are longer than everything else
 */
function entriesWithAll(
  estimate: SearchEstimate,
  withRanks: boolean,
  condition: RawBuilder<unknown>
): RawBuilder<unknown> {
  const arrays = sql.raw(withRanks ? 'ordinals, ranks' : 'ordinals')
  return sql`
    select entry.* from (${postingsOf(estimate, arrays, undefined)}) as probe
    cross join unnest(${sql.raw(withRanks ? 'probe.ordinals, probe.ranks' : 'probe.ordinals')})
      as entry (${sql.raw(withRanks ? 'ordinal, rank' : 'ordinal')})
    where ${condition} ${hasOthers(estimate, undefined)}`
}

// arrays of unknown contents, so that the plan uses the indexes of both keys
const isAmong = ({ tenantId }: SearchEstimate, ordinals: RawBuilder<unknown>): RawBuilder<SqlBool> => sql<SqlBool>`(
  users.ordinal = any(array(${ordinals}))
  or users.id = any(array(select user_id from search_pending where tenant_id = ${tenantId})))`
