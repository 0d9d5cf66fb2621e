// Changes of users that come in one moment, made in one transaction: the plain ones, in which nobody else's rows have a
// say. scim-users.ts makes the others one by one, and those of a transaction that failed.
import { newEventId } from '../../db/audit.ts'
import { type Db, inTenant, isUnavailable, type Trx } from '../../db/connect.ts'
import { retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { UserRow } from '../../db/schema.ts'
import { getScimUsers, lockUsers, updateUsers } from '../../db/scim-user-changes.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { isRenamed, noteNamesOf } from '../../db/search-index.ts'
import { notFound } from '../errors.ts'
import { countUsers } from './brake.ts'
import { endAccess } from './ending.ts'
import { Gathering, type Outcome } from './gathering.ts'
import { isCountedAdministrator } from './guards.ts'
import { type Planned, patchOf, plan, requireTouchable, updateEvent } from './scim-user-plan.ts'
import type { ChangeOptions, ScimWriter } from './scim-users.ts'
import { activatedEvent, audit, deactivatedEvent, invitationRevoked, removedEvent } from './user-states.ts'

export type UserWork =
  | { readonly kind: 'change'; readonly options: ChangeOptions }
  | { readonly kind: 'remove'; readonly precondition: ((version: number) => void) | undefined }

/** Nothing was done: the change is one of those that are made alone. */
export const ALONE = 'alone'

/** The user as they are then; undefined once they are removed. */
type Result = ScimUserRow | undefined | typeof ALONE

interface Item {
  readonly writer: ScimWriter
  readonly userId: string
  readonly work: UserWork
}

const gatherings = new WeakMap<Db, Gathering<Item, Result>>()

/**
 * Does the work with what else is to be done in this moment.
 * @throws AppError not_found; forbidden; whatever the callbacks throw
 */
export function changeTogether(writer: ScimWriter, userId: string, work: UserWork): Promise<Result> {
  const { deps, tenant, actor, view } = writer
  // what the brake holds is looked at one by one
  if (actor.scim?.hasHeld) return Promise.resolve(ALONE)
  let gathering = gatherings.get(deps.db)
  if (!gathering) {
    gathering = new Gathering(changeAll)
    gatherings.set(deps.db, gathering)
  }
  const kind = `${tenant.id} ${view.connectionId ?? ''} ${view.withGroups} ${view.groupsUrl}`
  return gathering.add(kind, userId, { writer, userId, work })
}

async function changeAll(items: readonly Item[]): Promise<readonly Outcome<Result>[]> {
  const { deps, tenant } = items[0]!.writer
  try {
    const { outcomes, hadCredentials } = await retryRaces(() =>
      inTenant(deps.db, tenant.id, (trx) => changeWithin(trx, items))
    )
    // this process forgets at once whose sessions and tokens ended; the others hear of it
    if (hadCredentials) deps.listener.emit('change', { kind: 'credentials', tenantId: tenant.id })
    return outcomes
  } catch (error) {
    return items.map(() => (isUnavailable(error) ? { error } : { value: ALONE }))
  }
}

/** What is to be written of a locked user. */
interface Step {
  readonly item: Item
  readonly before: UserRow
  /** Undefined for a removal. */
  readonly planned: Planned | undefined
  /** Of the event that tells of it. */
  readonly eventId: string
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
  const steps = begun.filter((step) => typeof step === 'object' && 'before' in step)
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
  const outcomes = begun.map((step): Outcome<Result> => {
    if (step === ALONE) return { value: ALONE }
    return 'error' in step ? step : { value: step.planned && afterwards.get(step.before.id)! }
  })
  return { outcomes, hadCredentials: ended.hadCredentials }
}

function begin(item: Item, row: UserRow | undefined): Step | typeof ALONE | { error: unknown } {
  const { writer, work } = item
  try {
    const before = requireVisible(writer, row)
    const eventId = newEventId(writer.now)
    if (work.kind === 'change') {
      const planned = plan(writer, before, work.options)
      return !(planned instanceof Promise) && isPlain(writer, planned) ? { item, before, planned, eventId } : ALONE
    }
    requireTouchable(writer.actor, before)
    work.precondition?.(before.version)
    // who has their role from a group is left with their own
    const isPlainRemoval = isExpendable(writer, before) && before.given_role === null
    return isPlainRemoval ? { item, before, planned: undefined, eventId } : ALONE
  } catch (error) {
    return { error }
  }
}

/** @throws AppError not_found */
function requireVisible({ view }: ScimWriter, user: UserRow | undefined): UserRow {
  const isVisible =
    user && user.state !== 'removed' && (view.connectionId === undefined || user.connection_id === view.connectionId)
  if (!isVisible) throw notFound('User')
  return user
}

const isExpendable = ({ actor }: ScimWriter, user: UserRow) => actor.id !== user.id && !isCountedAdministrator(user)

/** Either the profile or the state changes, and nothing that is kept elsewhere. */
function isPlain(writer: ScimWriter, planned: Planned): boolean {
  const { before, change, emails, isProfileChanged, isStateChanged, isRoleChanged, isAddressChanged } = planned
  if (isRoleChanged || isAddressChanged || emails || change.passwordHash !== undefined) return false
  if (planned.authority !== before.authority || planned.isAdopted) return false
  return !isStateChanged || (!isProfileChanged && isExpendable(writer, before))
}

/** Writes what is known now. @returns what can only be written, and is to be awaited, afterwards */
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

const profileRow = ({ before, planned, item: { writer } }: Step) => ({
  connection_id: before.connection_id,
  ...patchOf(writer, planned!),
  id: before.id,
  updated_at: writer.now
})

function stateRow({ before, planned, item: { writer } }: Step) {
  const row = { id: before.id, updated_at: writer.now, locked: before.locked, activated_at: before.activated_at }
  if (!planned) return { ...row, state: 'removed', locked: false }
  if (!planned.change.active) return { ...row, state: 'deactivated' }
  return { ...row, state: 'active', activated_at: before.activated_at ?? writer.now }
}
