// Makes the changes of scim-users-together.ts in a transaction that locks the users first, and so finds everything that
// ends with their access: sessions, tokens, invitations, memberships.
import { inTenant, type Trx } from '../../db/connect.ts'
import { isUnavailable } from '../../db/failures.ts'
import { retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import { getScimUsers, lockUsers, updateUsers } from '../../db/scim-user-changes.ts'
import { isRenamed, noteNamesOf } from '../../db/search-index.ts'
import { countUsers } from './brake.ts'
import { endAccess } from './ending.ts'
import { forgetCredentials } from './forgetting.ts'
import type { Outcome } from './gathering.ts'
import { updateEvent } from './scim-user-plan.ts'
import { ALONE, begin, type Item, outcomeOf, profileRow, type Result, type Step, stateRow } from './scim-user-step.ts'
import { activatedEvent, audit, deactivatedEvent, invitationRevoked, removedEvent } from './user-states.ts'

/**
 * @returns the outcome of each, in order. Where the database refuses any of them, nothing was done and each is ALONE;
 *   where the database is unavailable, each gets its error
 */
export async function changeUnderLocks(items: readonly Item[]): Promise<readonly Outcome<Result>[]> {
  if (items.length === 0) return []
  const { deps, tenant } = items[0]!.writer
  try {
    const { outcomes, hadCredentials } = await retryRaces(() =>
      inTenant(deps.db, tenant.id, (trx) => changeWithin(trx, items))
    )
    // this process forgets ended sessions and tokens at once; the others hear of it
    if (hadCredentials) forgetCredentials(deps, tenant.id)
    return outcomes
  } catch (error) {
    return items.map(() => (isUnavailable(error) ? { error } : { value: ALONE }))
  }
}

async function changeWithin(
  trx: Trx,
  items: readonly Item[]
): Promise<{ outcomes: Outcome<Result>[]; hadCredentials: boolean }> {
  const { tenant, view } = items[0]!.writer
  const rows = await lockUsers(
    trx,
    tenant.id,
    items.map(({ userId }) => userId)
  )
  const found = new Map(rows.map((row) => [row.id, row]))
  const begun = items.map((item) => begin(item, found.get(item.userId)))
  const steps = begun.filter((one) => one.kind === 'write')
  const ended = await write(trx, tenant.id, steps)
  const left = steps.filter(({ planned }) => planned)
  const [after] = await Promise.all([
    left.length > 0
      ? getScimUsers(
          trx,
          view,
          left.map(({ before }) => before.id)
        )
      : [],
    ...ended.follow
  ])
  const afterwards = new Map(after.map((row) => [row.id, row]))
  const outcomes = begun.map((one) =>
    outcomeOf(one, ({ planned, before }) => ({
      value: { kind: 'done', user: planned && afterwards.get(before.id)! }
    }))
  )
  return { outcomes, hadCredentials: ended.hadCredentials }
}

/** Writes what is known by now. @returns the writes that can only follow, and are to be awaited */
async function write(
  trx: Trx,
  tenantId: number,
  steps: readonly Step[]
): Promise<{ follow: Promise<unknown>[]; hadCredentials: boolean }> {
  if (steps.length === 0) return { follow: [], hadCredentials: false }
  const { actor, now } = steps[0]!.item.writer
  const renamed = steps.filter(({ planned }) => planned?.isProfileChanged)
  const activated = steps.filter(({ planned }) => planned?.isStateChanged && planned.change.active)
  const deactivated = steps.filter(({ planned }) => planned?.isStateChanged && !planned.change.active)
  const removed = steps.filter(({ planned }) => !planned)
  const change = { trx, tenantId, actor, now }
  const idsOf = (some: readonly Step[]) => some.map(({ before }) => before.id)
  const events = [
    ...renamed.map((step) => ({ ...updateEvent(step.item.writer, step.planned!), by: step.item.writer })),
    ...activated.map((step) => ({ ...activatedEvent(step.before), by: step.item.writer }))
  ]
  const [ofDeactivated, ofRemoved] = await Promise.all([
    endAccess(trx, tenantId, idsOf(deactivated), now, 'deactivated'),
    endAccess(trx, tenantId, idsOf(removed), now, 'removed', { leavesGroupsBy: removed.map(({ eventId }) => eventId) }),
    updateUsers(trx, tenantId, 'profile', renamed.map(profileRow)),
    noteNamesOf(trx, tenantId, idsOf(renamed.filter(({ before, planned }) => isRenamed(before, planned!.columns)))),
    updateUsers(trx, tenantId, 'state', [...activated, ...deactivated, ...removed].map(stateRow)),
    audit(change, events)
  ])
  const ends = [...deactivated, ...removed]
  if (ends.length === 0) return { follow: [], hadCredentials: false }
  const invitations = [...ofDeactivated.invitations, ...ofRemoved.invitations]
  const endEvents = ends.flatMap((step) => {
    const { before, planned, item, eventId } = step
    const groupIds = ofRemoved.memberships.filter(({ userId }) => userId === before.id).map(({ groupId }) => groupId)
    return [
      ...invitations.filter(({ userId }) => userId === before.id).map(({ id }) => invitationRevoked(id, before)),
      planned ? deactivatedEvent(before) : removedEvent(before, eventId, groupIds)
    ].map((event) => ({ ...event, by: item.writer }))
  })
  const follow = [
    audit(change, endEvents),
    ...(removed.length > 0 ? [countResources(tenantId, 'User', -removed.length).execute(trx)] : []),
    countUsers(
      change,
      ends.map(({ before, item: { writer } }) => ({ user: before, actor: writer.actor }))
    )
  ]
  return { follow, hadCredentials: ofDeactivated.hadCredentials || ofRemoved.hadCredentials }
}
