// Lists: what they take, what they give, and how one page follows another.
import { z } from 'zod'
import { type CursorKeys, decodeCursor, encodeCursor } from '../../db/cursor.ts'
import { invalid } from '../errors.ts'
import { atOnce } from './shapes.ts'

const MAX_LIMIT = 200
export const DEFAULT_LIMIT = 50

/** PostgreSQL keeps no NUL in a text, so nothing with one is ever found. */
export const searchInput = z
  .string()
  .max(200)
  .refine((text) => !text.includes('\0'), 'NUL is not allowed')
  .optional()

/** What lists of one order take; `cursor` is `nextCursor` as it came, null for the first page. */
export const pageInput = {
  cursor: z
    .string()
    .max(2_000)
    .nullish()
    .transform((cursor) => cursor ?? undefined),
  limit: z.number().int().min(1).max(MAX_LIMIT).optional()
}

/**
 * What lists take, or nothing: `{ search?, filter?, sort?: { by, direction? }, cursor?, limit?, includeTotal? }`.
 * @param filter the facts that the list may be narrowed by
 * @param sortKeys what it may be sorted by; the list's own order comes first
 */
export const listInput = <F extends z.ZodRawShape, const S extends readonly [string, ...string[]]>(
  filter: F,
  sortKeys: S
) =>
  z
    .strictObject({
      search: searchInput,
      filter: z.strictObject(filter).optional(),
      sort: z.strictObject({ by: z.enum(sortKeys), direction: z.enum(['asc', 'desc']).optional() }).optional(),
      ...pageInput,
      /** Counting costs as much as reading all: ask for it once, with the first page. */
      includeTotal: z.boolean().optional()
    })
    .prefault({})

/** What lists give: `nextCursor` is null on the last page. */
export const listOutput = <T extends z.ZodType>(item: T) =>
  atOnce(z.object({ items: z.array(item), nextCursor: z.string().nullable(), total: z.number().int().optional() }))

interface Order<By extends string> {
  readonly sort: By
  readonly isDescending: boolean
  /** The list with its order, for cursors. */
  readonly list: string
}

/**
 * The order that is asked for, or else the list's own.
 * @param ownDirection of its own order; any other one ascends unless it is asked to descend
 */
export function orderOf<By extends string>(
  list: string,
  asked: { by: By; direction?: 'asc' | 'desc' | undefined } | undefined,
  own: By,
  ownDirection: 'asc' | 'desc' = 'asc'
): Order<By> {
  const sort = asked?.by ?? own
  const direction = asked?.direction ?? (sort === own ? ownDirection : 'asc')
  return { sort, isDescending: direction === 'desc', list: `${list} ${sort} ${direction}` }
}

interface PageRequest {
  readonly cursor?: string | undefined
  readonly limit?: number | undefined
  readonly includeTotal?: boolean | undefined
}

interface PageSource<Row, Item> {
  /** Names the list and its order: a cursor of another one is refused. */
  readonly list: string
  /** How many rows all pages have. */
  readonly count?: () => Promise<number>
  readonly toItem: (row: Row) => Item
}

interface KeyedSource<Row, Item, Keys extends CursorKeys> extends PageSource<Row, Item> {
  /** What the keys must be: they come from outside and are compared with columns. */
  readonly keys: z.ZodType<Keys>
  /** Up to `limit` rows after the keys, or from the first. */
  readonly read: (after: Keys | undefined, limit: number) => Promise<readonly Row[]>
  /** Of the last row of a page: what the next one begins after. */
  readonly keysOf: (row: Row) => CursorKeys
}

/** A page of a list. @throws AppError invalid `invalidCursor` */
export async function pageOf<Row, Item, Keys extends CursorKeys>(
  { cursor, limit = DEFAULT_LIMIT, includeTotal = false }: PageRequest,
  { list, keys, keysOf, read, count, toItem }: KeyedSource<Row, Item, Keys>
) {
  const after = readCursor(list, keys, cursor)
  // one more tells whether there is a further page
  const [rows, total] = await Promise.all([read(after, limit + 1), includeTotal ? count?.() : undefined])
  const page = rows.slice(0, limit)
  return {
    items: page.map(toItem),
    nextCursor: rows.length > limit ? encodeCursor(list, keysOf(page.at(-1)!)) : null,
    ...(total !== undefined && { total })
  }
}

interface IdSource<Row, Item> extends PageSource<Row, Item> {
  /** Up to `limit` rows after the one of this id, or from the first. */
  readonly read: (afterId: string | undefined, limit: number) => Promise<readonly Row[]>
}

/** A page of a list whose order is that of its ids, which are UUIDs of version 7: by when each was made. */
export const pageById = <Row extends { readonly id: string }, Item>(
  request: PageRequest,
  { read, ...source }: IdSource<Row, Item>
) =>
  pageOf(request, {
    ...source,
    keys: idKeys,
    read: (after, limit) => read(after?.[0], limit),
    keysOf: ({ id }) => [id]
  })

/** Cursors that hold an id and nothing else. */
export const idKeys = z.tuple([z.uuid()])

/** Cursors that hold what is sorted by, and an id where that is the same. */
export const sortKeys = <T extends z.ZodType<string | null>>(value: T) => z.tuple([value, z.uuid()])

/** What is sorted by, of text columns. */
export const textKey = z.string().refine((text) => !text.includes('\0'))

/**
 * The keys that a page begins after; undefined for the first page.
 * @throws AppError invalid `invalidCursor` where the cursor is of another list, another order, or made up
 */
export function readCursor<Keys extends CursorKeys>(
  list: string,
  keys: z.ZodType<Keys>,
  cursor: string | undefined
): Keys | undefined {
  if (cursor === undefined) return undefined
  const read = keys.safeParse(decodeCursor(list, cursor))
  if (!read.success) throw invalid('The cursor does not belong to this list and its order', 'invalidCursor')
  return read.data
}
