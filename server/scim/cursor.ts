// Cursors of RFC 9865: sealed so that nobody can forge one, and bound to their tenant and query.
import { hash } from 'node:crypto'
import { expiredCursor, invalidCursor } from '../errors.ts'
import type { ScimContext } from './context.ts'
import { CURSOR_TIMEOUT_SECONDS } from './limits.ts'

/** Where a page begins: after (or, backward, before) the row with this key and ordinal. */
export interface Position {
  /** Index of the list, among those that a search goes through. */
  readonly source: number
  readonly isBackward: boolean
  /** The sort key as text; null where the row has none, or the list is not sorted. */
  readonly key: string | null
  readonly ordinal: string
}

const PURPOSE = 'scim cursor'
const SEALED = /^[A-Za-z0-9_-]{20,8000}$/

/** @param query names everything that decides which rows are listed, and in which order */
export function sealCursor(context: ScimContext, query: string, position: Position): string {
  const { source, isBackward, key, ordinal } = position
  const text = JSON.stringify([context.now.getTime(), bindingOf(context, query), source, isBackward, key, ordinal])
  return context.deps.sealer.seal(PURPOSE, text).toString('base64url')
}

/** @throws AppError invalidCursor where it does not belong to this query; expiredCursor after an hour */
export function openCursor(context: ScimContext, query: string, cursor: string): Position {
  const sealed = Buffer.from(cursor, 'base64url')
  // Node decodes base64url leniently: several texts would stand for the same bytes
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
