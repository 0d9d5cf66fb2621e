// Changes the state of a person whose row the caller has locked `for update`: every API ends up here.
import { type AuditEvent, insertAuditEvents, newEventId } from '../../db/audit.ts'
import type { Trx } from '../../db/connect.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { UserPatch, UserRow } from '../../db/schema.ts'
import { updateUser } from '../../db/users.ts'
import { type AppError, conflict } from '../errors.ts'
import type { Actor } from './actor.ts'
import { countUser } from './brake.ts'
import { endAccess } from './ending.ts'
import { isCountedAdministrator, requireNotSelf, requireOtherAdministrator } from './guards.ts'
import { shownName } from './user-document.ts'

/** Who changes people of which tenant, when, and in which transaction. */
export interface UserChange {
  readonly trx: Trx
  readonly tenantId: number
  readonly actor: Actor
  readonly now: Date
}

/**
 * Ends a person's access; memberships, password and address stay. Pending invitations are revoked. Changes nothing
 * where they are deactivated already.
 * @param columns further columns to change in the same step
 * @throws AppError forbidden `notYourself`, `lastAdministrator`; conflict `userRemoved`; HeldBack
 */
export async function deactivate(change: UserChange, user: UserRow, columns: UserPatch = {}): Promise<void> {
  if (user.state === 'deactivated') return
  requireNotRemoved(user)
  await requireExpendable(change, user, 'deactivate yourself')
  const { trx, tenantId, now } = change
  const [ended] = await Promise.all([
    endAccess(trx, tenantId, [user.id], now, 'deactivated'),
    updateUser(trx, tenantId, user.id, { ...columns, state: 'deactivated' }, now)
  ])
  await Promise.all([
    audit(change, [...ended.invitations.map(({ id }) => invitationRevoked(id, user)), deactivatedEvent(user)]),
    countUser(change, 'deactivate', user)
  ])
}

/**
 * Gives a deactivated person access again, even one who never accepted an invitation: that person chooses a password by
 * a reset. Changes nothing where they are active already.
 * @param columns further columns to change in the same step
 * @throws AppError conflict `notDeactivated`, `userRemoved`
 */
export async function activate(change: UserChange, user: UserRow, columns: UserPatch = {}): Promise<void> {
  if (user.state === 'active') return
  requireNotRemoved(user)
  if (user.state === 'invited') {
    throw conflict(`${shownName(user)} is invited and becomes active by accepting`, 'notDeactivated')
  }
  const { trx, tenantId, now } = change
  const activated_at = user.activated_at ?? now
  await updateUser(trx, tenantId, user.id, { ...columns, state: 'active', activated_at }, now)
  await audit(change, [activatedEvent(user)])
}

/**
 * Locks a person out, whatever their state: ends sessions, API tokens, codes and reset links, nothing else.
 * @throws AppError forbidden `notYourself`, `lastAdministrator`; conflict `userRemoved`
 */
export async function lock(change: UserChange, user: UserRow): Promise<void> {
  if (user.locked) return
  requireNotRemoved(user)
  await requireExpendable(change, user, 'lock yourself')
  const { trx, tenantId, now } = change
  await Promise.all([
    endAccess(trx, tenantId, [user.id], now, 'locked'),
    updateUser(trx, tenantId, user.id, { locked: true }, now)
  ])
  await audit(change, [userEvent('user.locked', user, { locked: false }, { locked: true })])
}

/** @throws AppError conflict `userRemoved` */
export async function unlock(change: UserChange, user: UserRow): Promise<void> {
  requireNotRemoved(user)
  if (!user.locked) return
  await updateUser(change.trx, change.tenantId, user.id, { locked: false }, change.now)
  await audit(change, [userEvent('user.unlocked', user, { locked: true }, { locked: false })])
}

/**
 * Removes a person in whatever state: they leave the lists, and other tenants may have their address. Their history
 * stays. A lock ends, too: whoever invites them again decides anew. Removing them twice changes nothing.
 * @param options.withMemberships takes them out of their groups; without it the caller has checked that they have none
 * @throws AppError forbidden `notYourself`, `lastAdministrator`; HeldBack
 */
export async function remove(
  change: UserChange,
  user: UserRow,
  options: { withMemberships?: boolean } = {}
): Promise<void> {
  if (user.state === 'removed') return
  await requireExpendable(change, user, 'remove yourself')
  const { trx, tenantId, now } = change
  const eventId = newEventId(now)
  // without groups, only their own role is left
  const ownRole = user.given_role ?? user.role
  const [ended] = await Promise.all([
    endAccess(trx, tenantId, [user.id], now, 'removed', options.withMemberships ? { leavesGroupsBy: [eventId] } : {}),
    updateUser(trx, tenantId, user.id, { state: 'removed', locked: false, role: ownRole, given_role: null }, now)
  ])
  const groupIds = ended.memberships.map(({ groupId }) => groupId)
  await Promise.all([
    audit(change, [
      ...ended.invitations.map(({ id }) => invitationRevoked(id, user)),
      removedEvent(user, eventId, groupIds)
    ]),
    countResources(tenantId, 'User', -1).execute(trx),
    countUser(change, 'remove', user)
  ])
}

/** @throws AppError conflict `userRemoved` */
export function requireNotRemoved(user: UserRow): void {
  if (user.state === 'removed') throw userRemoved(user)
}

const userRemoved = (user: UserRow): AppError =>
  conflict(`${shownName(user)} was removed: an invitation brings them back`, 'userRemoved')

async function requireExpendable(change: UserChange, user: UserRow, what: string): Promise<void> {
  requireNotSelf(change.actor, user.id, what)
  if (isCountedAdministrator(user)) await requireOtherAdministrator(change.trx, change.tenantId, [user.id])
}

/** What events need to know of a person. */
type ToldUser = Pick<
  UserRow,
  | 'id'
  | 'state'
  | 'role'
  | 'given_role'
  | 'locked'
  | 'email'
  | 'display_name'
  | 'given_name'
  | 'family_name'
  | 'user_name'
>

/** The audit event of a change to a person; the facts are those that changed. */
export const userEvent = (
  action: string,
  user: Omit<ToldUser, 'state' | 'role' | 'given_role' | 'locked'>,
  before: Record<string, unknown>,
  after: Record<string, unknown>
): AuditEvent => ({ action, targetType: 'user', targetId: user.id, targetName: shownName(user), before, after })

export const deactivatedEvent = (user: ToldUser): AuditEvent =>
  userEvent('user.deactivated', user, { state: user.state }, { state: 'deactivated' })

export const activatedEvent = (user: ToldUser): AuditEvent =>
  userEvent('user.activated', user, { state: user.state }, { state: 'active' })

/**
 * @param id the event's id, to which the memberships that it has ended refer
 * @param groupIds the groups that were left
 */
export const removedEvent = (user: ToldUser, id: string, groupIds: readonly string[]): AuditEvent => ({
  id,
  ...userEvent(
    'user.removed',
    user,
    {
      state: user.state,
      role: user.given_role ?? user.role,
      email: user.email,
      ...(user.locked && { locked: true }),
      ...(groupIds.length > 0 && { groupIds })
    },
    { state: 'removed', role: user.given_role ?? user.role, ...(user.locked && { locked: false }) }
  )
})

/** The audit event of an invitation that ends with a person's access. */
export const invitationRevoked = (id: string, user: Pick<UserRow, 'email'>): AuditEvent => ({
  action: 'invitation.revoked',
  targetType: 'invitation',
  targetId: id,
  targetName: user.email,
  before: { state: 'pending' },
  after: { state: 'revoked' }
})

export const audit = (change: UserChange, events: AuditEvent[]): Promise<void> =>
  insertAuditEvents(change.trx, change.tenantId, change.actor, change.now, events)
