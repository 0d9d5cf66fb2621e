// Bounded caches of database results, dropped when these change: tenants by subdomain, tokens by hash.
import { LRUCache } from 'lru-cache'
import type { Listener } from '../db/listen.ts'

/** While LISTEN works, a change drops the entry at once; this bounds the harm of a bug or a lost message. */
const HEARD_TTL_MS = 60_000
/** While LISTEN does not work, nothing is trusted for longer than a revocation may take. */
const DEAF_TTL_MS = 950
/** The precision of that: the clock is read this seldom, because reading it takes longer than a lookup. */
const CLOCK_MS = 50
/** How often expired entries are removed. */
const PURGE_EVERY_MS = 15_000

interface ExpiringOptions {
  readonly max: number
  readonly ttlMs: number
  /** Whether the time counts from the last use instead of from insertion. */
  readonly isRenewedByUse?: boolean
  /** For tests. */
  readonly purgeEveryMs?: number
}

/**
 * A cache whose entries go soon after they expire, even if nobody asks for them again. Otherwise a process that has met
 * ten thousand tenants would keep them all for ever.
 */
export function createExpiring<V extends object>(options: ExpiringOptions): LRUCache<string, V> {
  let isToBePurged = false
  function purgeLater(): void {
    if (isToBePurged) return
    isToBePurged = true
    setTimeout(purge, options.purgeEveryMs ?? PURGE_EVERY_MS).unref()
  }
  function purge(): void {
    isToBePurged = false
    entries.purgeStale()
    if (entries.size > 0) purgeLater()
  }
  const entries = new LRUCache<string, V>({
    // not `max`, which allocates memory for all entries at once
    maxSize: options.max,
    sizeCalculation: () => 1,
    ttl: options.ttlMs,
    ttlResolution: CLOCK_MS,
    updateAgeOnGet: options.isRenewedByUse ?? false,
    onInsert: purgeLater
  })
  return entries
}

export interface Cache<V extends object> {
  /** The cached value, or the result of `load`, which runs once at a time per key. `undefined` is not cached. */
  get(key: string, load: () => Promise<V | undefined>): Promise<V | undefined>
  /** The cached value, if any, without a promise: what every request asks for would have to wait for one each time. */
  known(key: string): V | undefined
  delete(key: string): void
  deleteWhere(matches: (value: V) => boolean): void
  clear(): void
  readonly stats: { hits: number; misses: number }
}

export function createCache<V extends object>(options: { max: number; listener?: Listener }): Cache<V> {
  const entries = createExpiring<V>({ max: options.max, ttlMs: HEARD_TTL_MS })
  const loading = new Map<string, Promise<V | undefined>>()
  const stats = { hits: 0, misses: 0 }
  // a load that began before an entry was dropped may have read the old value: it is returned, but not cached
  let generation = 0

  function forget(change: () => void): void {
    generation++
    loading.clear()
    change()
  }

  async function loadAndKeep(key: string, load: () => Promise<V | undefined>): Promise<V | undefined> {
    const begun = generation
    const value = await load()
    if (value && begun === generation) {
      const isHeard = options.listener?.isConnected ?? false
      entries.set(key, value, { ttl: isHeard ? HEARD_TTL_MS : DEAF_TTL_MS })
    }
    return value
  }

  function known(key: string): V | undefined {
    const value = entries.get(key)
    if (value) stats.hits++
    return value
  }

  options.listener?.on('gap', () => forget(() => entries.clear()))
  return {
    stats,
    known,
    async get(key, load) {
      const remembered = known(key)
      if (remembered) return remembered
      stats.misses++
      const running = loading.get(key)
      if (running) return running
      const started = loadAndKeep(key, load).finally(() => {
        if (loading.get(key) === started) loading.delete(key)
      })
      loading.set(key, started)
      return started
    },
    delete: (key) => forget(() => entries.delete(key)),
    deleteWhere: (matches) =>
      forget(() => {
        for (const [key, value] of entries.entries()) if (matches(value)) entries.delete(key)
      }),
    clear: () => forget(() => entries.clear())
  }
}
