// Opaque cursors of lists that page by key: the sort keys of a page's last row, as base64url.

/** The sort keys of the last row, unique as a whole; `null` where the row has no value. */
export type CursorKeys = readonly (string | number | null)[]

const MAX_CURSOR_LENGTH = 2_000

/** @param list names the list and its order, so that another list's cursor is refused */
export const encodeCursor = (list: string, keys: CursorKeys): string =>
  Buffer.from(JSON.stringify([list, ...keys])).toString('base64url')

/** @returns undefined if `cursor` is not of this list; the caller checks whether the keys fit */
export function decodeCursor(list: string, cursor: string): CursorKeys | undefined {
  if (cursor.length > MAX_CURSOR_LENGTH) return undefined
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (!Array.isArray(decoded) || decoded[0] !== list) return undefined
    const keys = decoded.slice(1)
    return keys.every(isKey) ? keys : undefined
  } catch {
    return undefined
  }
}

const isKey = (value: unknown) => value === null || typeof value === 'string' || typeof value === 'number'
