// Remembers where the next page begins. An offset reads past everything before it, so importing a million users by
// startIndex would cost more with each page; a client asking for the next page continues from the last row instead.
import type { LRUCache } from 'lru-cache'
import { createExpiring } from '../cache.ts'
import type { Deps } from '../deps.ts'

/** The last row before the page, and the edition of the list when it was read. */
export interface Anchor {
  readonly after: { readonly key: string | null; readonly ordinal: string }
  readonly edition: string
}

/** Below this an offset costs little, and it is always exact. */
export const MIN_ANCHORED_OFFSET = 2_000
/** Clients ask for the next page within moments. */
const TTL_MS = 5 * 60_000

const caches = new WeakMap<Deps, LRUCache<string, Anchor>>()

function cacheOf(deps: Deps): LRUCache<string, Anchor> {
  let cache = caches.get(deps)
  if (!cache) {
    cache = createExpiring({ max: 10_000, ttlMs: TTL_MS })
    caches.set(deps, cache)
  }
  return cache
}

/**
 * @param query names tenant, source, filter and order
 * @param offset number of rows before the page
 */
export const findAnchor = (deps: Deps, query: string, offset: number): Anchor | undefined =>
  cacheOf(deps).get(`${offset} ${query}`)

export function keepAnchor(deps: Deps, query: string, offset: number, anchor: Anchor): void {
  if (offset >= MIN_ANCHORED_OFFSET) cacheOf(deps).set(`${offset} ${query}`, anchor)
}
