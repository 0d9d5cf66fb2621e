// Lists (RFC 7644 §3.4.2, RFC 9865): one kind of resource, or several one after the other, paged by index or cursor.
import { type RawBuilder, sql } from 'kysely'
import { readInTenant } from '../../db/connect.ts'
import { findAnchor, keepAnchor } from './anchors.ts'
import { ownScopeOf, type ScimAnswer, type ScimContext } from './context.ts'
import { openCursor, type Position, sealCursor } from './cursor.ts'
import type { Filter } from './filter/ast.ts'
import { filterToSql } from './filter/to-sql.ts'
import type { ListQuery } from './list-query.ts'
import { listBody } from './list-response.ts'
import { type PageRow, pageStatement } from './list-sql.ts'
import { type Projection, parseProjection } from './projection.ts'
import type { ResourceType } from './schemas/types.ts'
import { parseSortBy, type SortKey, type SortLayout } from './sort.ts'

/** What a list needs to know of one kind of resource. */
export interface ListSource<Row = unknown> {
  readonly name: 'User' | 'Group'
  readonly table: 'users' | 'groups'
  readonly sortLayout: SortLayout
  /** Which rows there are for the asker, beside the tenant. */
  condition(context: ScimContext): RawBuilder<unknown>
  /** How many these are, where that is known without counting. */
  total(context: ScimContext): RawBuilder<number> | undefined
  /** What `toText` needs, as a select list on the row. */
  columns(context: ScimContext, projection: Projection): RawBuilder<unknown>
  /** The resource as JSON text. */
  toText(row: Row, context: ScimContext, projection: Projection): string
}

/** How a filter's text becomes its tree: against one resource type, or against all that are searched. */
export type ReadFilter = (text: string) => Filter

/** One source with what the query asks of it. */
interface Search {
  readonly source: ListSource
  readonly resourceType: ResourceType
  readonly projection: Projection
  readonly filter: Filter | undefined
  readonly sort: SortKey | undefined
}

type Row = PageRow & Record<string, unknown>

interface Page {
  readonly rows: readonly Row[]
  /** Of all that match, not of the page. */
  readonly total: number
}

interface Slice {
  after?: { key: string | null; ordinal: string }
  isBackward: boolean
  offset: number
  limit: number
}

/**
 * Answers a list.
 * @param sources in their order; a page may begin in one and end in another, and sorting is within each
 * @param sortType against what sortBy is resolved: the resource type itself, unless several are searched
 */
export async function listResources(
  context: ScimContext,
  sources: readonly ListSource[],
  query: ListQuery,
  readFilter: ReadFilter,
  sortType: (source: ListSource) => ResourceType = (source) => context.schemas[source.name]
): Promise<ScimAnswer> {
  const filter = query.filter === undefined ? undefined : readFilter(query.filter)
  const searches = sources.map((source): Search => {
    const resourceType = context.schemas[source.name]
    return {
      source,
      resourceType,
      projection: parseProjection(query.projection, resourceType),
      filter,
      sort: query.sortBy ? parseSortBy(query.sortBy, sortType(source), source.sortLayout, context.leniency) : undefined
    }
  })
  return query.cursor === undefined ? listByIndex(context, searches, query) : listByCursor(context, searches, query)
}

async function listByIndex(context: ScimContext, searches: readonly Search[], query: ListQuery): Promise<ScimAnswer> {
  const resources: string[] = []
  let totalResults = 0
  for (const search of searches) {
    const offset = Math.max(0, query.startIndex - 1 - totalResults)
    const limit = query.count - resources.length
    const { rows, total } = await readByOffset(context, search, query, offset, limit)
    for (const row of rows) resources.push(search.source.toText(row, context, search.projection))
    totalResults += total
  }
  return { status: 200, body: listBody({ totalResults, startIndex: query.startIndex, resources }) }
}

/** From the last row of the page before, where it is known and as many match as then. */
async function readByOffset(
  context: ScimContext,
  search: Search,
  query: ListQuery,
  offset: number,
  limit: number
): Promise<Page> {
  const { filter, sortBy, isDescending } = query
  const { deps, tenant } = context
  const name = JSON.stringify([tenant.id, ownScopeOf(context), search.source.name, filter, sortBy, isDescending])
  const anchor = findAnchor(deps, name, offset)
  const next = anchor && (await readPage(context, search, query, { ...FORWARD, after: anchor.after, limit }))
  const isCurrent = next !== undefined && next.total === anchor?.total
  const found = isCurrent ? next : await readPage(context, search, query, { ...FORWARD, offset, limit })
  const last = found.rows.at(-1)
  if (last) {
    const after = { key: last.sort_key, ordinal: last.sort_ordinal }
    keepAnchor(deps, name, offset + found.rows.length, { after, total: found.total })
  }
  return found
}

const FORWARD = { isBackward: false, offset: 0 }

interface Found {
  row: Row
  source: number
}

async function listByCursor(context: ScimContext, searches: readonly Search[], query: ListQuery): Promise<ScimAnswer> {
  const binding = JSON.stringify([
    searches.map(({ source }) => source.name),
    query.filter,
    query.sortBy,
    query.isDescending
  ])
  const position = query.cursor ? openCursor(context, binding, query.cursor) : undefined
  const { found, totalResults } = await readFrom(context, searches, query, position)
  const isBackward = position?.isBackward ?? false
  // one more than the page holds tells whether there is another one
  const hasMore = found.length > query.count
  const page = found.slice(0, query.count)
  if (isBackward) page.reverse()
  const pointTo = (item: Found | undefined, backward: boolean) =>
    item && sealCursor(context, binding, { ...placeOf(item), isBackward: backward })
  return {
    status: 200,
    body: listBody({
      totalResults,
      nextCursor: isBackward || hasMore ? pointTo(page.at(-1), false) : undefined,
      previousCursor: isBackward ? (hasMore ? pointTo(page[0], true) : undefined) : position && pointTo(page[0], true),
      resources: page.map(({ row, source }) => {
        const search = searches[source]!
        return search.source.toText(row, context, search.projection)
      })
    })
  }
}

const placeOf = ({ row, source }: Found) => ({ source, key: row.sort_key, ordinal: row.sort_ordinal })

/** The rows from the position on, through the sources in the direction of reading, and the totals of all of them. */
async function readFrom(
  context: ScimContext,
  searches: readonly Search[],
  query: ListQuery,
  position: Position | undefined
): Promise<{ found: Found[]; totalResults: number }> {
  const isBackward = position?.isBackward ?? false
  const start = position?.source ?? 0
  const order = isBackward ? [...searches.keys()].reverse() : [...searches.keys()]
  const found: Found[] = []
  let totalResults = 0
  for (const source of order) {
    const isPassed = isBackward ? source > start : source < start
    const { rows, total } = await readPage(context, searches[source]!, query, {
      after: source === start ? position : undefined,
      isBackward,
      offset: 0,
      limit: isPassed ? 0 : query.count + 1 - found.length
    })
    for (const row of rows) found.push({ row, source })
    totalResults += total
  }
  return { found, totalResults }
}

async function readPage(
  context: ScimContext,
  { source, resourceType, projection, filter, sort }: Search,
  { isDescending }: ListQuery,
  slice: Slice
): Promise<Page> {
  const { db } = context.deps
  const tenantId = context.tenant.id
  const condition = source.condition(context)
  const sqlContext = { tenantId, baseUrl: context.baseUrl, connectionId: ownScopeOf(context) }
  const statement = pageStatement({
    table: source.table,
    tenantId,
    condition: filter ? sql`${condition} and ${filterToSql(filter, resourceType, sqlContext)}` : condition,
    total: filter ? undefined : source.total(context),
    columns: source.columns(context, projection),
    sort,
    isDescending: isDescending && sort !== undefined,
    after: slice.after,
    isBackward: slice.isBackward,
    offset: slice.offset,
    limit: slice.limit
  })
  const rows = (await readInTenant(db, tenantId, statement)) as (Row & { total: number })[]
  return { rows: rows.filter((row) => row.sort_ordinal !== null), total: rows[0]?.total ?? 0 }
}
