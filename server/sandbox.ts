// Shows what a rule does without doing it: the real rules on the real rows, in one transaction that is rolled back.
// Nothing is queued, mailed or announced to other processes, and this process caches nothing of it.
import { EventEmitter } from 'node:events'
import { inSandbox, SandboxEnded, type SandboxLimits } from '../db/sandbox.ts'
import type { JobName, Queue } from '../jobs/queue.ts'
import { createAuth } from './auth/auth.ts'
import type { Config } from './config.ts'
import { createCounters } from './counters.ts'
import type { Deps } from './deps.ts'
import { AppError } from './errors.ts'
import { createTenancy } from './tenancy.ts'

/** Low, since the hashes are discarded, and rows are locked meanwhile. */
const BCRYPT_COST = 4

export interface Sandboxed {
  readonly deps: Deps
  /** What would have been queued. */
  readonly jobs: readonly SandboxedJob[]
}

interface SandboxedJob {
  readonly name: JobName
  readonly payload: unknown
}

/**
 * Runs `work` with a replacement for `deps`. Until it ends, it uses one connection of the pool and locks the rows that
 * it changes: keep it short.
 * @throws AppError unavailable `sandboxBusy` where somebody else holds what it needs, `sandboxTimeout` where it took
 *   too long; else what `work` throws
 */
export async function runInSandbox<T>(
  deps: Deps,
  limits: SandboxLimits,
  work: (sandboxed: Sandboxed) => Promise<T>
): Promise<T> {
  try {
    return await inSandbox(deps.db, limits, (db) => {
      const jobs: SandboxedJob[] = []
      // no rate limit for SCIM tokens: nobody else waits for them here
      const config: Config = {
        ...deps.config,
        bcryptCost: BCRYPT_COST,
        scim: { ...deps.config.scim, requestsPerSecond: 0 }
      }
      const listener = Object.assign(new EventEmitter(), {
        isConnected: true,
        close: async () => {}
      }) as Deps['listener']
      const counters = createCounters()
      const log = deps.log.child({ sandbox: true })
      // listed one by one: whoever adds something to Deps decides here what a sandbox gets instead
      const sandboxed: Deps = {
        config,
        db,
        listener,
        queue: queueInto(jobs),
        sealer: deps.sealer,
        tenancy: createTenancy({ config, db, listener }),
        auth: createAuth({ config, counters, db, listener, log }),
        log,
        counters,
        tracing: undefined,
        operatorToken: deps.operatorToken,
        now: deps.now
      }
      return work({ deps: sandboxed, jobs })
    })
  } catch (error) {
    throw error instanceof SandboxEnded ? toAppError(error) : error
  }
}

const queueInto = (jobs: SandboxedJob[]): Queue => ({
  async enqueue(_trx, name, payloads) {
    for (const payload of payloads) jobs.push({ name, payload })
  },
  get boss(): never {
    throw new Error('A sandbox takes no jobs')
  },
  close: async () => {}
})

function toAppError(error: SandboxEnded): AppError {
  const retryAfterSeconds = 5
  return error.reason === 'lock'
    ? new AppError('unavailable', 'Somebody else is changing the same people just now; try again in a moment', {
        reason: 'sandboxBusy',
        retryAfterSeconds,
        cause: error
      })
    : new AppError('unavailable', 'The trial took too long and was given up; nothing was changed', {
        reason: 'sandboxTimeout',
        retryAfterSeconds,
        cause: error
      })
}
