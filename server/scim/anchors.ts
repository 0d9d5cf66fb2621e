// Where the page after a page begins. An offset reads past everything before it, so that importing a million users page
// by page by startIndex would cost more with each page; whoever asks for the next page is sent on from the last row.
import type { LRUCache } from 'lru-cache'
import { createExpiring } from '../cache.ts'
import type { Deps } from '../deps.ts'

/** The last row before the page, and what the list was when it was read. */
export interface Anchor {
  readonly after: { readonly key: string | null; readonly ordinal: string }
  readonly edition: string
}

/** Below it an offset costs little, and is always exact. */
export const MIN_ANCHORED_OFFSET = 2_000
/** Clients page on within moments. */
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
 * @param offset rows before the page
 */
export const findAnchor = (deps: Deps, query: string, offset: number): Anchor | undefined =>
  cacheOf(deps).get(`${offset} ${query}`)

export function keepAnchor(deps: Deps, query: string, offset: number, anchor: Anchor): void {
  if (offset >= MIN_ANCHORED_OFFSET) cacheOf(deps).set(`${offset} ${query}`, anchor)
}
