// What jobs do for one tenant after the other.
import type { Deps } from '../server/deps.ts'
import type { JobName } from './queue.ts'

/**
 * Row-level security shows one tenant at a time, and nobody waits for these jobs. A tenant that fails holds up no other.
 * @param work tells how much it did
 * @returns how much was done in all
 * @throws AggregateError when the others are done, where tenants failed: the queue keeps the job as failed
 */
export async function eachTenant(
  { log, job, signal }: { log: Deps['log']; job: JobName; signal: AbortSignal },
  tenantIds: readonly number[],
  work: (tenantId: number) => Promise<number>
): Promise<number> {
  const errors: unknown[] = []
  let count = 0
  for (const tenantId of tenantIds) {
    if (signal.aborted) break
    try {
      count += await work(tenantId)
    } catch (error) {
      log.error({ err: error, job, tenantId }, `${job} failed`)
      errors.push(error)
    }
  }
  log.info({ job, count, failed: errors.length }, job)
  if (errors.length > 0) throw new AggregateError(errors, `${job} failed for ${errors.length} of the tenants`)
  return count
}
