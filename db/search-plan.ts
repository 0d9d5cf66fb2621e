// How a search finds its users: by the index of parts (search-index.ts), or by walking along the list, which is faster
// if many match. Either way every user looked at is compared with the words: the ways differ in whom they look at
// (search-candidates.ts).
import { sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import { resourceCount } from './resource-counts.ts'
import { PENDING_KEPT } from './search-index.ts'

/** A range of grams to look up: from `from` on, up to but not including `below`. */
interface Probe {
  /** The index of the word that it is a part of. */
  readonly word: number
  readonly from: string
  readonly below: string
}

export interface SearchEstimate {
  readonly tenantId: number
  /** Users of the tenant. */
  readonly users: number
  /** Users who wait to be indexed, counted up to MAX_PENDING_COUNTED. */
  readonly pending: number
  /** The probes whose entries are read: every match has all of them. Rarest first; none if there are no words. */
  readonly probes: readonly Counted[]
  /** How many segments hold users who are consecutive by name. */
  readonly slices: number
  /** Whether many users wait to be indexed. */
  readonly isBehind: boolean
}

interface Counted extends Probe {
  /** About how many users have it. */
  readonly count: number
}

/** Which of a list's users are looked at. */
export type Way =
  /** Up to `steps` users from the page's beginning; everybody without it. */
  | { readonly kind: 'walk'; readonly steps?: number }
  /**
   * Users who have all probes: the `first` of them in the order of the list, and those tied with the last one. With
   * `from`, only as many sorted segments are searched, from the page's beginning on, as are likely to hold `likely`
   * matches, but at least `slices`.
   */
  | {
      readonly kind: 'index'
      readonly first?: number
      readonly from?: { readonly likely: number; readonly slices: number }
    }

/** Further probes add no information. */
const MAX_PROBES = 12
/** Only the rarest probes are looked up: almost everybody who has these has all the others. */
const MAX_LOOKED_UP = 3
/** How many postings of a probe are counted: a range with more is not rare. */
const MAX_POSTINGS = 4_000
const MAX_PENDING_COUNTED = 20_000
/** A page that is not full after this many steps will not be full soon. */
const STEPS = 1_000
/** How many times a walk's cost the index must cost for the walk to be tried first: walks often fail. */
const WORTH_A_TRY = 3
/** A walk is likely to fill the page if matches are this many times as frequent as it needs. */
const OFTEN = 10
/** The same for a single letter, which has many parts to read. */
const OFTEN_ALONE = 2
/** Slices are searched until they are expected to hold this many times the matches needed. */
const HOPED_FOR = 2
/** The minimum number of slices for several probes: in a slice that begins or ends with a name, nobody may have all. */
const LEAST_TOGETHER = 3
/** The factor for the next attempt if the slices did not fill the page. */
const FURTHER = 8

/** Processor time in µs, as measured. */
const COSTS = {
  /** To read an entry of a posting, with its sort key. */
  entry: 0.3,
  /** To fetch a user by key and compare them with the words. */
  candidate: 5,
  /** To go to the next user of the list and compare them. */
  step: 4
}

/** Every three consecutive characters of a word; a shorter word as a range. */
export function probesOf(words: readonly string[]): Probe[] {
  const parts = words.flatMap((text, word) => {
    const characters = [...text]
    const places = Math.max(1, characters.length - 2)
    return Array.from({ length: places }, (_, place) => ({ word, part: characters.slice(place, place + 3).join('') }))
  })
  const first = parts.filter(({ part }, index) => parts.findIndex((other) => other.part === part) === index)
  return first.slice(0, MAX_PROBES).map(({ word, part }) => ({ word, from: part, below: following(part) }))
}

/** The first text after all those that begin with `prefix`, in the order of code points. */
function following(prefix: string): string {
  const characters = [...prefix]
  const last = characters.pop()!.codePointAt(0)!
  // surrogates are not characters
  const next = last === 0xd7ff ? 0xe000 : last + 1
  return next > 0x10ffff ? following(characters.join('')) : characters.join('') + String.fromCodePoint(next)
}

/** Estimates from the index how many users a search will have to look at; one statement. */
export async function estimateSearch(db: Db, tenantId: number, words: readonly string[]): Promise<SearchEstimate> {
  const probes = probesOf(words)
  const row = await readOneInTenant<{ users: number; pending: number; slices: number; counts: number[] }>(
    db,
    tenantId,
    sql`
      select ${resourceCount(tenantId, 'User')} as users,
        (select count(*)::int from (
          select from search_pending where tenant_id = ${tenantId} limit ${sql.lit(MAX_PENDING_COUNTED)}
        ) as pending) as pending,
        (select count(*)::int from search_segments where tenant_id = ${tenantId} and sweep is not null) as slices,
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
  const { users, pending, slices, counts } = row!
  const counted = probes.map((probe, index) => ({ ...probe, count: counts[index]! }))
  return { tenantId, users, pending, slices, probes: cheapest(counted), isBehind: pending > PENDING_KEPT }
}

/** As many of the rarest probes as make the look-up cheapest: each further one leaves a tenth of the candidates. */
function cheapest(probes: readonly Counted[]): Counted[] {
  const rarest: Counted[] = []
  for (const probe of probes.toSorted((a, b) => a.count - b.count)) {
    // parts of one word that are equally frequent probably belong to the same users
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
 * @param order the sort order, which postings know, too; undefined for one that they do not know
 */
export function waysToPage(estimate: SearchEstimate, limit: number, order: 'name' | 'age' | undefined): Way[] {
  const { users, pending, probes } = estimate
  const rarest = probes[0]
  const all = wayToAll(estimate)
  if (!rarest || !order || users <= STEPS) return [all]
  const first = 4 * limit
  const ways = order === 'name' ? waysBySlices(estimate, limit, first) : []
  const expected = expectedOf(estimate)
  // so many parts begin with one letter that counting them ends early
  const isLetter = [...rarest.from].length === 1
  const cost = entriesOf(probes) * COSTS.entry + (first + pending) * COSTS.candidate
  if (ways.length === 0 && expected > 2 * first && cost < users * COSTS.step) ways.push({ kind: 'index', first })
  // with slices a page is cheap, unless most users have what is looked up
  const isWalkWorthIt =
    order === 'name' && ways.length > 0
      ? (expected / users) * STEPS > (isLetter ? OFTEN_ALONE : OFTEN) * limit
      : cost > WORTH_A_TRY * STEPS * COSTS.step
  return [...(isWalkWorthIt ? [{ kind: 'walk', steps: STEPS } as const] : []), ...ways, all]
}

/** First by as many slices as are likely to fill the page, then by more. */
function waysBySlices(estimate: SearchEstimate, limit: number, first: number): Way[] {
  const ways: Way[] = []
  const likely = HOPED_FOR * limit
  const expected = expectedOf(estimate)
  if (estimate.slices <= 2 || likely > expected / 2) return ways
  const least = estimate.probes.length > 1 ? LEAST_TOGETHER : 1
  for (let more = 1; more < estimate.slices / 2; more *= FURTHER) {
    ways.push({ kind: 'index', first: first * 2 ** ways.length, from: { likely: likely * more, slices: least * more } })
  }
  return ways
}

/** How many users are expected to have all probes if these are independent. */
const expectedOf = ({ users, probes }: SearchEstimate): number =>
  probes.reduce((rest, { count }) => rest * Math.min(1, count / users), users)

/** The cheaper way to find everybody. */
export function wayToAll({ users, pending, probes }: SearchEstimate): Way {
  const rarest = probes[0]
  if (!rarest || users <= STEPS) return { kind: 'walk' }
  const byIndex = entriesOf(probes) * COSTS.entry + (rarest.count + pending) * COSTS.candidate
  return byIndex < users * COSTS.step ? { kind: 'index' } : { kind: 'walk' }
}
