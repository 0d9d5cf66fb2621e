// clean-up: deletes every hour what has expired, and has names indexed that wait for it. What people look up later
// (invitations, mails, the log) stays.
import { inTenant } from '../../db/connect.ts'
import { deleteExpired, deleteExpiredOfTenant, listTenantIds } from '../../db/expired.ts'
import { listClosedShadows } from '../../db/shadows.ts'
import { deleteShadow } from '../../db/tenants.ts'
import type { Deps } from '../../server/deps.ts'
import { askForIndex } from '../../server/provisioning/search-index.ts'

/**
 * Two statements a tenant, one after the other: row-level security shows one tenant at a time, and nobody waits for it.
 * @returns rows deleted
 */
export async function cleanUp(
  { db, log, now, queue }: Pick<Deps, 'db' | 'log' | 'now' | 'queue'>,
  signal: AbortSignal
): Promise<number> {
  const at = now()
  let count = await deleteExpired(db, at)
  for (const tenantId of await listTenantIds(db)) {
    if (signal.aborted) break
    count += await deleteExpiredOfTenant(db, tenantId, at)
    await askForIndex({ db, queue }, tenantId)
  }
  for (const shadowId of await listClosedShadows(db)) {
    if (signal.aborted) break
    await inTenant(db, shadowId, (trx) => deleteShadow(trx, shadowId))
    count++
  }
  log.info({ job: 'clean-up', count }, 'clean-up')
  return count
}
