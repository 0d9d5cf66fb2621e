// Ends the access of many people at once, as user-states.ts does for one: the same steps, each a single statement.
import { type AuditEvent, newEventId } from '../../db/audit.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { UserRow } from '../../db/schema.ts'
import { endUsers } from '../../db/users.ts'
import { endAccess } from './ending.ts'
import { audit, deactivatedEvent, invitationRevoked, removedEvent, type UserChange } from './user-states.ts'

/**
 * Deactivates people, or removes them with their memberships. The caller holds their rows `for update`, in a state that
 * allows this, and has checked that each of them may go.
 */
export async function endMany(
  change: UserChange,
  users: readonly UserRow[],
  what: 'deactivated' | 'removed'
): Promise<void> {
  if (users.length === 0) return
  const { trx, tenantId, now } = change
  const ids = users.map(({ id }) => id)
  const eventIds = users.map(() => newEventId(now))
  const isRemoval = what === 'removed'
  const [ended] = await Promise.all([
    endAccess(trx, tenantId, ids, now, what, isRemoval ? { leavesGroupsBy: eventIds } : {}),
    endUsers(trx, tenantId, ids, what, now)
  ])
  const groups = Map.groupBy(ended.memberships, ({ userId }) => userId)
  const endedEvents = users.map((user, index): AuditEvent => {
    const id = eventIds[index]!
    if (!isRemoval) return { id, ...deactivatedEvent(user) }
    return removedEvent(user, id, groups.get(user.id)?.map(({ groupId }) => groupId) ?? [])
  })
  const revoked = ended.invitations.map(({ id, userId }) =>
    invitationRevoked(id, users.find((user) => user.id === userId)!)
  )
  await Promise.all([
    audit(change, [...revoked, ...endedEvents]),
    isRemoval && countResources(tenantId, 'User', -users.length).execute(trx)
  ])
}
