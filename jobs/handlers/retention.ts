// retention: deletes every night what tenants do not want to keep any longer; the audit log tells how much.
import { insertAuditEvents } from '../../db/audit.ts'
import { type Db, inTenant, isCitus, type Trx } from '../../db/connect.ts'
import {
  deleteOldAuditEvents,
  deleteOldMails,
  deletePastMemberships,
  deleteRemovedUsers,
  listRetentions,
  type Retention
} from '../../db/retention.ts'
import type { Deps } from '../../server/deps.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { eachTenant } from '../each-tenant.ts'

const DAY_MS = 24 * 3_600_000
/** Rows of one transaction: nobody waits for it long. */
const ROWS_AT_ONCE = 2_000

/** What goes, as the audit log names it, and how. */
type Deletion = (trx: Trx, tenantId: number) => Promise<number>

/**
 * So many rows at once, until nothing is left that is too old.
 * @returns rows deleted
 * @throws AggregateError when all others are done, where tenants failed
 */
export async function applyRetention(
  { db, log, now }: Pick<Deps, 'db' | 'log' | 'now'>,
  signal: AbortSignal,
  rowsAtOnce = ROWS_AT_ONCE
): Promise<number> {
  const retentions = new Map((await listRetentions(db)).map(({ id, settings }) => [id, settings]))
  return eachTenant({ log, job: 'retention', signal }, [...retentions.keys()], async (id) => {
    let count = 0
    for (const [what, remove] of Object.entries(deletionsOf(retentions.get(id)!, now(), rowsAtOnce))) {
      let removed: number
      do {
        if (signal.aborted) return count
        removed = await removeSome(db, id, what, remove, now())
        count += removed
      } while (removed >= rowsAtOnce)
    }
    return count
  })
}

function deletionsOf(settings: Retention, now: Date, limit: number): Record<string, Deletion> {
  const { auditRetentionDays: audit, removedUserRetentionDays: users, mailRetentionDays: mails } = settings
  const before = (days: number) => new Date(now.getTime() - days * DAY_MS)
  return {
    ...(audit !== undefined && {
      auditEvents: (trx: Trx, id: number) => deleteOldAuditEvents(trx, id, now, limit),
      pastMemberships: (trx: Trx, id: number) => deletePastMemberships(trx, id, before(audit), limit)
    }),
    ...(users !== undefined && {
      removedUsers: (trx: Trx, id: number) => deleteRemovedUsers(trx, id, before(users), limit)
    }),
    ...(mails !== undefined && { mails: (trx: Trx, id: number) => deleteOldMails(trx, id, before(mails), limit) })
  }
}

async function removeSome(db: Db, tenantId: number, what: string, remove: Deletion, now: Date): Promise<number> {
  const tell = async (trx: Trx, removed: number) => {
    if (removed === 0) return 0
    await insertAuditEvents(trx, tenantId, systemActor, now, [
      { action: 'tenant.retentionApplied', targetType: 'tenant', targetId: null, after: { [what]: removed } }
    ])
    return removed
  }
  if (what === 'auditEvents' && isCitus(db)) {
    // as its owner, which a transaction there does for nothing else
    const removed = await inTenant(db, tenantId, (trx) => remove(trx, tenantId))
    return inTenant(db, tenantId, (trx) => tell(trx, removed))
  }
  return inTenant(db, tenantId, async (trx) => tell(trx, await remove(trx, tenantId)))
}
