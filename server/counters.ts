// What a process counts for /metrics where it happens. Labels are words of our own, never names, ids or addresses.
import { Counter, Registry } from 'prom-client'
import type { AppError } from './errors.ts'

type SignInMethod = 'password' | 'google' | 'link' | 'operator'

export interface Counters {
  /** Everything that this process tells Prometheus. */
  readonly registry: Registry
  /** A sign-in that was refused, by the error's reason. */
  noteSignInFailure(method: SignInMethod, reason: string): void
  /** A request that was refused for being one too many, by the limit that it met. */
  noteRateLimit(limit: string): void
  /** An attempt at a mail: `sent`, `failed` for good, `retried` later, or `cancelled` because nobody needs it now. */
  noteMail(template: string, result: 'sent' | 'failed' | 'retried' | 'cancelled'): void
  /** @param stats counted by the cache itself; read when Prometheus asks */
  watchCache(name: string, stats: { readonly hits: number; readonly misses: number }): void
}

/** One for each process; a second one counts for itself. */
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

/** Runs a sign-in and counts it where it is refused; not where it met a limit, which counts by itself. */
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

/** Counts an error that refused a sign-in; what is nobody's refusal (a fault, a limit) is left out. */
export function noteRefusal(counters: Counters, method: SignInMethod, error: unknown): void {
  const { code, reason } = error as Partial<AppError>
  if (code === 'unauthenticated' || code === 'forbidden') counters.noteSignInFailure(method, reason ?? code)
}
