// How a search finds its users: by the index of parts (search-index.ts), or by walking along the list, which is faster
// where many are found. Either way everybody is compared with the words: the ways differ in whom they look at
// (search-candidates.ts).
import { sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import { resourceCount } from './resource-counts.ts'
import { PENDING_KEPT } from './search-index.ts'

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
  /** Segments of users who follow one another by name. */
  readonly slices: number
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
   * `from`, of the segments that are sorted by name no more are looked into, from where the page begins, than are
   * likely to hold so many, and so many in any case.
   */
  | {
      readonly kind: 'index'
      readonly first?: number
      readonly from?: { readonly likely: number; readonly slices: number }
    }

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
/** Who is found so many times as often as a walk needs is likely to fill the page by it. */
const OFTEN = 10
/** The same for one letter, whose parts are many to read. */
const OFTEN_ALONE = 2
/** How many times as many are hoped for in the slices that are looked into as are needed. */
const HOPED_FOR = 2
/** Slices that several probes are looked for in at least: in one that begins or ends with a name, nobody may have them all. */
const LEAST_TOGETHER = 3
/** Where they did not fill the page, so many times as many are hoped for. */
const FURTHER = 8

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
 */
export function waysToPage(estimate: SearchEstimate, limit: number, order: 'name' | 'age' | undefined): Way[] {
  const { users, pending, probes } = estimate
  const rarest = probes[0]
  const all = wayToAll(estimate)
  if (!rarest || !order || users <= STEPS) return [all]
  const first = 4 * limit
  const ways = order === 'name' ? waysBySlices(estimate, limit, first) : []
  const expected = expectedOf(estimate)
  // of which the index has so many parts that counting them ends early
  const isLetter = [...rarest.from].length === 1
  const cost = entriesOf(probes) * COSTS.entry + (first + pending) * COSTS.candidate
  if (ways.length === 0 && expected > 2 * first && cost < users * COSTS.step) ways.push({ kind: 'index', first })
  // by slices a page costs little, except where most users have what is looked up
  const isWalkWorthIt =
    order === 'name' && ways.length > 0
      ? (expected / users) * STEPS > (isLetter ? OFTEN_ALONE : OFTEN) * limit
      : cost > WORTH_A_TRY * STEPS * COSTS.step
  return [...(isWalkWorthIt ? [{ kind: 'walk', steps: STEPS } as const] : []), ...ways, all]
}

/** By so many slices that the page is likely to be there, then by more. */
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

/** How many users have all probes, if each of them says nothing of the others. */
const expectedOf = ({ users, probes }: SearchEstimate): number =>
  probes.reduce((rest, { count }) => rest * Math.min(1, count / users), users)

/** The way to everybody who is found. */
export function wayToAll({ users, pending, probes }: SearchEstimate): Way {
  const rarest = probes[0]
  if (!rarest || users <= STEPS) return { kind: 'walk' }
  const byIndex = entriesOf(probes) * COSTS.entry + (rarest.count + pending) * COSTS.candidate
  return byIndex < users * COSTS.step ? { kind: 'index' } : { kind: 'walk' }
}
