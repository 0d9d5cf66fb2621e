// retention: deletes every night what tenants do not want to keep any longer, and records in the audit log how much.
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
/** Rows per transaction, so few that nobody waits for it long. */
const ROWS_AT_ONCE = 2_000

/** Deletes up to a number of rows of one kind. @returns how many */
type Deletion = (trx: Trx, tenantId: number) => Promise<number>

/**
 * Deletes up to `rowsAtOnce` rows at a time, until nothing too old is left.
 * @returns how many rows were deleted
 * @throws AggregateError after all other tenants, if any failed
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
    // runs as the log's owner, and a transaction on Citus changes a node's rows as only one role
    const removed = await inTenant(db, tenantId, (trx) => remove(trx, tenantId))
    return inTenant(db, tenantId, (trx) => tell(trx, removed))
  }
  return inTenant(db, tenantId, async (trx) => tell(trx, await remove(trx, tenantId)))
}
