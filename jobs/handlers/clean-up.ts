// clean-up: every hour, deletes what has expired, releases users and groups that removed connections got after all,
// renews signing keys, and has names indexed that wait for it or that an earlier version wrote. What people look up
// later (invitations, mails, the log) stays.
import { type Db, inTenant } from '../../db/connect.ts'
import { deleteExpired, deleteExpiredOfTenant, listTenantIds } from '../../db/expired.ts'
import { indexUnlisted } from '../../db/family-names.ts'
import { listClosedShadows } from '../../db/shadows.ts'
import { removeShadow } from '../../db/tenants.ts'
import type { Deps } from '../../server/deps.ts'
import { renewSigningKey } from '../../server/events/signing-keys.ts'
import { releaseStragglers } from '../../server/provisioning/scim-connections.ts'
import { askForIndex } from '../../server/provisioning/search-index.ts'
import { eachTenant } from '../each-tenant.ts'

type CleanUpDeps = Pick<Deps, 'db' | 'log' | 'now' | 'queue' | 'sealer'>

/**
 * Runs some statements for each tenant, and deletes closed shadows as a whole.
 * @returns how many rows and shadows were deleted, users and groups released, and signing keys renewed
 * @throws AggregateError after all other tenants, if any failed
 */
export async function cleanUp(deps: CleanUpDeps, signal: AbortSignal): Promise<number> {
  const { db, log, now } = deps
  const ofNobody = await deleteExpired(db, now())
  const shadowIds = new Set(await listClosedShadows(db))
  const count = await eachTenant(
    { log, job: 'clean-up', signal },
    [...(await listTenantIds(db)), ...shadowIds],
    (id) => (shadowIds.has(id) ? endShadow(deps, id) : cleanTenant(deps, id))
  )
  return ofNobody + count
}

/** Indexes users whom neither index nor list finds, such as those written by an earlier version (family-names.ts). */
async function indexFamilyNames(db: Db, tenantId: number): Promise<void> {
  let indexed: number
  do indexed = await inTenant(db, tenantId, (trx) => indexUnlisted(trx, tenantId, INDEXED_AT_ONCE))
  while (indexed === INDEXED_AT_ONCE)
}

/** How many users' rows are written in one transaction. */
const INDEXED_AT_ONCE = 1_000

async function cleanTenant({ db, queue, now, sealer }: CleanUpDeps, tenantId: number): Promise<number> {
  const count = await deleteExpiredOfTenant(db, tenantId, now())
  const released = await releaseStragglers({ db, now }, tenantId)
  await askForIndex({ db, queue }, tenantId)
  await indexFamilyNames(db, tenantId)
  const renewed = await renewSigningKey({ db, sealer }, tenantId, now())
  return count + released + renewed
}

async function endShadow({ db }: CleanUpDeps, shadowId: number): Promise<number> {
  await removeShadow(db, shadowId)
  return 1
}
