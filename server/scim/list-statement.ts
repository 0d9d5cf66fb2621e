// The statement of a page. Its text is built once for each shape of query: building it every time costs several times
// what PostgreSQL needs for a filter that an index serves.
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Db } from '../../db/connect.ts'
import { prepare } from '../../db/prepared.ts'
import type { FilteredRows, SqlContext } from './filter/to-sql.ts'
import type { ListSource, Slice } from './list.ts'
import { pageStatement, reachOf } from './list-sql.ts'
import type { SortKey } from './sort.ts'

/** The parts of a query, besides the filter, that the text depends on. */
interface PageSearch {
  readonly source: ListSource
  /** Whether memberships are read. */
  readonly withRelated: boolean
  readonly sort: SortKey | undefined
  readonly isDescending: boolean
}

/** Cached texts: a few kinds of clients ask for a few kinds of pages. */
const MAX_TEXTS = 500

const texts = new LRUCache<string, ReturnType<typeof prepare>>({ maxSize: MAX_TEXTS, sizeCalculation: () => 1 })

/** @param filter usually differs from earlier ones in its values only */
export function compilePage(
  db: Db,
  search: PageSearch,
  view: SqlContext,
  filter: FilteredRows | undefined,
  slice: Slice
): CompiledQuery {
  const condition = textOf(db, filter?.condition)
  // sorting by an attribute without a column is rare
  if (search.sort || !condition) return build(search, view, filter, slice).compile(db)
  const sought = filter?.rows?.values ?? []
  const values = [...sought, ...condition.values]
  const { source, withRelated } = search
  const { after, isBackward, offset, limit } = slice
  const isOwn = view.connectionId !== undefined
  const key = [
    source.name,
    withRelated,
    isOwn,
    reachOf(slice),
    isBackward,
    after !== undefined,
    filter?.rows?.shape,
    ...condition.fragments
  ].join('$')
  let text = texts.get(key)
  if (!text) {
    text = prepare((p) => {
      const some = { tenantId: p['tenantId'] as number, baseUrl: p['baseUrl'] as string }
      const someView = isOwn ? { ...some, connectionId: p['connectionId'] as string } : some
      const someAfter = after && { key: null, ordinal: p['ordinal'] as string }
      const somePlace = { after: someAfter, offset: p['offset'] as number, limit: p['limit'] as number }
      const someValues = values.map((_, index) => p[nameOf(index)])
      const someFilter = filter && {
        rows: filter.rows && { ...filter.rows, values: someValues.slice(0, sought.length) as string[] },
        condition: filled(condition, someValues.slice(sought.length))
      }
      return build(search, someView, someFilter, { ...slice, ...somePlace }, reachOf(slice))
    })
    texts.set(key, text)
  }
  const given: Record<string, unknown> = { ...view, ordinal: after?.ordinal, offset, limit }
  values.forEach((value, index) => {
    given[nameOf(index)] = value
  })
  return text(db, given)
}

interface Text {
  /** One more than values. */
  readonly fragments: readonly string[]
  readonly values: readonly unknown[]
}

/** @returns undefined where a name from a schema looks like a placeholder */
function textOf(db: Db, part: RawBuilder<unknown> | undefined): Text | undefined {
  if (!part) return NO_TEXT
  const { sql: text, parameters } = part.compile(db)
  const fragments = text.split(VALUE)
  return fragments.length === parameters.length + 1 ? { fragments, values: parameters } : undefined
}
const NO_TEXT: Text = { fragments: [''], values: [] }
/** A placeholder in SQL text from Kysely. */
const VALUE = /\$\d+/

const filled = ({ fragments }: Text, values: readonly unknown[]): FilteredRows['condition'] =>
  sql(fragments as unknown as TemplateStringsArray, ...values)

const nameOf = (index: number) => `value ${index}`

function build(
  { source, withRelated, sort, isDescending }: PageSearch,
  view: SqlContext,
  filter: FilteredRows | undefined,
  slice: Slice,
  reach = reachOf(slice)
): RawBuilder<unknown> {
  const condition = source.condition(view)
  return pageStatement({
    table: source.table,
    tenantId: view.tenantId,
    rows: filter?.rows?.build(view.tenantId, filter.rows.values),
    condition: filter ? sql`${condition} and ${filter.condition}` : condition,
    edition: filter ? undefined : source.edition(view),
    columns: source.columns(view, withRelated),
    besides: source.besides(view, withRelated),
    sort,
    isDescending: isDescending && sort !== undefined,
    reach,
    after: slice.after,
    isBackward: slice.isBackward,
    offset: slice.offset,
    limit: slice.limit
  })
}
