// What identity providers may do with users: the rules, without HTTP. scim-user-create.ts creates users.
//
// Locks are taken in one order: rows of users that exist, the tenant's lock for administrators, addresses, new rows. A
// change of the profile alone locks nothing before it writes: it reads, computes, and writes only where the version is
// still the one that it read.
import { sql } from 'kysely'
import { releaseAddresses } from '../../db/addresses.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { hasPassword, isPasswordHash, setPasswordHash } from '../../db/credentials.ts'
import { lockGroupRoles } from '../../db/group-roles.ts'
import { retryRaces } from '../../db/races.ts'
import type { UserRow } from '../../db/schema.ts'
import { findScimUser } from '../../db/scim-user-lookup.ts'
import {
  claimAddress,
  deletePassword,
  findVisibleUser,
  getScimUser,
  type ScimUserRow,
  type ScimView,
  setInvitedRole,
  updateUnlessChanged
} from '../../db/scim-users.ts'
import { lockUser, replaceUserEmails, updateUser } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import type { Actor } from './actor.ts'
import { endByAdoption } from './adoption.ts'
import { letUserStay } from './brake.ts'
import { endWithPassword, notifyIfSignedIn } from './ending.ts'
import { forgetCredentials } from './forgetting.ts'
import { followGroups } from './group-roles.ts'
import { isCountedAdministrator, requireNotSelf, requireOtherAdministrator } from './guards.ts'
import { requireOwnAttributes } from './managed.ts'
import { conflictOf, takenError } from './scim-conflicts.ts'
import type { NewUser } from './scim-user-new.ts'
import { isChange, needsLock, type Planned, patchOf, plan, requireTouchable, updateEvent } from './scim-user-plan.ts'
import { requireVisible } from './scim-user-step.ts'
import { changeTogether } from './scim-users-together.ts'
import type { UserDocument } from './user-document.ts'
import { activate, audit, deactivate, remove, type UserChange } from './user-states.ts'

/** Who writes, for which tenant, and how the result is shown. */
export interface ScimWriter {
  readonly deps: Pick<Deps, 'db' | 'listener'>
  readonly tenant: Tenant
  /** `role` is the highest role that the writer may give and touch. */
  readonly actor: Actor
  readonly now: Date
  readonly log: Pick<Deps['log'], 'warn'>
  readonly view: ScimView
}

/** What a user shall become. */
export interface ScimUserChange {
  readonly document: UserDocument
  /** Undefined leaves it as it is. */
  readonly active: boolean | undefined
  /** Whether the request says that they shall be active: what was held against them is then forgotten. */
  readonly asksActive?: boolean
  /** A hash; null takes the password away, undefined keeps it. */
  readonly passwordHash?: string | null
  /** The stored hash that the same password had matched: while it is still stored, sessions go on. */
  readonly sameAsHash?: string | undefined
}

/** The user whom a change starts from. */
export interface UserBefore {
  readonly id: string
  readonly active: boolean
  readonly document: UserDocument
  /** What is stored, from which a client was shown the user. */
  readonly row: Pick<UserRow, 'connection_id' | 'doc'>
}

/** Somebody whose login address has changed, or is gone. */
export interface MovedUser {
  readonly id: string
  readonly email: string | null
  readonly mustResetPassword: boolean
}

export interface ChangeOptions {
  /** What becomes of a role that the request does not mention: see scim-roles.ts. */
  readonly kind: 'replace' | 'patch'
  /** Whether the change may deactivate somebody: then what ends with their access is read beforehand. */
  readonly mayDeactivate: boolean
  /** Throws `stale` where the client knows another version. */
  readonly precondition?: (version: number) => void
  /**
   * Computes the change. It is called again whenever the user has changed meanwhile, so slow work (hashing a password)
   * should be done before.
   */
  readonly change: (before: UserBefore) => ScimUserChange | Promise<ScimUserChange>
  /** Runs in the transaction that changes somebody's login address; a callback, as links belong to a higher layer. */
  readonly addressMoved: (trx: Trx, user: MovedUser) => Promise<unknown>
  /** Runs in the transaction that activates somebody who was invited. */
  readonly adopted?: NewUser['afterwards']
}

/**
 * Changes a user, whole or in part. No concurrent change is lost; a change that changes nothing writes nothing.
 * @returns the user afterwards
 * @throws HeldBack; AppError not_found; forbidden `roleNotAllowed`, `notYourself`, `lastAdministrator`; uniqueness;
 *   whatever the callbacks throw
 */
export async function changeUser(writer: ScimWriter, userId: string, options: ChangeOptions): Promise<ScimUserRow> {
  const done = await changeTogether(writer, userId, { kind: 'change', options })
  if (done.kind === 'done') return done.user!
  const { deps, tenant, view } = writer
  const planned = await plan(writer, await findVisibleUser(deps.db, tenant.id, userId, view.connectionId), options)
  // what is held of somebody is forgotten in the transaction that makes the change, or not at all
  const mayBeHeld = planned.change.asksActive && writer.actor.scim?.hasHeld
  if (!needsLock(planned) && !mayBeHeld) {
    const after = isChange(planned)
      ? await writeUnlessOvertaken(writer, planned)
      : await findScimUser(deps.db, view, userId)
    if (after) return after
  }
  // whoever was overtaken once would be again: under the lock they wait for their turn
  const locked = await translateConflicts(writer, () => retryRaces(() => changeLocked(writer, userId, options)))
  if (locked.isAccessChanged) forgetCredentials(writer.deps, writer.tenant.id)
  return locked.after
}

/**
 * Removes a user with their memberships, even an active one.
 * @throws HeldBack; AppError not_found; forbidden `roleNotAllowed`, `notYourself`, `lastAdministrator`; whatever the
 *   precondition throws
 */
export async function deleteUser(
  writer: ScimWriter,
  userId: string,
  precondition?: (version: number) => void
): Promise<void> {
  const done = await changeTogether(writer, userId, { kind: 'remove', precondition })
  if (done.kind === 'done') return
  await retryRaces(() =>
    inTenant(writer.deps.db, writer.tenant.id, async (trx) => {
      const user = await lockVisible(trx, writer, userId)
      requireTouchable(writer.actor, user)
      precondition?.(user.version)
      await remove(stepOf(trx, writer), user, { withMemberships: true })
    })
  )
  forgetCredentials(writer.deps, writer.tenant.id)
}

/** For the steps of user-states.ts. */
export const stepOf = (trx: Trx, { tenant, actor, now }: ScimWriter): UserChange => ({
  trx,
  tenantId: tenant.id,
  actor,
  now
})

/** Runs a write; on a conflict the client learns only what it may know, and the log has the rest. */
export async function translateConflicts<T>(writer: ScimWriter, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const conflict = conflictOf(error)
    if (!conflict) throw error
    if (conflict === 'address') writer.log.warn('SCIM write refused: another user or tenant holds the login address')
    throw takenError(conflict, error)
  }
}

const lockVisible = async (trx: Trx, writer: ScimWriter, userId: string): Promise<UserRow> =>
  requireVisible(writer, await lockUser(trx, writer.tenant.id, userId, 'for update'))

class Overtaken extends Error {}

/** @returns undefined where somebody else was faster; nothing was changed then */
async function writeUnlessOvertaken(writer: ScimWriter, planned: Planned): Promise<ScimUserRow | undefined> {
  try {
    return await translateConflicts(writer, () =>
      inTenant(writer.deps.db, writer.tenant.id, async (trx) => {
        const updating = updateUnlessChanged(trx, writer.view, planned.before, patchOf(writer, planned), writer.now)
        const [after] = await Promise.all([updating, ...writeAlong(trx, writer, planned)])
        // rolls back what was sent along
        if (!after) throw new Overtaken()
        return after
      })
    )
  } catch (error) {
    if (error instanceof Overtaken) return undefined
    throw error
  }
}

async function changeLocked(
  writer: ScimWriter,
  userId: string,
  options: ChangeOptions
): Promise<{ after: ScimUserRow; isAccessChanged: boolean }> {
  const tenantId = writer.tenant.id
  return inTenant(writer.deps.db, tenantId, async (trx) => {
    const user = await lockVisible(trx, writer, userId)
    const planned = await plan(writer, user, options)
    await requireOwnAttributes(trx, user, planned.managed, planned.decision.role)
    const isPasswordChanged = await endsWithPassword(trx, tenantId, planned)
    if (planned.isRoleChanged) await requireRoleChange(trx, writer, planned)
    if (planned.isProfileChanged || planned.isRoleChanged) {
      const addressKey = planned.columns.email_key
      await Promise.all([
        planned.isAddressChanged && releaseAddresses(trx, tenantId, [user]),
        planned.isAddressChanged && addressKey !== null && claimAddress(trx, tenantId, userId, addressKey),
        updateUser(trx, tenantId, userId, patchOf(writer, planned), writer.now),
        isPasswordChanged && endWithPassword(trx, tenantId, [userId], writer.now),
        ...writeAlong(trx, writer, planned)
      ])
    }
    if (planned.isAdopted) await endByAdoption(stepOf(trx, writer), user)
    if (planned.isRoleChanged) await followRole(trx, writer, planned)
    if (planned.isAddressChanged) await options.addressMoved(trx, movedUser(planned))
    if (planned.isStateChanged) {
      const step = planned.change.active ? activate : deactivate
      await step(stepOf(trx, writer), user)
    }
    if (planned.change.asksActive) await letUserStay(stepOf(trx, writer), userId)
    const after = await getScimUser(trx, writer.view, userId)
    if (planned.isAdopted) await options.adopted?.(trx, after, planned.columns.email)
    return { after, isAccessChanged: planned.isRoleChanged || planned.isStateChanged || isPasswordChanged }
  })
}

/** Whether the person's password is replaced or taken away. */
async function endsWithPassword(trx: Trx, tenantId: number, { before, change }: Planned): Promise<boolean> {
  const { passwordHash, sameAsHash } = change
  if (passwordHash === undefined) return false
  if (passwordHash === null) return hasPassword(trx, tenantId, before.id)
  return sameAsHash === undefined || !(await isPasswordHash(trx, tenantId, before.id, sameAsHash))
}

const movedUser = ({ before, change, columns }: Planned): MovedUser => ({
  id: before.id,
  email: columns.email,
  mustResetPassword: before.must_reset_password && !change.passwordHash
})

/** @throws AppError forbidden `notYourself`, `lastAdministrator` */
async function requireRoleChange(trx: Trx, writer: ScimWriter, { before }: Planned): Promise<void> {
  requireNotSelf(writer.actor, before.id, 'change your own role')
  // a role from a group stays
  const isCounted = isCountedAdministrator(before) && before.given_role === null
  if (isCounted) await requireOtherAdministrator(trx, writer.tenant.id, [before.id])
}

/** An invitation that is still open gives the new role; what is remembered with sessions is forgotten. */
async function followRole(trx: Trx, writer: ScimWriter, { before, decision }: Planned): Promise<void> {
  await Promise.all([
    setInvitedRole(trx, writer.tenant.id, before.id, decision.role),
    notifyIfSignedIn(trx, writer.tenant.id, [before.id])
  ])
  await followGroupsOf(trx, writer, before)
}

/** Updates the role that counts after a change of somebody's own. The lock comes late: a deadlock means a new try. */
export async function followGroupsOf(
  trx: Trx,
  writer: ScimWriter,
  user: Pick<UserRow, 'id' | 'given_role'>
): Promise<void> {
  if (!writer.tenant.settings.groupRoles && user.given_role === null) return
  await lockGroupRoles(trx, writer.tenant.id)
  await followGroups(stepOf(trx, writer), undefined, sql`select ${user.id}::uuid`)
}

/** E-mail keys, password and audit event of a change. */
function writeAlong(trx: Trx, writer: ScimWriter, planned: Planned): Promise<unknown>[] {
  const { before, emails } = planned
  const tenantId = writer.tenant.id
  const { passwordHash } = planned.change
  return [
    emails ? replaceUserEmails(trx, tenantId, before.id, emails) : undefined,
    passwordHash ? setPasswordHash(trx, tenantId, before.id, passwordHash, writer.now) : undefined,
    passwordHash === null ? deletePassword(trx, tenantId, before.id) : undefined,
    audit(stepOf(trx, writer), [updateEvent(writer, planned)])
  ].filter((statement) => statement !== undefined)
}
