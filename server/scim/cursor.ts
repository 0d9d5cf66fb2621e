// Cursors of RFC 9865: sealed, so that nobody can make one up, and bound to the tenant and the query they came from.
import { hash } from 'node:crypto'
import { expiredCursor, invalidCursor } from '../errors.ts'
import type { ScimContext } from './context.ts'
import { CURSOR_TIMEOUT_SECONDS } from './limits.ts'

/** Where a page begins: behind (or, backward, before) the row that the key and the ordinal name. */
export interface Position {
  /** Which of the lists that a search goes through. */
  readonly source: number
  readonly isBackward: boolean
  /** The sort key as text; null where the row has none, or nothing is sorted. */
  readonly key: string | null
  readonly ordinal: string
}

const PURPOSE = 'scim cursor'
const SEALED = /^[A-Za-z0-9_-]{20,8000}$/

/** @param query names everything that the order and the choice of the rows depend on */
export function sealCursor(context: ScimContext, query: string, position: Position): string {
  const { source, isBackward, key, ordinal } = position
  const text = JSON.stringify([context.now.getTime(), bindingOf(context, query), source, isBackward, key, ordinal])
  return context.deps.sealer.seal(PURPOSE, text).toString('base64url')
}

/** @throws AppError invalidCursor where it is none of this query's; expiredCursor after an hour */
export function openCursor(context: ScimContext, query: string, cursor: string): Position {
  const sealed = Buffer.from(cursor, 'base64url')
  // Node reads base64url leniently: other texts would stand for the same bytes
  const isExact = SEALED.test(cursor) && sealed.toString('base64url') === cursor
  const text = isExact && context.deps.sealer.open(PURPOSE, sealed)
  const [madeAtMs, binding, source, isBackward, key, ordinal] = text ? JSON.parse(text) : []
  if (binding !== bindingOf(context, query)) {
    throw invalidCursor('The cursor does not belong to this query; begin again with an empty one')
  }
  if (context.now.getTime() - madeAtMs > CURSOR_TIMEOUT_SECONDS * 1000) {
    throw expiredCursor('The cursor has expired; begin again with an empty one')
  }
  return { source, isBackward, key, ordinal }
}

const bindingOf = ({ tenant }: ScimContext, query: string): string =>
  hash('sha256', `${tenant.id}\n${query}`, 'base64url')
