// Adds and removes some hundreds of memberships in several groups: their rows, one event per group, the counts.
import { type AuditEvent, insertAuditEvents, newEventId } from '../../../db/audit.ts'
import type { Trx } from '../../../db/connect.ts'
import { MAX_AUDITED_IDS, MEMBERS_CHANGED } from '../../../db/group-members.ts'
import { addToMemberCounts } from '../../../db/groups.ts'
import { type Pair, writeMemberships } from '../../../db/history.ts'
import type { GroupRow } from '../../../db/schema.ts'
import type { FactsRun } from './run.ts'

/** The connections that own a membership before and after, null for none; undefined where there is no membership. */
export interface MemberChange {
  readonly pair: Pair
  readonly from: { readonly connection_id: string | null } | undefined
  readonly to: { readonly connection_id: string | null } | undefined
}

/**
 * @param groups all of them, locked
 * @param tell what the event of a group says beside who came and went
 */
export async function writeMemberChanges<C extends MemberChange>(
  trx: Trx,
  { tenantId, actor, now }: FactsRun,
  kind: 'users' | 'groups',
  changes: readonly C[],
  groups: readonly GroupRow[],
  tell?: (changes: readonly C[]) => Record<string, unknown>
): Promise<void> {
  if (changes.length === 0) return
  const at = now()
  const names = new Map(groups.map(({ id, display_name }) => [id, display_name]))
  const byGroup = [...Map.groupBy(changes, ({ pair }) => pair.group_id)].map(([groupId, own]) => ({
    groupId,
    own,
    eventId: newEventId(at)
  }))
  const rows = byGroup.flatMap(({ own, eventId }) =>
    own.map(({ pair, to }) => ({ ...pair, eventId, to: to && { connectionId: to.connection_id } }))
  )
  await writeMemberships(trx, tenantId, kind, rows)
  const events = byGroup.map(
    ({ groupId, own, eventId }): AuditEvent => ({
      id: eventId,
      action: MEMBERS_CHANGED,
      targetType: 'group',
      targetId: groupId,
      targetName: names.get(groupId) ?? null,
      after: { ...membersInEvent(own), ...tell?.(own) }
    })
  )
  await insertAuditEvents(trx, tenantId, actor, at, events)
  await addToMemberCounts(
    trx,
    tenantId,
    at,
    byGroup.map(({ groupId, own }) => ({ group_id: groupId, delta: deltaOf(own) }))
  )
}

const deltaOf = (changes: readonly MemberChange[]): number =>
  changes.reduce((sum, { from, to }) => sum + Number(Boolean(to)) - Number(Boolean(from)), 0)

/** As other events of members list it. */
function membersInEvent(changes: readonly MemberChange[]): Record<string, unknown> {
  const added = changes.filter(({ to }) => to).map(({ pair }) => pair.member_id)
  const removed = changes.filter(({ to }) => !to).map(({ pair }) => pair.member_id)
  return {
    ...(added.length > 0 && { addedCount: added.length, added: added.slice(0, MAX_AUDITED_IDS) }),
    ...(removed.length > 0 && { removedCount: removed.length, removed: removed.slice(0, MAX_AUDITED_IDS) })
  }
}
