// What a process counts for /metrics as it happens. Labels are our own words, never names, ids or addresses.
import { Counter, Registry } from 'prom-client'
import type { AppError } from './errors.ts'

type SignInMethod = 'password' | 'google' | 'link' | 'operator'

export interface Counters {
  /** All metrics that this process exposes to Prometheus. */
  readonly registry: Registry
  /** Counts a refused sign-in, by the error's reason. */
  noteSignInFailure(method: SignInMethod, reason: string): void
  /** Counts a request over a rate limit, by the limit. */
  noteRateLimit(limit: string): void
  /** Counts an attempt at a mail: `sent`, `failed` for good, `retried` later, or `cancelled` as no longer needed. */
  noteMail(template: string, result: 'sent' | 'failed' | 'retried' | 'cancelled'): void
  /** @param stats kept by the cache itself; read when Prometheus asks */
  watchCache(name: string, stats: { readonly hits: number; readonly misses: number }): void
}

/** One per process; a second one counts separately. */
export function createCounters(): Counters {
  const registry = new Registry()
  const registers = [registry]
  const signInFailures = new Counter({
    name: 'muster_sign_in_failures_total',
    help: 'Sign-ins that were refused, by the way and the reason',
    labelNames: ['method', 'reason'],
    registers
  })
  const rateLimits = new Counter({
    name: 'muster_rate_limit_hits_total',
    help: 'Requests that were refused for being one too many, by the limit',
    labelNames: ['limit'],
    registers
  })
  const mails = new Counter({
    name: 'muster_mails_total',
    help: 'Attempts at mails, by template and how they ended: sent, failed for good, retried later, cancelled',
    labelNames: ['template', 'result'],
    registers
  })
  const caches = new Map<string, { readonly hits: number; readonly misses: number }>()
  new Counter({
    name: 'muster_cache_lookups_total',
    help: 'Look-ups in memory, by cache and whether it had the answer',
    labelNames: ['cache', 'result'],
    registers,
    collect() {
      this.reset()
      for (const [cache, { hits, misses }] of caches) {
        this.inc({ cache, result: 'hit' }, hits)
        this.inc({ cache, result: 'miss' }, misses)
      }
    }
  })
  return {
    registry,
    noteSignInFailure: (method, reason) => signInFailures.inc({ method, reason }),
    noteRateLimit: (limit) => rateLimits.inc({ limit }),
    noteMail: (template, result) => mails.inc({ template, result }),
    watchCache: (name, stats) => caches.set(name, stats)
  }
}

/** Runs a sign-in and counts a refusal, except by a rate limit, which is counted elsewhere. */
export async function countingRefusals<T>(
  counters: Counters,
  method: SignInMethod,
  work: () => Promise<T>
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    noteRefusal(counters, method, error)
    throw error
  }
}

/** Counts an error that refused a sign-in; ignores others (a fault, a rate limit). */
export function noteRefusal(counters: Counters, method: SignInMethod, error: unknown): void {
  const { code, reason } = error as Partial<AppError>
  if (code === 'unauthenticated' || code === 'forbidden') counters.noteSignInFailure(method, reason ?? code)
}
