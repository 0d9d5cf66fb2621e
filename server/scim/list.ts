// Lists (RFC 7644 §3.4.2, RFC 9865): one kind of resource, or several in sequence, paged by index or cursor.
import type { RawBuilder } from 'kysely'
import { isCitus, readRowsInTenant } from '../../db/connect.ts'
import { findAnchor, keepAnchor } from './anchors.ts'
import { connectionOf, type ScimAnswer, type ScimContext, sqlContextOf } from './context.ts'
import { openCursor, type Position, sealCursor } from './cursor.ts'
import type { Filter } from './filter/ast.ts'
import { filterToRows, type SqlContext } from './filter/to-sql.ts'
import type { ListQuery } from './list-query.ts'
import { LIST_END, type ListHead, listBeginning } from './list-response.ts'
import { type Page, type PageColumns, PageReader, type PageRow, SMALL_OFFSET, type WriteRow } from './list-sql.ts'
import { compilePage } from './list-statement.ts'
import { type LongAnswer, LongBody } from './long-body.ts'
import { readAtMark } from './marks.ts'
import { needs, type Projection, parseProjection } from './projection.ts'
import type { ResourceType } from './schemas/types.ts'
import { parseSortBy, type SortKey, type SortLayout } from './sort.ts'

/** What a list needs to know of one kind of resource. */
export interface ListSource {
  readonly name: 'User' | 'Group'
  readonly table: 'users' | 'groups'
  /** @param tenant the tenant's id where Citus needs it as a value; undefined uses the row's column */
  sortLayout(view: SqlContext, tenant: number | undefined): SortLayout
  /** The attribute that is read from memberships, only where an answer includes it. */
  readonly related: 'groups' | 'members'
  /** Which of the tenant's rows the caller may see. The view may hold placeholders for later values. */
  condition(view: SqlContext): RawBuilder<unknown>
  /** The number of these rows, where it is known without counting: see PageQuery. */
  edition(view: SqlContext): RawBuilder<string> | undefined
  /** What the texts need of each row, as expressions on it. */
  columns(view: SqlContext, withRelated: boolean): PageColumns
  /** What the texts need of all rows of a page together, as a scalar expression on `page`. */
  besides(view: SqlContext, withRelated: boolean): RawBuilder<unknown> | undefined
  /** @param besides the text read for all rows of a page together */
  writer(context: ScimContext, projection: Projection, besides: string | null): WriteRow
}

/** Parses a filter against one resource type, or against all that are searched. */
type ReadFilter = (text: string) => Filter

/** One source with what the query asks of it. */
interface Search {
  readonly source: ListSource
  readonly resourceType: ResourceType
  readonly projection: Projection
  readonly filter: Filter | undefined
  readonly sort: SortKey | undefined
}

/** Where a page begins: `offset` rows after the position, or after the beginning of the list. */
export interface Place {
  readonly after?: { readonly key: string | null; readonly ordinal: string }
  readonly offset: number
}

export interface Slice extends Place {
  readonly isBackward: boolean
  readonly limit: number
}

/**
 * Answers a list.
 * @param sources in order; a page may begin in one and end in another, and sorting is within each
 * @param sortType resolves sortBy: the resource type itself, unless several are searched
 */
export async function listResources(
  context: ScimContext,
  sources: readonly ListSource[],
  query: ListQuery,
  readFilter: ReadFilter,
  sortType: (source: ListSource) => ResourceType = (source) => context.schemas[source.name]
): Promise<ScimAnswer> {
  const filter = query.filter === undefined ? undefined : readFilter(query.filter)
  const { deps, tenant } = context
  const layoutOf = (source: ListSource) =>
    source.sortLayout(sqlContextOf(context), isCitus(deps.db) ? tenant.id : undefined)
  const searches = sources.map((source): Search => {
    const resourceType = context.schemas[source.name]
    return {
      source,
      resourceType,
      projection: parseProjection(query.projection, resourceType),
      filter,
      sort: query.sortBy ? parseSortBy(query.sortBy, sortType(source), layoutOf(source), context.leniency) : undefined
    }
  })
  return query.cursor === undefined ? listByIndex(context, searches, query) : listByCursor(context, searches, query)
}

async function listByIndex(context: ScimContext, searches: readonly Search[], query: ListQuery): Promise<ScimAnswer> {
  const parts: Part[] = []
  let totalResults = 0
  let limit = query.count
  for (const search of searches) {
    const offset = Math.max(0, query.startIndex - 1 - totalResults)
    const page = await readByOffset(context, search, query, offset, limit)
    parts.push({ search, page, rows: page.rows })
    totalResults += page.total
    limit -= page.rows.length
  }
  return { status: 200, ...bodyOf({ totalResults, startIndex: query.startIndex }, parts) }
}

/** The rows of an answer that come from one search. */
interface Part {
  readonly search: Search
  readonly page: Page
  readonly rows: readonly PageRow[]
}

function bodyOf(head: Omit<ListHead, 'itemsPerPage'>, parts: readonly Part[]): LongAnswer {
  const filled = parts.filter(({ rows }) => rows.length > 0)
  const itemsPerPage = filled.reduce((sum, { rows }) => sum + rows.length, 0)
  const beginning = listBeginning({ ...head, itemsPerPage })
  const [first] = filled
  if (first && filled.length === 1 && isAsRead(first)) {
    return first.page.body.endWith(beginning, first.rows.at(-1)!.end, LIST_END)
  }
  const body = together(filled)
  return body.endWith(beginning, body.length, LIST_END)
}

const isAsRead = ({ page, rows }: Part): boolean => rows.every((row, index) => row === page.rows[index])

/** Joins the texts of several searches, or texts that were read in another order. */
function together(parts: readonly Part[]): LongBody {
  const rows = parts.flatMap(({ page, rows }) => rows.map(({ start, end }) => ({ from: page.body, start, end })))
  const body = new LongBody(rows.reduce((size, { start, end }) => size + end - start + 1, 0))
  rows.forEach(({ from, start, end }, index) => {
    if (index > 0) body.write(',')
    body.copyFrom(from, start, end)
  })
  for (const { page } of parts) page.body.discard()
  return body
}

async function readByOffset(
  context: ScimContext,
  search: Search,
  query: ListQuery,
  offset: number,
  limit: number
): Promise<Page> {
  const read = (place: Place) => readPage(context, search, query, { isBackward: false, limit, ...place })
  if (offset <= SMALL_OFFSET || limit === 0) return read({ offset })
  const { source, filter, sort } = search
  const isWhole = filter === undefined && sort === undefined && source.edition(sqlContextOf(context)) !== undefined
  return isWhole ? readAtMark(context, source, offset, read) : readBehindAnchor(context, search, query, offset, read)
}

/** Starts from the last row of the previous page, if that is known and the list has not changed since. */
async function readBehindAnchor(
  context: ScimContext,
  search: Search,
  { filter, sortBy, isDescending }: ListQuery,
  offset: number,
  read: (place: Place) => Promise<Page>
): Promise<Page> {
  const { deps, tenant } = context
  const name = JSON.stringify([tenant.id, connectionOf(context), search.source.name, filter, sortBy, isDescending])
  const anchor = findAnchor(deps, name, offset)
  const next = anchor && (await read({ after: anchor.after, offset: 0 }))
  const isCurrent = next !== undefined && next.edition === anchor?.edition
  const found = isCurrent ? next : await read({ offset })
  const last = found.rows.at(-1)
  if (last) {
    const after = { key: last.key, ordinal: last.ordinal }
    keepAnchor(deps, name, offset + found.rows.length, { after, edition: found.edition })
  }
  return found
}

async function listByCursor(context: ScimContext, searches: readonly Search[], query: ListQuery): Promise<ScimAnswer> {
  const binding = JSON.stringify([
    searches.map(({ source }) => source.name),
    query.filter,
    query.sortBy,
    query.isDescending
  ])
  const position = query.cursor ? openCursor(context, binding, query.cursor) : undefined
  const isBackward = position?.isBackward ?? false
  const pages = await readFrom(context, searches, query, position)
  const found = pages.flatMap(({ page, source }) => page.rows.map((row) => ({ row, source })))
  // one row more than the page holds tells whether another page follows
  const hasMore = found.length > query.count
  const shown = found.slice(0, query.count)
  if (isBackward) shown.reverse()
  const pointTo = (item: Found | undefined, backward: boolean) =>
    item && sealCursor(context, binding, { ...placeOf(item), isBackward: backward })
  const head = {
    totalResults: pages.reduce((sum, { page }) => sum + page.total, 0),
    nextCursor: isBackward || hasMore ? pointTo(shown.at(-1), false) : undefined,
    previousCursor: isBackward ? (hasMore ? pointTo(shown[0], true) : undefined) : position && pointTo(shown[0], true)
  }
  const parts = [...searches.entries()].map(([index, search]): Part => {
    const { page } = pages.find(({ source }) => source === index)!
    return { search, page, rows: shown.flatMap(({ row, source }) => (source === index ? row : [])) }
  })
  return { status: 200, ...bodyOf(head, parts) }
}

interface Found {
  readonly row: PageRow
  readonly source: number
}

const placeOf = ({ row, source }: Found) => ({ source, key: row.key, ordinal: row.ordinal })

/** Reads the rows from the position on, across sources in the direction of reading, and every source's total. */
async function readFrom(
  context: ScimContext,
  searches: readonly Search[],
  query: ListQuery,
  position: Position | undefined
): Promise<{ source: number; page: Page }[]> {
  const isBackward = position?.isBackward ?? false
  const start = position?.source ?? 0
  const order = isBackward ? [...searches.keys()].reverse() : [...searches.keys()]
  const pages: { source: number; page: Page }[] = []
  let limit = query.count + 1
  for (const source of order) {
    const isPassed = isBackward ? source > start : source < start
    const page = await readPage(context, searches[source]!, query, {
      after: source === start ? position : undefined,
      isBackward,
      offset: 0,
      limit: isPassed ? 0 : limit
    })
    pages.push({ source, page })
    limit -= page.rows.length
  }
  return pages
}

async function readPage(context: ScimContext, search: Search, query: ListQuery, slice: Slice): Promise<Page> {
  const { source, resourceType, projection, filter, sort } = search
  const { isDescending } = query
  const { db } = context.deps
  const view = sqlContextOf(context)
  const withRelated = needs(projection, context.schemas[source.name], source.related)
  const filtered = filter && filterToRows(filter, resourceType, view)
  const statement = compilePage(db, { source, withRelated, sort, isDescending }, view, filtered, slice)
  const capacity = filter ? 0 : Math.min(slice.limit * ROW_BYTES, MAX_EXPECTED_BYTES)
  const reader = new PageReader(capacity, (besides) => source.writer(context, projection, besides))
  await readRowsInTenant(db, view.tenantId, statement, (row) => reader.take(row))
  if (!reader.isUncounted(slice.limit)) return reader.page(reader.count)
  const counted = await readPage(context, search, query, { ...slice, limit: 0 })
  return reader.page(Math.max(counted.total, reader.count))
}

/** Expected bytes of a resource, for pages without a filter; most filters look for one user. */
const ROW_BYTES = 2_000
const MAX_EXPECTED_BYTES = 1_000_000
