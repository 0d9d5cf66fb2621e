// One page of one kind of resource, and the number of all that match, in one statement.
import { type RawBuilder, sql } from 'kysely'
import type { SortKey } from './sort.ts'

/** A row of a page: what the list's columns gave, and where it stands. */
export interface PageRow {
  sort_key: string | null
  sort_ordinal: string
}

export interface PageQuery {
  readonly table: 'users' | 'groups'
  readonly tenantId: number
  /** Which rows there are, the filter included. */
  readonly condition: RawBuilder<unknown>
  /** The number of them as a scalar expression, where it is known without counting. */
  readonly total: RawBuilder<number> | undefined
  readonly columns: RawBuilder<unknown>
  /** Undefined for the order in which the resources were made. */
  readonly sort: SortKey | undefined
  readonly isDescending: boolean
  /** Reads towards the beginning; the rows come nearest first. */
  readonly isBackward: boolean
  readonly after: { readonly key: string | null; readonly ordinal: string } | undefined
  readonly offset: number
  readonly limit: number
}

/**
 * The rows are chosen and ordered by their keys alone, and only then read: an offset passes over no documents.
 * @returns a statement for readInTenant; its rows carry `total`, and an empty page is one row whose `sort_ordinal` is
 * null
 */
export function pageStatement(query: PageQuery): RawBuilder<PageRow & { total: number }> {
  const { table, tenantId, condition, columns, offset, limit } = query
  const row = sql.table(table)
  const from = sql`from ${row} where ${row}.tenant_id = ${tenantId} and ${condition}`
  if (limit === 0) return sql`select ${query.total ?? counted(from)} as total, null as sort_ordinal`
  const key = query.sort ? query.sort.expression : sql`null::text`
  const order = orderBy(query)
  return sql`
    with page as materialized (
      select ${row}.id, ${row}.ordinal, ${key} as key, row_number() over (${order}) as place
      ${from}${query.after ? sql` and ${behind(query)}` : sql``}
      ${order} limit ${limit} offset ${offset}
    )
    select ${totalOf(query, from)} as total, found.*
    from (select) as one left join (
      select page.place, page.key::text as sort_key, page.ordinal::text as sort_ordinal, read.*
      from page cross join lateral (
        select ${columns} from ${row} where ${row}.tenant_id = ${tenantId} and ${row}.id = page.id offset 0
      ) as read
    ) as found on true
    order by found.place`
}

const counted = (from: RawBuilder<unknown>): RawBuilder<number> => sql`(select count(*)::int ${from})`

/** A first page that is not full tells the number itself: most filters look for one user. */
function totalOf({ total, after, offset, limit }: PageQuery, from: RawBuilder<unknown>): RawBuilder<number> {
  if (total) return total
  if (after || offset > 0) return counted(from)
  const found = sql`(select count(*)::int from page)`
  return sql`case when ${found} < ${limit}::int then ${found} else ${counted(from)} end`
}

const isReversed = ({ isDescending, isBackward }: PageQuery): boolean => isDescending !== isBackward

function orderBy(query: PageQuery): RawBuilder<unknown> {
  const direction = isReversed(query) ? sql`desc` : sql`asc`
  const ordinal = sql`${sql.table(query.table)}.ordinal ${direction}`
  // nulls last ascending and first descending is PostgreSQL's own order too
  return query.sort ? sql`order by ${query.sort.expression} ${direction}, ${ordinal}` : sql`order by ${ordinal}`
}

/** Rows behind the position in the direction of reading. */
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
  // the first half is what an index starts at
  const valued = sql`(${expression} ${from} ${value} and (${expression} ${beyond} ${value} or ${further}))`
  return isNullable && !isDown ? sql`(${valued} or ${expression} is null)` : valued
}
