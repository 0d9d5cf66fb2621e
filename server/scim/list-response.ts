// ListResponse messages (RFC 7644 §3.4.2, RFC 9865 §2), put together from resources that are text already.

export const LIST_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

export interface ListResponse {
  readonly totalResults: number
  /** 1-based; left out where cursors page. */
  readonly startIndex?: number
  readonly nextCursor?: string
  readonly previousCursor?: string
  /** JSON text each. */
  readonly resources: readonly string[]
}

/** @returns JSON text; `Resources` is there even when it is empty */
export function listBody({ totalResults, startIndex, nextCursor, previousCursor, resources }: ListResponse): string {
  const head = JSON.stringify({
    schemas: [LIST_RESPONSE_URN],
    totalResults,
    itemsPerPage: resources.length,
    startIndex,
    nextCursor,
    previousCursor
  })
  return `${head.slice(0, -1)},"Resources":[${resources.join(',')}]}`
}
