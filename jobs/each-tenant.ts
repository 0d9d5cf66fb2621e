// Runs a job's work for one tenant after another.
import type { Deps } from '../server/deps.ts'
import type { JobName } from './queue.ts'

/**
 * One tenant at a time, because row-level security shows only one, and nobody waits for these jobs. A tenant that fails
 * does not hold up others.
 * @param work returns how much it did
 * @returns how much was done in all
 * @throws AggregateError after the other tenants, if any failed: the queue keeps the job as failed
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
