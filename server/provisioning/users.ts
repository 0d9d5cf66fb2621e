// What people may do with users: each checks who asks, locks the row and applies the rule, in one transaction.
import { sql } from 'kysely'
import { inTenant, type Trx } from '../../db/connect.ts'
import { hasGroupRoles, lockGroupRoles } from '../../db/group-roles.ts'
import type { Role, UserRow } from '../../db/schema.ts'
import { setInvitedRole } from '../../db/scim-users.ts'
import { getUserViews, lockUser as lockUserRow, type UserView, updateUser } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { conflict, notFound } from '../errors.ts'
import { type Actor, requireAdministrator } from './actor.ts'
import { authorityAfterRole, authorityFacts } from './authority.ts'
import { changedFacts } from './document-changes.ts'
import { notifyIfSignedIn } from './ending.ts'
import { forgetCredentials } from './forgetting.ts'
import { followGroups, ownRoleOf, ownRolePatch } from './group-roles.ts'
import { isCountedAdministrator, requireNotSelf, requireOtherAdministrator, requireRoleWithin } from './guards.ts'
import { requireOwnProfile, requireOwnRole } from './managed.ts'
import { release } from './release.ts'
import { columnsOfUser, type Profile, shownName, type UserDocument, withRole } from './user-document.ts'
import {
  activate,
  audit,
  deactivate,
  lock,
  remove,
  requireNotRemoved,
  type UserChange,
  unlock,
  userEvent
} from './user-states.ts'

export type UserDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** Changes a user whose row is locked, and returns the user afterwards. Asking again changes nothing. */
type UserStep = (deps: UserDeps, tenantId: number, actor: Actor, userId: string) => Promise<UserView>

const step =
  (what: string, work: (change: UserChange, user: UserRow) => Promise<void>): UserStep =>
  async (deps, tenantId, actor, userId) => {
    requireAdministrator(actor, what)
    return changeUser(deps, tenantId, actor, userId, 'for update', work)
  }

/** @throws AppError forbidden `administratorOnly`, `notYourself`, `lastAdministrator`; conflict `userRemoved` */
export const deactivateUser = step('deactivate users', deactivate)

/** @throws AppError forbidden `administratorOnly`; conflict `notDeactivated` (invited), `userRemoved` */
export const activateUser = step('activate users', activate)

/** @throws AppError forbidden `administratorOnly`, `notYourself`, `lastAdministrator`; conflict `userRemoved` */
export const lockUser = step('lock users', lock)

/** @throws AppError forbidden `administratorOnly`; conflict `userRemoved` */
export const unlockUser = step('unlock users', unlock)

/** Ends what connections own of a user. @throws AppError forbidden `administratorOnly`; conflict `userRemoved` */
export const releaseUser = step('release users', release)

/**
 * @throws AppError forbidden `administratorOnly`, `notYourself`; conflict `notDeactivated`,
 *   `memberOfGroups` with `groups: [{ id, displayName }]` (up to 50) and `groupCount`
 */
export const removeUser = step('remove users', async (change, user) => {
  if (user.state === 'removed') return
  requireNotSelf(change.actor, user.id, 'remove yourself')
  if (user.state === 'invited') {
    throw conflict(`${shownName(user)} is only invited: revoke the invitation instead`, 'notDeactivated')
  }
  if (user.state !== 'deactivated') throw conflict(`Deactivate ${shownName(user)} first`, 'notDeactivated')
  await requireNoMemberships(change, user)
  await remove(change, user)
})

/**
 * Gives somebody another role of their own, even somebody still invited. A higher one from a group still counts.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`, `notYourself`, `lastAdministrator`,
 *   `managedByConnection`; conflict `userRemoved`
 */
export async function setUserRole(
  deps: UserDeps,
  tenantId: number,
  actor: Actor,
  userId: string,
  role: Role
): Promise<UserView> {
  requireAdministrator(actor, 'change roles')
  requireRoleWithin(actor.role, role)
  // the lock for group roles comes before the person's row
  return changeUser(deps, tenantId, actor, userId, 'for update', changeRole(role), lockGroupRoles)
}

const changeRole =
  (role: Role) =>
  async (change: UserChange, user: UserRow): Promise<void> => {
    requireNotRemoved(user)
    if (ownRoleOf(user) === role) return
    requireNotSelf(change.actor, user.id, 'change your own role')
    const before = JSON.parse(user.doc) as UserDocument
    await requireOwnRole(change.trx, user, before, role)
    const isCounted = isCountedAdministrator(user) && user.given_role === null
    if (isCounted) await requireOtherAdministrator(change.trx, change.tenantId, [user.id])
    await writeRole(change, user, before, role)
  }

/** Writes their own role, also to the document and an invitation; their groups may give them a higher one. */
async function writeRole(change: UserChange, user: UserRow, before: UserDocument, role: Role): Promise<void> {
  const { trx, tenantId, now } = change
  const document = withRole(before, role)
  const facts = changedFacts(before, document)
  const authority = authorityAfterRole(user)
  const exceptions = authorityFacts(user.authority, authority)
  const columns = { ...columnsOfUser(document, user), ...ownRolePatch(user, role), authority }
  await Promise.all([
    updateUser(trx, tenantId, user.id, columns, now),
    setInvitedRole(trx, tenantId, user.id, role),
    audit(change, [
      userEvent(
        'user.roleChanged',
        user,
        { ...facts.before, role: ownRoleOf(user), ...exceptions.before },
        { ...facts.after, role, ...exceptions.after }
      )
    ]),
    notifyIfSignedIn(trx, tenantId, [user.id])
  ])
  if (user.given_role !== null || (await hasGroupRoles(trx, tenantId))) {
    await followGroups(change, undefined, sql`select ${user.id}::uuid`)
  }
}

/**
 * Changes somebody's profile: one's own, or anybody's as an administrator. An empty text removes a fact.
 * @throws AppError forbidden `administratorOnly`, `managedByConnection` (changing nothing); conflict `userRemoved`
 */
export async function updateUserProfile(
  deps: UserDeps,
  tenantId: number,
  actor: Actor,
  userId: string,
  profile: Profile
): Promise<UserView> {
  if (actor.id !== userId) requireAdministrator(actor, 'change the profile of others')
  return changeUser(deps, tenantId, actor, userId, 'for no key update', async (change, user) => {
    requireNotRemoved(user)
    const by = actor.id === userId ? 'person' : 'administrator'
    const { before, document, authority } = await requireOwnProfile(change.trx, user, profile, by)
    const columns = columnsOfUser(document, user)
    if (PROFILE_COLUMNS.every((column) => columns[column] === user[column])) return
    const facts = changedFacts(before, document)
    const exceptions = authorityFacts(user.authority, authority)
    const event = userEvent(
      'user.updated',
      user,
      { ...facts.before, ...exceptions.before },
      { ...facts.after, ...exceptions.after }
    )
    await Promise.all([
      updateUser(change.trx, tenantId, userId, { ...columns, authority }, change.now),
      audit(change, [event])
    ])
  })
}

const PROFILE_COLUMNS = ['display_name', 'given_name', 'family_name', 'time_zone', 'locale'] as const

async function changeUser(
  deps: UserDeps,
  tenantId: number,
  actor: Actor,
  userId: string,
  strength: 'for update' | 'for no key update',
  work: (change: UserChange, user: UserRow) => Promise<void>,
  lockBefore?: (trx: Trx, tenantId: number) => Promise<void>
): Promise<UserView> {
  const now = deps.now()
  const after = await inTenant(deps.db, tenantId, async (trx) => {
    await lockBefore?.(trx, tenantId)
    const user = await lockUserRow(trx, tenantId, userId, strength)
    if (!user) throw notFound(`User ${userId}`)
    await work({ trx, tenantId, actor, now }, user)
    return (await getUserViews(trx, tenantId, [userId]))[0]!
  })
  forgetCredentials(deps, tenantId)
  return after
}

const NAMED_GROUPS = 50

async function requireNoMemberships({ trx, tenantId }: UserChange, user: UserRow): Promise<void> {
  const groups = await trx
    .selectFrom('group_members')
    .innerJoin('groups', (join) =>
      join.onRef('groups.tenant_id', '=', 'group_members.tenant_id').onRef('groups.id', '=', 'group_members.group_id')
    )
    .select(['groups.id', 'groups.display_name as displayName'])
    .where('group_members.tenant_id', '=', tenantId)
    .where('group_members.user_id', '=', user.id)
    .orderBy('groups.display_name_key')
    .execute()
  if (groups.length === 0) return
  const named = groups.slice(0, 5).map(({ displayName }) => displayName)
  const more = groups.length > named.length ? ` and ${groups.length - named.length} more` : ''
  throw conflict(`${shownName(user)} is still a member of ${named.join(', ')}${more}`, 'memberOfGroups', {
    groups: groups.slice(0, NAMED_GROUPS),
    groupCount: groups.length
  })
}
