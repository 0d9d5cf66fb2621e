// Ends what goes with people's access, in the transaction that changes them.
import { deleteAccess, type Ended, type Ending, hasCredentials } from '../../db/access.ts'
import type { Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import { expirePasswordResets } from '../../db/password-resets.ts'
import { deleteSessions } from '../../db/sessions.ts'

/**
 * Ends the access of `userIds`, whose rows the caller has locked `for update`: a session that begins meanwhile waits
 * for that lock. Changes no row of `users`.
 * @param options.leavesGroupsBy see deleteAccess
 */
export async function endAccess(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date,
  what: Ending,
  options: { leavesGroupsBy?: readonly string[] } = {}
): Promise<Ended> {
  if (userIds.length === 0) return { hadCredentials: false, invitations: [], memberships: [] }
  const ended = await deleteAccess(trx, tenantId, userIds, now, what, options)
  // NOTIFY makes commits wait for one another, so only transactions with something to tell send it
  if (ended.hadCredentials) await notifyChange(trx, { kind: 'credentials', tenantId })
  return ended
}

/**
 * Ends sessions and unused reset links when people's password is replaced or taken away. API tokens stay, since no
 * password made them. The caller has locked the users' rows.
 * @param exceptSessionId the session that goes on
 */
export async function endWithPassword(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date,
  exceptSessionId?: string
): Promise<void> {
  const [ended] = await Promise.all([
    deleteSessions(trx, tenantId, userIds, exceptSessionId),
    expirePasswordResets(trx, tenantId, userIds, now)
  ])
  if (ended > 0) await notifyChange(trx, { kind: 'credentials', tenantId })
}

/**
 * Tells every process to forget the tenant's sessions and API tokens, where one of `userIds` has any: for a change of
 * role, or of anything else that is remembered with a session.
 */
export async function notifyIfSignedIn(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<void> {
  if (await hasCredentials(trx, tenantId, userIds)) await notifyChange(trx, { kind: 'credentials', tenantId })
}
