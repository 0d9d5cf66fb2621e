// One statement that reads one page of one kind of resource, and the number of all matches.
import { type RawBuilder, sql } from 'kysely'
import type { SentRow } from '../../db/sent-rows.ts'
import { LongBody } from './long-body.ts'
import type { SortedPart, SortKey } from './sort.ts'

/** The expressions that a list reads of each row, by name; the first has type text. */
export type PageColumns = Readonly<Record<string, RawBuilder<unknown>>>

export interface PageQuery {
  readonly table: 'users' | 'groups'
  readonly tenantId: number
  /** The subset of the table's rows to page through; undefined for all. */
  readonly rows: RawBuilder<unknown> | undefined
  /** Which rows belong to the list, filter included. */
  readonly condition: RawBuilder<unknown>
  /**
   * If the number of rows is known without counting: a scalar text expression that begins with the number and stays the
   * same as long as the rows do.
   */
  readonly edition: RawBuilder<string> | undefined
  readonly columns: PageColumns
  /** A text read once for all rows together: a scalar expression on `page`, which has the columns. */
  readonly besides: RawBuilder<unknown> | undefined
  /** Undefined for the order of creation. */
  readonly sort: SortKey | undefined
  readonly isDescending: boolean
  /** Reads towards the beginning; the nearest rows come first. */
  readonly isBackward: boolean
  readonly after: { readonly key: string | null; readonly ordinal: string } | undefined
  readonly offset: number
  readonly limit: number
  readonly reach: Reach
}

/** Whether only totals are wanted, or how far into the list the page begins. No other number changes the SQL text. */
type Reach = 'totals' | 'beginning' | 'near' | 'far'

export function reachOf({ offset, limit }: { offset: number; limit: number }): Reach {
  if (limit === 0) return 'totals'
  if (offset === 0) return 'beginning'
  return offset <= SMALL_OFFSET ? 'near' : 'far'
}

/** A row of a page: its position in the list, and where its text is in the page's body. */
export interface PageRow {
  readonly ordinal: string
  readonly key: string | null
  readonly start: number
  readonly end: number
}

export interface Page {
  readonly rows: readonly PageRow[]
  /** The number of all matches, not only of the page's. */
  readonly total: number
  /** The edition of the PageQuery, else the total. */
  readonly edition: string
  /** The rows' texts, separated by commas. */
  readonly body: LongBody
}

/** Writes a resource as JSON text. @param row the resource's columns begin at COLUMNS_FROM, in their order */
export type WriteRow = (row: SentRow, body: LongBody) => void

export const COLUMNS_FROM = 2

/** Up to this offset, the rows before a page are simply read and skipped. */
export const SMALL_OFFSET = 200

/**
 * Reads a page in order of creation directly, up to SMALL_OFFSET. Otherwise it chooses and orders rows by their keys
 * alone and only then reads them, so that an offset skips no documents.
 * @returns a statement for readRowsInTenant; a PageReader takes its rows
 */
export function pageStatement(query: PageQuery): RawBuilder<unknown> {
  const { table, tenantId, condition, reach, besides } = query
  const row = sql.table(table)
  const from = sql`from ${query.rows ? sql`(${query.rows}) as ${row}` : row} where ${row}.tenant_id = ${tenantId} and ${condition}`
  const total = reach === 'totals' ? (query.edition ?? counted(from)) : totalOf(query, from)
  if (reach === 'totals') return sql`select null as ordinal, ${total} as total, null as besides`
  const isDirect = query.sort === undefined && reach !== 'far'
  const others = Object.keys(query.columns).slice(1)
  return sql`
    with ${isDirect ? directPage(query, from) : chosenPage(query, from)}
    select null::bigint, ${total}::text, ${besides ?? sql`null::text`}${sql.join(
      others.map(() => sql`, null`),
      sql``
    )}
    union all
    select * from page`
}

/** Takes the rows of pageStatement; the first row is about all of them. */
export class PageReader {
  private readonly rows: PageRow[]
  private readonly body: LongBody
  private readonly writerOf: (besides: string | null) => WriteRow
  private edition: string | null
  private write: WriteRow | undefined

  /**
   * @param capacity expected bytes
   * @param writerOf receives the text read for all rows together
   */
  constructor(capacity: number, writerOf: (besides: string | null) => WriteRow) {
    this.rows = []
    this.body = new LongBody(capacity)
    this.writerOf = writerOf
    this.edition = null
  }

  take(row: SentRow): void {
    const { rows, body } = this
    if (this.write === undefined) {
      this.edition = row.text(1)
      this.write = this.writerOf(row.text(2))
      return
    }
    if (rows.length > 0) body.write(',')
    const start = body.length
    this.write(row, body)
    rows.push({ ordinal: row.text(0)!, key: row.text(1), start, end: body.length })
  }

  /** @param total number of all matches, for a statement that did not count them */
  page(total: number): Page {
    const { rows, body } = this
    const edition = this.edition ?? String(total)
    return { rows, edition, body, total: Number.parseInt(edition, 10) }
  }

  /** Whether rows may follow the page that nobody has counted. */
  isUncounted(limit: number): boolean {
    return this.edition === null && this.rows.length === limit
  }

  get count(): number {
    return this.rows.length
  }
}

const selectList = (columns: PageColumns) =>
  sql.join(Object.entries(columns).map(([name, expression]) => sql`${expression} as ${sql.ref(name)}`))

function directPage(query: PageQuery, from: RawBuilder<unknown>): RawBuilder<unknown> {
  const { table, columns, after, offset, limit } = query
  return sql`
    page as materialized (
      select ${sql.table(table)}.ordinal, null::text as key, ${selectList(columns)}
      ${from}${after ? sql` and ${behind(query)}` : sql``}
      ${orderBy(query)} limit ${limit} offset ${offset}
    )`
}

function chosenPage(query: PageQuery, from: RawBuilder<unknown>): RawBuilder<unknown> {
  const { table, tenantId, columns } = query
  const row = sql.table(table)
  const parts = query.rows ? undefined : query.sort?.parts?.(tenantId)
  return sql`
    chosen as materialized (${parts ? chosenInParts(query, parts) : chosenRows(query, from)}),
    page as materialized (
      select chosen.ordinal, chosen.key::text as key, read.*
      from chosen cross join lateral (
        select ${selectList(columns)} from ${row} where ${row}.tenant_id = ${tenantId} and ${row}.id = chosen.id offset 0
      ) as read
      order by chosen.place
    )`
}

function chosenRows(query: PageQuery, from: RawBuilder<unknown>): RawBuilder<unknown> {
  const { sort, after, offset, limit } = query
  const row = sql.table(query.table)
  const order = orderBy(query)
  return sql`
    select ${row}.id, ${row}.ordinal, ${sort ? sort.expression : sql`null::text`} as key,
      row_number() over (${order}) as place
    ${from}${after ? sql` and ${behind(query)}` : sql``}
    ${order} limit ${limit} offset ${offset}`
}

/** Merges the first rows of each part. Sorting the parts without a limit on each would read all their rows. */
function chosenInParts(query: PageQuery, parts: readonly SortedPart[]): RawBuilder<unknown> {
  const { table, tenantId, condition, offset, limit } = query
  const row = sql.table(table)
  const found = parts.flatMap((part) => {
    const ofPart = { ...query, sort: { ...query.sort!, expression: part.expression } }
    return placesOf(ofPart).map(
      (isThere) => sql`(
        select ${row}.id, ${row}.ordinal, ${part.expression} as key from ${part.from}
        where ${row}.tenant_id = ${tenantId} and ${part.condition} and ${condition} and ${isThere}
        ${orderBy(ofPart)} limit ${limit}::int + ${offset}::int)`
    )
  })
  const direction = directionOf(query)
  const order = sql`order by found.key ${direction}, found.ordinal ${direction}`
  return sql`
    select found.id, found.ordinal, found.key, row_number() over (${order}) as place
    from (${sql.join(found, sql` union all `)}) as found
    ${order} limit ${limit} offset ${offset}`
}

/** Conditions for rows after the position. Rows without a value get their own, since they enter the index elsewhere. */
function placesOf(query: PageQuery): RawBuilder<unknown>[] {
  const { after, sort } = query
  if (!after) return [sql`true`]
  if (after.key === null || !sort!.isNullable || isReversed(query)) return [behind(query)]
  return [behind({ ...query, sort: { ...sort!, isNullable: false } }), sql`${sort!.expression} is null`]
}

const counted = (from: RawBuilder<unknown>): RawBuilder<number> => sql`(select count(*)::int ${from})`

/**
 * A first page that is not full reveals the total itself. Most filters look for one user, and even a count that never
 * runs is a third of their cost.
 */
function totalOf({ edition, after, reach }: PageQuery, from: RawBuilder<unknown>): RawBuilder<unknown> {
  if (edition) return edition
  return after || reach !== 'beginning' ? counted(from) : sql`null`
}

const isReversed = ({ isDescending, isBackward }: PageQuery): boolean => isDescending !== isBackward

const directionOf = (query: PageQuery): RawBuilder<unknown> => (isReversed(query) ? sql`desc` : sql`asc`)

function orderBy(query: PageQuery): RawBuilder<unknown> {
  const direction = directionOf(query)
  const ordinal = sql`${sql.table(query.table)}.ordinal ${direction}`
  // nulls last ascending and first descending is PostgreSQL's default too
  return query.sort ? sql`order by ${query.sort.expression} ${direction}, ${ordinal}` : sql`order by ${ordinal}`
}

/** Rows after the position in the direction of reading. */
function behind(query: PageQuery): RawBuilder<unknown> {
  const { sort, table } = query
  const { key, ordinal } = query.after!
  const isDown = isReversed(query)
  const further = sql`${sql.table(table)}.ordinal ${isDown ? sql`<` : sql`>`} ${ordinal}::bigint`
  if (!sort) return further
  const { expression, type, isNullable } = sort
  if (key === null) {
    const among = sql`${expression} is null and ${further}`
    return isDown ? sql`((${among}) or ${expression} is not null)` : sql`(${among})`
  }
  const value = sql`${key}::${sql.raw(type)}`
  const [beyond, from] = isDown ? [sql`<`, sql`<=`] : [sql`>`, sql`>=`]
  // the first half lets an index start there
  const valued = sql`(${expression} ${from} ${value} and (${expression} ${beyond} ${value} or ${further}))`
  return isNullable && !isDown ? sql`(${valued} or ${expression} is null)` : valued
}
