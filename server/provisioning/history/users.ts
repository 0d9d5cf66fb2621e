// Undoes changes to users: up to some hundreds in one transaction, with a fixed number of statements.

import { claimAddresses, releaseAddresses } from '../../../db/addresses.ts'
import type { AuditEvent } from '../../../db/audit.ts'
import type { Trx } from '../../../db/connect.ts'
import { lockGroupRoles } from '../../../db/group-roles.ts'
import { type HistoryEvent, readMembershipEvents, readTargetEvents } from '../../../db/history.ts'
import { LostRace } from '../../../db/races.ts'
import { countResources } from '../../../db/resource-counts.ts'
import type { Role, UserRow, UserState } from '../../../db/schema.ts'
import {
  findTakenIdentities,
  followUsers,
  lockUsers,
  parkIdentities,
  reopenInvitations,
  replaceEmailsOfUsers,
  updateUsers
} from '../../../db/undo-users.ts'
import { endAccess, notifyIfSignedIn } from '../ending.ts'
import { ownRoleOf } from '../group-roles.ts'
import { hasOtherAdministrator, isCountedAdministrator } from '../guards.ts'
import { columnsOfUser, emailKeys, roleOf, shownName, type UserDocument, withRole } from '../user-document.ts'
import { audit, userEvent } from '../user-states.ts'
import { refuseGoneConnections } from './connections.ts'
import { authorityOf, factOfAuthority, factsOfUser, isAuthority, withFacts } from './facts.ts'
import { followRoles } from './roles.ts'
import {
  type ConflictReason,
  changedNames,
  changesOf,
  eventFacts,
  eventIdOf,
  type FactsRun,
  isChanged,
  isTold,
  type Reversed,
  refuse,
  refuseEach,
  reverseFacts,
  type UndoItem,
  type UndoRun,
  undoFacts
} from './run.ts'

/** What becomes of a user. */
export interface UserPlan {
  readonly row: UserRow
  readonly reversed: Reversed
}

/** What identifies a user: refused together, because the login address depends on all of them. */
const IDENTITY = ['userName', 'emails', 'externalId', 'connectionId'] as const

/** @throws LostRace where somebody else took an address meanwhile; unique violations for names that are taken */
export async function undoUsers(
  trx: Trx,
  run: UndoRun,
  userIds: readonly string[],
  refusal?: ConflictReason
): Promise<UndoItem[]> {
  await lockGroupRoles(trx, run.tenantId)
  const rows = await lockUsers(trx, run.tenantId, userIds)
  const events = await readTargetEvents(trx, run.tenantId, userIds, run.fromId)
  const plans = rows.map((row) => planUser(run, row, events.get(row.id) ?? []))
  if (refusal) refuseEach(plans, refusal)
  await refuseGoneConnections(
    trx,
    run,
    plans.map(({ reversed }) => reversed)
  )
  await refuseUsers(trx, run, plans)
  const changed = plans.filter(isChanged)
  if (changed.length > 0) {
    await writeUsers(trx, run, changed, ({ reversed }, past) => undoFacts(run, reversed, past.filter(run.isUndone)))
    await followRoles(
      trx,
      run,
      changed.map(({ row }) => row.id)
    )
  }
  return plans.filter(isTold).map(({ row, reversed }) => ({
    kind: 'user',
    id: row.id,
    name: shownName(row),
    changes: changesOf(reversed),
    conflicts: reversed.conflicts
  }))
}

function planUser(run: UndoRun, row: UserRow, events: readonly HistoryEvent[]): UserPlan {
  const reversed = reverseFacts(run, factsOfUser(row), events)
  if (row.state === 'removed' && reversed.after.get('state') === 'removed') {
    refuse(reversed, changedNames(reversed), 'userRemoved')
  }
  // removal ends a lock
  if (reversed.after.get('state') === 'removed') reversed.after.set('locked', false)
  if (row.id === run.actor.id) refuse(reversed, ['state', 'role', 'locked'], 'notYourself')
  keepAuthority(reversed)
  return { row, reversed }
}

/** Where an attribute keeps its value, it keeps its owner. */
export function keepAuthority(reversed: Reversed): void {
  const staying = new Set(reversed.conflicts.map(({ attribute }) => attribute))
  const names = changedNames(reversed).filter((name) => isAuthority(name) && staying.has(factOfAuthority(name)))
  refuse(reversed, names, 'changedSince')
  const told = reversed.conflicts.filter(
    ({ attribute }) => !isAuthority(attribute) || !staying.has(factOfAuthority(attribute))
  )
  reversed.conflicts.splice(0, reversed.conflicts.length, ...told)
}

/** The new columns of the row. */
function columnsOf({ row, reversed }: UserPlan, now: Date) {
  const { after } = reversed
  const role = after.get('role') as Role
  const state = after.get('state') as UserState
  const changed = withFacts(
    JSON.parse(row.doc) as UserDocument,
    changedNames(reversed).map((name) => [name, after.get(name)] as [string, unknown])
  )
  const shownRole = roleOf(changed)
  const document = shownRole && shownRole !== role ? withRole(changed, role) : changed
  const isBack = row.state === 'removed' && state !== 'removed'
  return {
    ...columnsOfUser(document, row),
    id: row.id,
    document,
    state,
    ownRole: role,
    // the role from a group stays until the memberships are restored, too
    role: row.given_role === null || state === 'removed' ? role : row.role,
    given_role: row.given_role === null || state === 'removed' ? null : role,
    locked: after.get('locked') === true,
    connection_id: (after.get('connectionId') as string | undefined) ?? null,
    authority: authorityOf(after),
    // removal deletes the password; after an undone acceptance, accepting again asks for a new one
    must_reset_password: row.must_reset_password || (isBack && row.activated_at !== null),
    activated_at: row.activated_at ?? (state === 'active' ? now : null)
  }
}

/**
 * Refuses changes that take what others have by now, or the last administrator away. Claims the addresses.
 * @throws LostRace where somebody else has taken an address meanwhile
 */
export async function refuseUsers(trx: Trx, run: FactsRun, plans: readonly UserPlan[]): Promise<void> {
  await refuseTaken(trx, run, plans)
  await refuseLastAdministrators(trx, run, plans)
  for (const { reversed } of plans) keepAuthority(reversed)
}

async function refuseTaken(trx: Trx, run: FactsRun, plans: readonly UserPlan[]): Promise<void> {
  const now = run.now()
  const wanted = plans
    .map((plan) => ({ plan, columns: columnsOf(plan, now) }))
    .filter(({ plan: { row }, columns }) => {
      if (columns.state === 'removed') return false
      return (
        row.state === 'removed' ||
        columns.user_name_key !== row.user_name_key ||
        columns.email_key !== row.email_key ||
        columns.external_id !== row.external_id ||
        columns.connection_id !== row.connection_id
      )
    })
  if (wanted.length === 0) return
  const byId = new Map(wanted.map((entry) => [entry.columns.id, entry]))
  const taken = await findTakenIdentities(
    trx,
    run.tenantId,
    wanted.map(({ columns }) => columns)
  )
  for (const { id, what, holder_id } of taken) {
    const holder = byId.get(holder_id)
    // the holder gives it up in the same step
    if (holder && isGivenUp(what, holder.plan.row, holder.columns)) continue
    refuseIdentity(byId.get(id)!.plan, `${what}Taken`)
    byId.delete(id)
  }
  await claim(trx, run, [...byId.values()])
}

type Columns = ReturnType<typeof columnsOf>

const isGivenUp = (what: 'userName' | 'externalId' | 'address', row: UserRow, columns: Columns): boolean => {
  if (columns.state === 'removed') return true
  if (what === 'userName') return columns.user_name_key !== row.user_name_key
  return what === 'address' ? columns.email_key !== row.email_key : columns.external_id !== row.external_id
}

function refuseIdentity(
  { row, reversed }: UserPlan,
  reason: 'userNameTaken' | 'externalIdTaken' | 'addressTaken'
): void {
  refuse(reversed, row.state === 'removed' ? changedNames(reversed) : IDENTITY, reason)
}

/** Claims the addresses; one that another tenant holds is a conflict, too. */
async function claim(trx: Trx, run: FactsRun, wanted: readonly { plan: UserPlan; columns: Columns }[]): Promise<void> {
  const moving = wanted.filter(
    ({ plan: { row }, columns }) => row.state === 'removed' || columns.email_key !== row.email_key
  )
  const claims = moving.flatMap(({ columns: { id, email_key } }) =>
    email_key === null ? [] : [{ address_key: email_key, user_id: id }]
  )
  const own = moving.map(({ plan: { row } }) => row)
  const [, holders] = await Promise.all([
    own.length > 0 && releaseAddresses(trx, run.tenantId, own),
    claimAddresses(trx, run.tenantId, claims)
  ])
  const refused = moving.filter(({ columns: { id, email_key } }) => email_key !== null && holders.get(email_key) !== id)
  for (const { plan } of refused) refuseIdentity(plan, 'addressTaken')
  const kept = refused.flatMap(({ plan: { row } }) =>
    row.state === 'removed' || row.email_key === null ? [] : [{ address_key: row.email_key, user_id: row.id }]
  )
  const again = await claimAddresses(trx, run.tenantId, kept)
  if (kept.some(({ address_key, user_id }) => again.get(address_key) !== user_id)) throw new LostRace('An address')
}

/** Keeps one active administrator who is not locked. */
async function refuseLastAdministrators(trx: Trx, run: FactsRun, plans: readonly UserPlan[]): Promise<void> {
  const after = ({ row, reversed: { after } }: UserPlan) =>
    isCountedAdministrator({
      role: row.given_role === null ? (after.get('role') as Role) : row.role,
      state: after.get('state') as string,
      locked: after.get('locked') === true
    })
  const leaving = plans.filter((plan) => isCountedAdministrator(plan.row) && !after(plan))
  if (leaving.length === 0) return
  const ids = leaving.map(({ row }) => row.id)
  if (
    (await hasOtherAdministrator(trx, run.tenantId, ids)) ||
    plans.some((plan) => !isCountedAdministrator(plan.row) && after(plan))
  )
    return
  refuse(leaving[0]!.reversed, ['state', 'role', 'locked', 'roles'], 'lastAdministrator')
}

/**
 * Writes what is planned for locked users, with everything that follows except the roles from groups.
 * @param tell what their events say beside the facts; `past` are the events of memberships that ended before
 */
export async function writeUsers(
  trx: Trx,
  run: FactsRun,
  plans: readonly UserPlan[],
  tell: (plan: UserPlan, past: readonly string[]) => Record<string, unknown>
): Promise<void> {
  const { tenantId } = run
  const now = run.now()
  const changes = plans.map((plan): Change => ({ ...plan, columns: columnsOf(plan, now), eventId: eventIdOf(run) }))
  const revoked = await endAccessOf(trx, tenantId, changes, now)
  const removed = becoming(changes, 'removed')
  const memberships = await readMembershipEvents(trx, tenantId, removed)
  const reopened = await writeRows(trx, tenantId, changes, now)
  const followed = changes.map(({ columns }) => ({ ...columns, role: columns.ownRole }))
  await followUsers(trx, tenantId, followed, now)
  await audit({ trx, tenantId, actor: run.actor, now }, [
    ...changes.map((change) => changeEvent(change, tell(change, memberships.get(change.row.id) ?? []))),
    ...revoked.map((id) => invitationEvent(id, 'pending', 'revoked')),
    ...reopened.map(({ id, state }) => invitationEvent(id, state, 'pending'))
  ])
  const withOtherRole = idsOf(changes, ({ row, columns }) => columns.role !== row.role)
  await notifyIfSignedIn(trx, tenantId, withOtherRole)
  const back = idsOf(changes, ({ row, columns }) => row.state === 'removed' && columns.state !== 'removed')
  // also where as many come back as go: positions in the listing have changed
  if (back.length + removed.length > 0) {
    await countResources(tenantId, 'User', back.length - removed.length).execute(trx)
  }
}

const idsOf = (changes: readonly Change[], isChosen: (change: Change) => boolean): string[] =>
  changes.filter(isChosen).map(({ row }) => row.id)

const becoming = (changes: readonly Change[], state: UserState): string[] =>
  idsOf(changes, ({ row, columns }) => columns.state === state && row.state !== state)

/** Ends the sessions and tokens of users who lose their access. @returns the invitations that were revoked with it */
async function endAccessOf(trx: Trx, tenantId: number, changes: readonly Change[], now: Date): Promise<string[]> {
  const eventOf = new Map(changes.map(({ row, eventId }) => [row.id, eventId]))
  const removed = becoming(changes, 'removed')
  const leavesGroupsBy = removed.map((id) => eventOf.get(id)!)
  const ended = [
    await endAccess(trx, tenantId, removed, now, 'removed', { leavesGroupsBy }),
    await endAccess(trx, tenantId, idsOf(changes, isDeactivated), now, 'deactivated'),
    await endAccess(trx, tenantId, idsOf(changes, isShutOut), now, 'locked')
  ]
  return ended.flatMap(({ invitations }) => invitations.map(({ id }) => id))
}

/** @returns the invitations that are pending again */
async function writeRows(trx: Trx, tenantId: number, changes: readonly Change[], now: Date) {
  const parked = idsOf(changes, isRenamed)
  if (parked.length > 1) await parkIdentities(trx, tenantId, parked)
  const columns = changes.map((change) => change.columns)
  const documented = changes.filter(({ row, columns: { doc } }) => doc !== row.doc)
  const emails = documented.flatMap(({ row, columns: { document } }) =>
    emailKeys(document).map((value_key) => ({ user_id: row.id, value_key }))
  )
  const documentedIds = documented.map(({ row }) => row.id)
  const [, reopened] = await Promise.all([
    updateUsers(trx, tenantId, columns, now),
    reopenInvitations(trx, tenantId, becoming(changes, 'invited'), now),
    documented.length > 0 && replaceEmailsOfUsers(trx, tenantId, documentedIds, emails)
  ])
  return reopened
}

interface Change extends UserPlan {
  readonly columns: Columns
  readonly eventId: string
}

/** A user who stays, with another userName or externalId. */
const isRenamed = ({ row, columns }: Change) =>
  row.state !== 'removed' && (columns.user_name_key !== row.user_name_key || columns.external_id !== row.external_id)

const isDeactivated = ({ row, columns }: Change) =>
  columns.state === 'deactivated' && (row.state === 'active' || row.state === 'invited')

/** Locked, or invited again: sessions end. */
const isShutOut = ({ row, columns }: Change) =>
  (columns.locked && !row.locked) || (columns.state === 'invited' && row.state === 'active')

/** Undoing a change is a change of the same kind, and its event says so to whoever listens. */
function changeEvent({ row, columns, reversed, eventId }: Change, told: Record<string, unknown>): AuditEvent {
  const facts = eventFacts(reversed)
  return { id: eventId, ...userEvent(actionOf(row, columns), row, facts.before, { ...facts.after, ...told }) }
}

function actionOf(row: UserRow, { state, locked, ownRole }: Columns): string {
  if (state !== row.state) {
    if (row.state === 'removed') return 'user.revived'
    return {
      removed: 'user.removed',
      deactivated: 'user.deactivated',
      active: 'user.activated',
      invited: 'user.invited'
    }[state]
  }
  if (locked !== row.locked) return locked ? 'user.locked' : 'user.unlocked'
  return ownRole === ownRoleOf(row) ? 'user.updated' : 'user.roleChanged'
}

const invitationEvent = (id: string, before: string, after: string): AuditEvent => ({
  action: after === 'pending' ? 'invitation.reopened' : 'invitation.revoked',
  targetType: 'invitation',
  targetId: id,
  before: { state: before },
  after: { state: after }
})
