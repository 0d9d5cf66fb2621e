// Remembers where every hundredth resource of a tenant stands, so that a page far into the list costs no more than the
// first. Pages requested in arbitrary order leave each other no anchors, and skipping everything before them would cost
// more the larger the tenant is.
import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { readFieldsInTenant } from '../../db/connect.ts'
import type { Deps } from '../deps.ts'
import { type ScimContext, sqlContextOf } from './context.ts'
import type { ListSource, Place } from './list.ts'
import type { Page } from './list-sql.ts'

interface Marks {
  /** The edition of the list that they hold for: its total, and how often a row has moved in it. */
  edition: string
  /** Of rows 100, 200, … */
  readonly ordinals: readonly string[]
  readonly readAtMs: number
  readonly tookMs: number
}

const STEP = 100
/** Cached ordinals over all tenants: enough for twenty million users. */
const MAX_ORDINALS = 200_000
/** The largest share of the time that rereading a whole list may take. */
const MAX_SHARE = 0.05

interface Known {
  readonly marks: LRUCache<string, Marks>
  readonly beingRead: Map<string, Promise<Marks | undefined>>
}

const known = new WeakMap<Deps, Known>()

function knownOf(deps: Deps): Known {
  let found = known.get(deps)
  if (!found) {
    const sizeCalculation = ({ ordinals }: Marks) => ordinals.length + 1
    found = { marks: new LRUCache({ maxSize: MAX_ORDINALS, sizeCalculation }), beingRead: new Map() }
    known.set(deps, found)
  }
  return found
}

/** @param read reads the page; its offset counts from the position */
export async function readAtMark(
  context: ScimContext,
  source: ListSource,
  offset: number,
  read: (place: Place) => Promise<Page>
): Promise<Page> {
  const marks = await currentMarks(context, source)
  const count = Math.min(Math.floor(offset / STEP), marks?.ordinals.length ?? 0)
  if (!marks || count === 0) return read({ offset })
  const after = { key: null, ordinal: marks.ordinals[count - 1]! }
  const page = await read({ after, offset: offset - count * STEP })
  if (page.edition === marks.edition) return page
  // if the same marks hold for a newer edition and no row has moved since, they held for this one
  const renewed = await renew(context, source, marks)
  const areGood = renewed?.readAtMs === marks.readAtMs && movesOf(renewed.edition) === movesOf(page.edition)
  return areGood ? page : read({ offset })
}

const movesOf = (edition: string) => edition.split(' ')[1]
const totalOf = (edition: string) => Number.parseInt(edition, 10)

async function currentMarks(context: ScimContext, source: ListSource): Promise<Marks | undefined> {
  return knownOf(context.deps).marks.get(keyOf(context, source)) ?? (await renew(context, source, undefined))
}

const keyOf = ({ tenant }: ScimContext, source: ListSource) => `${tenant.id} ${source.name}`

/** @returns undefined where the list changed before its end, and it is too early to reread it whole */
function renew(context: ScimContext, source: ListSource, before: Marks | undefined): Promise<Marks | undefined> {
  const { marks, beingRead } = knownOf(context.deps)
  const key = keyOf(context, source)
  let reading = beingRead.get(key)
  if (!reading) {
    reading = extendOrRead(context, source, before)
      .then((read) => {
        if (read) marks.set(key, read)
        return read
      })
      .finally(() => beingRead.delete(key))
    beingRead.set(key, reading)
  }
  return reading
}

async function extendOrRead(
  context: ScimContext,
  source: ListSource,
  before: Marks | undefined
): Promise<Marks | undefined> {
  const extended = before && (await readMarks(context, source, before))
  if (extended) return extended
  if (before && performance.now() - before.readAtMs < before.tookMs / MAX_SHARE) return undefined
  return readMarks(context, source, { edition: '', ordinals: [], readAtMs: 0, tookMs: 0 })
}

/**
 * Reads the marks after the known ones.
 * @returns undefined where a row has moved, or was added late before the end of the known marks
 */
async function readMarks(context: ScimContext, source: ListSource, before: Marks): Promise<Marks | undefined> {
  const readAtMs = performance.now()
  const view = sqlContextOf(context)
  const row = sql.table(source.table)
  const last = before.ordinals.at(-1)
  const statement = sql`
    with numbered as (
      select ${row}.ordinal, row_number() over (order by ${row}.ordinal) as place from ${row}
      where ${row}.tenant_id = ${context.tenant.id} and ${source.condition(view)}
        ${last === undefined ? sql`` : sql`and ${row}.ordinal > ${last}::bigint`}
    )
    select ${source.edition(view)}, count(*),
      string_agg(ordinal::text, ' ' order by place) filter (where place % ${sql.lit(STEP)} = 0)
    from numbered`
  const [edition, count, ordinals] = (await readFieldsInTenant(context.deps.db, context.tenant.id, statement))[0]!
  const isSound =
    totalOf(edition!) === before.ordinals.length * STEP + Number(count) &&
    (last === undefined || movesOf(edition!) === movesOf(before.edition))
  if (!isSound) return undefined
  return {
    edition: edition!,
    ordinals: ordinals === null ? before.ordinals : [...before.ordinals, ...ordinals!.split(' ')],
    readAtMs: last === undefined ? readAtMs : before.readAtMs,
    tookMs: last === undefined ? performance.now() - readAtMs : before.tookMs
  }
}
