// Lists: their input, their output, and how one page follows another.
import { z } from 'zod'
import { type CursorKeys, decodeCursor, encodeCursor } from '../../db/cursor.ts'
import { invalid } from '../errors.ts'
import { atOnce } from './shapes.ts'

const MAX_LIMIT = 200
export const DEFAULT_LIMIT = 50

/** PostgreSQL stores no NUL in a text, so a search for one would find nothing. */
export const searchInput = z
  .string()
  .max(200)
  .refine((text) => !text.includes('\0'), 'NUL is not allowed')
  .optional()

/** The input of lists of one order; `cursor` is the `nextCursor` of the page before, null for the first page. */
export const pageInput = {
  cursor: z
    .string()
    .max(2_000)
    .nullish()
    .transform((cursor) => cursor ?? undefined),
  limit: z.number().int().min(1).max(MAX_LIMIT).optional()
}

/**
 * The optional input of lists: `{ search?, filter?, sort?: { by, direction? }, cursor?, limit?, includeTotal? }`.
 * @param filter the facts that the list may be filtered by
 * @param sortKeys what it may be sorted by; its default comes first
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
      /** Counting costs as much as reading everything: ask for it once, with the first page. */
      includeTotal: z.boolean().optional()
    })
    .prefault({})

/** The output of lists: `nextCursor` is null on the last page. */
export const listOutput = <T extends z.ZodType>(item: T) =>
  atOnce(z.object({ items: z.array(item), nextCursor: z.string().nullable(), total: z.number().int().optional() }))

interface Order<By extends string> {
  readonly sort: By
  readonly isDescending: boolean
  /** The list and its order, as cursors name them. */
  readonly list: string
}

/**
 * The order that is asked for, or else the list's default.
 * @param ownDirection of the default order; any other one ascends unless descending is asked for
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
  /** The shape of the keys: they come from outside and are compared with columns. */
  readonly keys: z.ZodType<Keys>
  /** Up to `limit` rows after the keys, or from the first. */
  readonly read: (after: Keys | undefined, limit: number) => Promise<readonly Row[]>
  /** The keys of a page's last row, after which the next page begins. */
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

/** A page of a list ordered by id. Ids are UUIDs of version 7, so this is the order in which the rows were made. */
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

/** The keys of cursors that hold only an id. */
export const idKeys = z.tuple([z.uuid()])

/** The keys of cursors that hold the sort value, and an id to order equal ones. */
export const sortKeys = <T extends z.ZodType<string | null>>(value: T) => z.tuple([value, z.uuid()])

/** The sort value of text columns. */
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
