// ListResponse messages (RFC 7644 §3.4.2, RFC 9865 §2), built from resources that already are text.

const LIST_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

export interface ListHead {
  readonly totalResults: number
  readonly itemsPerPage: number
  /** 1-based; absent when paging by cursor. */
  readonly startIndex?: number
  readonly nextCursor?: string
  readonly previousCursor?: string
}

/** JSON text up to the first resource; `Resources` is present even when empty. LIST_END completes the message. */
export function listBeginning({
  totalResults,
  itemsPerPage,
  startIndex,
  nextCursor,
  previousCursor
}: ListHead): string {
  const head = { totalResults, itemsPerPage, startIndex, nextCursor, previousCursor }
  return `${JSON.stringify({ schemas: [LIST_RESPONSE_URN], ...head }).slice(0, -1)},"Resources":[`
}

export const LIST_END = ']}'

/** @param resources the JSON text of each */
export const listBody = (head: Omit<ListHead, 'itemsPerPage'>, resources: readonly string[]): string =>
  listBeginning({ ...head, itemsPerPage: resources.length }) + resources.join(',') + LIST_END
