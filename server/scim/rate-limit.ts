// How many requests a token may send: one steadily refilled bucket per token in each process.
import { createExpiring } from '../cache.ts'
import { rateLimited } from '../errors.ts'

/** A full import begins with a burst: this many seconds' worth may come at once. */
const BURST_SECONDS = 60

interface Bucket {
  tokens: number
  atMs: number
}

interface RateLimiter {
  /** @throws AppError rate_limited with the seconds until a request fits again */
  take(key: string, now: Date): void
}

/**
 * @param perSecond 0 for no limit
 * @param onRefusal called for each request over the limit
 */
export function createRateLimiter(perSecond: number, onRefusal: () => void = () => {}): RateLimiter {
  const capacity = perSecond * BURST_SECONDS
  // a bucket unused for so long is full again, like a new one
  const buckets = createExpiring<Bucket>({ max: 10_000, ttlMs: BURST_SECONDS * 1000, isRenewedByUse: true })
  return {
    take(key, now) {
      if (perSecond === 0) return
      const nowMs = now.getTime()
      let bucket = buckets.get(key)
      if (!bucket) {
        bucket = { tokens: capacity, atMs: nowMs }
        buckets.set(key, bucket)
      }
      // the clock may have been set back
      const elapsedMs = Math.max(0, nowMs - bucket.atMs)
      bucket.tokens = Math.min(capacity, bucket.tokens + (elapsedMs * perSecond) / 1000)
      bucket.atMs = nowMs
      if (bucket.tokens < 1) {
        onRefusal()
        throw rateLimited(`A token may send ${perSecond} requests a second`, (1 - bucket.tokens) / perSecond)
      }
      bucket.tokens -= 1
    }
  }
}
