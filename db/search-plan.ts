// How a search finds its users: by the index of parts (search-index.ts), or by walking along the list, which is faster
// where many are found. Either way everybody is compared with the words: the ways differ in whom they look at.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import { resourceCount } from './resource-counts.ts'
import { PENDING_KEPT, rankOf, SEGMENT_USERS } from './search-index.ts'

/** What is looked up: grams from `from` on, up to but not including `below`. */
interface Probe {
  /** Which of the words it is a part of. */
  readonly word: number
  readonly from: string
  readonly below: string
}

export interface SearchEstimate {
  readonly tenantId: number
  /** Of the tenant. */
  readonly users: number
  /** Of them, users who are not in the index. */
  readonly pending: number
  /** Those whose entries are to be read: everybody who is found has all of them. Rarest first; none for words of nothing. */
  readonly probes: readonly Counted[]
  /** Whether many users wait for being indexed. */
  readonly isBehind: boolean
}

interface Counted extends Probe {
  /** Users with it, about. */
  readonly count: number
}

/** Which of a list's users are looked at. */
export type Way =
  /** As many as `steps` from where the page begins; everybody without it. */
  | { readonly kind: 'walk'; readonly steps?: number }
  /**
   * Those who have all probes; of them `first` in the order of the list, and whoever ties with the last one. With
   * `heads`, of each posting of the one probe so many are read who come first by name.
   */
  | { readonly kind: 'index'; readonly first?: number; readonly heads?: number }

/** Further ones tell nothing new. */
const MAX_PROBES = 12
/** Those that the fewest users have: they leave nearly nobody who has not all others. */
const MAX_LOOKED_UP = 3
/** Postings of one probe that are counted: a range that has more is no rare one. */
const MAX_POSTINGS = 4_000
const MAX_PENDING_COUNTED = 20_000
/** A page that is not full after so many steps will not be soon. */
const STEPS = 1_000
/** How much dearer than such a walk the index must be for the walk to be tried first: often it is in vain. */
const WORTH_A_TRY = 3

/** Processor time in µs, as measured. */
const COSTS = {
  /** An entry of a posting, with whatever it is sorted by. */
  entry: 0.3,
  /** To fetch a user by a key, and compare it with the words. */
  candidate: 5,
  /** To come to the next user of the list, and compare it. */
  step: 4
}

/** Three characters each of longer words; shorter words as ranges. */
export function probesOf(words: readonly string[]): Probe[] {
  const parts = words.flatMap((text, word) => {
    const characters = [...text]
    const places = Math.max(1, characters.length - 2)
    return Array.from({ length: places }, (_, place) => ({ word, part: characters.slice(place, place + 3).join('') }))
  })
  const first = parts.filter(({ part }, index) => parts.findIndex((other) => other.part === part) === index)
  return first.slice(0, MAX_PROBES).map(({ word, part }) => ({ word, from: part, below: following(part) }))
}

/** The first text that comes behind all that begin with `prefix`, in the order of code points. */
function following(prefix: string): string {
  const characters = [...prefix]
  const last = characters.pop()!.codePointAt(0)!
  // surrogates are no characters
  const next = last === 0xd7ff ? 0xe000 : last + 1
  return next > 0x10ffff ? following(characters.join('')) : characters.join('') + String.fromCodePoint(next)
}

/** Counts in the index for how many users a search will have to look at; one statement. */
export async function estimateSearch(db: Db, tenantId: number, words: readonly string[]): Promise<SearchEstimate> {
  const probes = probesOf(words)
  const row = await readOneInTenant<{ users: number; pending: number; counts: number[] }>(
    db,
    tenantId,
    sql`
      select ${resourceCount(tenantId, 'User')} as users,
        (select count(*)::int from (
          select from search_pending where tenant_id = ${tenantId} limit ${sql.lit(MAX_PENDING_COUNTED)}
        ) as pending) as pending,
        array(
          select (select coalesce(sum(found.users), 0)::int from (
            select p.users from search_postings p
            where p.tenant_id = ${tenantId} and p.gram >= probe.first and p.gram < probe.below
            limit ${sql.lit(MAX_POSTINGS)}
          ) as found)
          from unnest(${probes.map(({ from }) => from)}::text[], ${probes.map(({ below }) => below)}::text[])
            with ordinality as probe (first, below, place)
          order by place
        ) as counts`
  )
  const { users, pending, counts } = row!
  const counted = probes.map((probe, index) => ({ ...probe, count: counts[index]! }))
  return { tenantId, users, pending, probes: cheapest(counted), isBehind: pending > PENDING_KEPT }
}

/** As many of the rarest probes as make the look-up cheaper: a further one leaves about a tenth of those to be compared. */
function cheapest(probes: readonly Counted[]): Counted[] {
  const rarest: Counted[] = []
  for (const probe of probes.toSorted((a, b) => a.count - b.count)) {
    // parts of one word that equally many have are likely to be had by the same
    const isAlike = rarest.some(({ word, count }) => word === probe.word && count > 0.8 * probe.count)
    if (!isAlike && rarest.length < MAX_LOOKED_UP) rarest.push(probe)
  }
  const choices = rarest.map((_, index) => rarest.slice(0, index + 1))
  const costOf = (chosen: readonly Counted[]) =>
    entriesOf(chosen) * COSTS.entry + (chosen[0]!.count / 10 ** (chosen.length - 1)) * COSTS.candidate
  return choices.toSorted((a, b) => costOf(a) - costOf(b))[0] ?? []
}

const entriesOf = (probes: readonly Counted[]) => probes.reduce((sum, { count }) => sum + count, 0)

/**
 * The ways to fill a page, to be tried in turn until it is full; the last one finds everybody.
 * @param order `index`: the list is walked in the order of an index; `name`, `age`: postings know it, too
 * @param isFirst whether it is the list's first page
 */
export function waysToPage(
  estimate: SearchEstimate,
  limit: number,
  order: 'name' | 'age' | undefined,
  isFirst = false
): Way[] {
  const { users, pending, probes } = estimate
  const rarest = probes[0]
  const all = wayToAll(estimate)
  if (!rarest || !order || users <= STEPS) return [all]
  const ways: Way[] = []
  const first = 4 * limit
  const cost = entriesOf(probes) * COSTS.entry + (first + pending) * COSTS.candidate
  const heads = isFirst && order === 'name' ? headsOf(estimate, first) : undefined
  if (heads) ways.push({ kind: 'index', first, heads })
  else if (cost > WORTH_A_TRY * STEPS * COSTS.step) ways.push({ kind: 'walk', steps: STEPS })
  if (rarest.count > 2 * first && cost < users * COSTS.step) ways.push({ kind: 'index', first })
  return [...ways, all]
}

/** What is read of each posting beyond what it would hold of the page if names were spread evenly. */
const HEAD_FACTOR = 2
const HEAD_LEAST = 8
/** A larger share of the entries is read as quickly without looking where it ends. */
const HEAD_SHARE = 0.3

/**
 * How many entries of each posting are likely to hold the first ones; undefined where that is most of them. Not for
 * several probes: who has the second one may come last of those who have the first, as families do by given name.
 */
function headsOf({ users, probes }: SearchEstimate, first: number): number | undefined {
  if (probes.length > 1 || first > HEAD_SHARE * probes[0]!.count) return undefined
  return HEAD_LEAST + Math.ceil((HEAD_FACTOR * first) / Math.ceil(users / SEGMENT_USERS))
}

/** The way to everybody who is found. */
export function wayToAll({ users, pending, probes }: SearchEstimate): Way {
  const rarest = probes[0]
  if (!rarest || users <= STEPS) return { kind: 'walk' }
  const byIndex = entriesOf(probes) * COSTS.entry + (rarest.count + pending) * COSTS.candidate
  return byIndex < users * COSTS.step ? { kind: 'index' } : { kind: 'walk' }
}

/** How a list is sorted, and where the page begins. */
export interface Bounds {
  readonly order: 'name' | 'age'
  readonly isDescending: boolean
  /** The sort value of the last row before the page, as text. */
  readonly after: string | undefined
}

/** What a statement on `users` begins with and what its condition is, so that it looks at nobody but candidates. */
export interface Narrowing {
  readonly ctes: RawBuilder<unknown>
  readonly condition: RawBuilder<SqlBool>
}

/** Everybody who may be found by the index, or is not in it yet. */
export function toCandidates(estimate: SearchEstimate): Narrowing {
  return {
    ctes: sql`with entries as materialized (${entriesWithAll(estimate, false, sql`true`)})`,
    condition: isAmong(estimate, sql`select ordinal from entries`)
  }
}

/**
 * Of the candidates, the first ones in the order of the list. Somebody who was renamed has entries with ranks that are
 * out of date, and is looked at where the first of them stands; the page ends where the last one does that was taken.
 */
export function toFirstCandidates(estimate: SearchEstimate, first: number, bounds: Bounds): Narrowing {
  const { order, isDescending, after } = bounds
  const isByName = order === 'name'
  const place = sql.ref(isByName ? 'entry.rank' : 'entry.ordinal')
  const own = isByName ? rankOf(sql.ref('users.shown_name_key')) : sql.ref('users.ordinal')
  const upTo = sql.raw(isDescending ? '>=' : '<=')
  const from = sql.raw(isDescending ? '<=' : '>=')
  const last = isByName ? rankOf(sql`${after ?? null}::text`) : sql`${after ?? null}::bigint`
  const behind = after === undefined ? sql`true` : sql`${place} ${from} ${last}`
  const entries = entriesWithAll(estimate, isByName, behind)
  const inOrder = sql.raw(`${isByName ? 'rank' : 'ordinal'}${isDescending ? ' desc' : ''}`)
  const column = sql.raw(isByName ? 'rank' : 'ordinal')
  // without an end there are fewer than were asked for
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
 * The same for a list's first page by name, from the heads of the postings, which are in the order of ranks. It ends,
 * at the latest, ahead of the first rank at which a head was cut off: behind it somebody may have been left out.
 */
export function toHeads(
  estimate: SearchEstimate,
  { first, heads, isDescending }: { first: number; heads: number; isDescending: boolean }
): Narrowing {
  const { tenantId, probes } = estimate
  const { from, below } = probes[0]!
  const cutPlace = isDescending ? sql`p.users - ${heads}::int + 1` : sql`${heads}::int`
  const slice = isDescending ? sql`greatest(1, ${cutPlace}):` : sql`:${cutPlace}`
  const before = sql.raw(isDescending ? '>' : '<')
  const upTo = sql.raw(isDescending ? '>=' : '<=')
  const direction = sql.raw(isDescending ? 'desc' : 'asc')
  const isWhole = (rank: RawBuilder<unknown>) =>
    sql<SqlBool>`coalesce(${rank} ${before} (select cut_at from cut), true)`
  const isWithin = (rank: RawBuilder<unknown>) =>
    sql<SqlBool>`coalesce(${rank} ${upTo} (select rank from page_end), true)`
  const own = rankOf(sql.ref('users.shown_name_key'))
  return {
    ctes: sql`
      with heads as materialized (
        select p.ordinals[${slice}] as ordinals, p.ranks[${slice}] as ranks,
          case when p.users > ${heads}::int then p.ranks[${cutPlace}] end as cut_at
        from search_postings p where p.tenant_id = ${tenantId} and p.gram >= ${from} and p.gram < ${below}
      ),
      cut as materialized (
        select cut_at from heads where cut_at is not null order by cut_at ${direction} limit 1
      ),
      entries as materialized (
        select entry.ordinal, entry.rank
        from heads cross join unnest(heads.ordinals, heads.ranks) as entry (ordinal, rank)
        where ${isWhole(sql.ref('entry.rank'))}
      ),
      page_end as materialized (select rank from entries order by rank ${direction} offset ${sql.lit(first - 1)} limit 1)`,
    condition: sql<SqlBool>`
      ${isAmong(estimate, sql`select ordinal from entries where ${isWithin(sql.ref('rank'))}`)}
      and ${isWithin(own)} and ${isWhole(own)}`
  }
}

/**
 * Entries of the rarest probe, of users who have the others, too. Some may be there twice.
 * @param withRanks whether ranks are read, which are longer than all else
 */
const entriesWithAll = (
  { tenantId, probes }: SearchEstimate,
  withRanks: boolean,
  condition: RawBuilder<unknown>
): RawBuilder<unknown> => {
  const [rarest, ...others] = probes.map(
    ({ from, below }) => sql`
      search_postings p where p.tenant_id = ${tenantId} and p.gram >= ${from} and p.gram < ${below}`
  )
  const arrays = sql.raw(withRanks ? 'ordinals, ranks' : 'ordinals')
  // compared with true, because a plan that makes joins of them takes them for small
  const inOthers = others.map((other) => sql` and (entry.ordinal in (select unnest(p.ordinals) from ${other})) is true`)
  return sql`
    select entry.* from (select ${arrays} from ${rarest}) as probe
    cross join unnest(${sql.raw(withRanks ? 'probe.ordinals, probe.ranks' : 'probe.ordinals')})
      as entry (${sql.raw(withRanks ? 'ordinal, rank' : 'ordinal')})
    where ${condition} ${others.length > 0 ? sql.join(inOthers, sql` `) : sql``}`
}

// arrays, because a plan that knows nothing of them takes the indexes of both keys
const isAmong = ({ tenantId }: SearchEstimate, ordinals: RawBuilder<unknown>): RawBuilder<SqlBool> => sql<SqlBool>`(
  users.ordinal = any(array(${ordinals}))
  or users.id = any(array(select user_id from search_pending where tenant_id = ${tenantId})))`
