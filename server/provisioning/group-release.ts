// Gives a group that a connection owns to the tenant.
import { insertAuditEvents } from '../../db/audit.ts'
import { releaseMemberships } from '../../db/authority.ts'
import { peopleBelow } from '../../db/group-roles.ts'
import { lockGroup, updateGroup } from '../../db/groups.ts'
import { isId } from '../../db/ids.ts'
import { notFound } from '../errors.ts'
import { requireAdministrator } from './actor.ts'
import { type GroupDocument, groupColumns } from './group-document.ts'
import { followGroups } from './group-roles.ts'
import { forgetRoles, type GroupWork, inTransaction } from './groups.ts'

/**
 * Ends a connection's ownership of a group and of its memberships there; it takes on again what it then changes.
 * @throws AppError not_found; forbidden `administratorOnly`
 */
export async function releaseGroup(work: GroupWork, groupId: string): Promise<void> {
  requireAdministrator(work.actor, 'release groups')
  if (!isId(groupId)) throw notFound('Group')
  const areRolesChanged = await inTransaction(work, async (trx) => {
    const { tenantId, now } = work
    const group = await lockGroup(trx, tenantId, groupId, 'for update')
    if (!group) throw notFound('Group')
    const owner = group.connection_id ?? group.kept_by
    if (owner === null) return false
    const columns = { ...groupColumns(JSON.parse(group.doc) as GroupDocument), connection_id: null, kept_by: null }
    const [count] = await Promise.all([
      releaseMemberships(trx, tenantId, groupId, owner),
      updateGroup(trx, tenantId, groupId, columns, now)
    ])
    await insertAuditEvents(trx, tenantId, work.actor, now, [
      {
        action: 'group.released',
        targetType: 'group',
        targetId: groupId,
        targetName: group.display_name,
        before: group.connection_id === null ? { keptBy: owner } : { connectionId: owner },
        after: { releasedMemberships: count }
      }
    ])
    if (!work.groupRoles) return false
    return (await followGroups({ trx, ...work }, group.display_name, peopleBelow(tenantId, [groupId]))).length > 0
  })
  forgetRoles(work, areRolesChanged)
}
