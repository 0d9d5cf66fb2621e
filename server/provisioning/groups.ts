// The rules for changing groups, whoever changes them and through whichever API.
//
// Who may: administrators, managers and SCIM tokens. A token may also add people whose role is above the highest that
// it may grant, but not change their accounts. Where groups give roles, group-roles.ts adds rules.
//
// Everybody takes locks in one order: the tenant's lock for nesting, users by id, groups, memberships, the counters.
// Adding users and taking one out lock the group `for key share`, so that many can do so at once; any other change of
// its members locks it `for update`.
import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { connectionOf, insertAuditEvents, newEventId } from '../../db/audit.ts'
import { brakeOutcomeOf } from '../../db/brakes.ts'
import { type Db, inTenant, isCitus, type Trx } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { hasEdges, isolateGroup, lockNesting } from '../../db/group-children.ts'
import { addUsers, type Change, type GroupScope, MEMBERS_CHANGED, removeUser } from '../../db/group-members.ts'
import { lockGroupRoles, peopleBelow, peopleMovedBy } from '../../db/group-roles.ts'
import {
  countMemberChanges,
  deleteGroup,
  getGroupVersion,
  insertGroups,
  lockGroup,
  updateGroup
} from '../../db/groups.ts'
import { isId } from '../../db/ids.ts'
import type { Listener } from '../../db/listen.ts'
import type { MemberCause } from '../../db/past-members.ts'
import { retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { GroupRow } from '../../db/schema.ts'
import { AppError, forbidden, notFound, uniqueness } from '../errors.ts'
import { type Actor, isAbove } from './actor.ts'
import { brakeOf, countMembers, HeldBack, letMembersStay } from './brake.ts'
import { type ChangedFacts, changedFacts } from './document-changes.ts'
import { forgetCredentials } from './forgetting.ts'
import { type GroupDocument, groupColumns, wholeGroup } from './group-document.ts'
import {
  addedBy,
  applyMemberChanges,
  lockAddedUsers,
  type MemberChange,
  type MemberReference,
  type MembersChanged,
  NestingNeeded,
  resolveMembers,
  sortedIds
} from './group-members.ts'
import { leaveTogether } from './group-members-together.ts'
import { followGroups } from './group-roles.ts'
import { requireOwnGroup, requireOwnMemberships } from './managed.ts'

/** Where, by whom and when a group is changed. */
export interface GroupWork {
  readonly db: Db
  readonly tenantId: number
  readonly actor: Actor
  readonly now: Date
  /** The SCIM connection whose users and groups alone are visible; undefined for all of the tenant's. */
  readonly ownScope?: string
  /** Whether the tenant's groups give roles: a change of members is then a change of roles, too. */
  readonly groupRoles: boolean
  /** Told at once when roles have changed; the other processes hear of it by NOTIFY. */
  readonly listener: Pick<Listener, 'emit'>
}

/** Gets the version that clients see, with the group locked; throws `stale` where the client knows another one. */
type Precondition = (version: number) => void

interface GroupChange {
  /** Returns the new document; the same one where nothing changes. */
  readonly document?: (before: GroupDocument) => GroupDocument
  readonly members?: readonly MemberChange[]
  readonly precondition?: Precondition
}

/**
 * Creates a group with its members.
 * @returns its id
 * @throws AppError forbidden; invalidValue for a bad name, `unknownMember`; uniqueness for displayName and externalId
 */
export async function createGroup(
  work: GroupWork,
  document: GroupDocument,
  members: readonly MemberReference[] = []
): Promise<string> {
  requireGroupRights(work.actor)
  const id = uuidv7({ msecs: work.now.getTime() })
  const columns = { ...groupColumns(document), id, connection_id: work.actor.scim?.connectionId ?? null }
  const change: MemberChange = { kind: 'add', members }
  return inTransaction(work, async (trx, isNesting) => {
    const { tenantId, now } = work
    const [users] = await Promise.all([
      lockAddedUsers(trx, tenantId, members, work.ownScope),
      insertGroups(trx, tenantId, [columns], now)
    ])
    const cause = causeOf(work)
    const changed = await changeMembers(trx, scopeOf(work, id), [change], users, { isNesting, cause })
    const after = { displayName: document.displayName, ...(document.externalId && { externalId: document.externalId }) }
    await Promise.all([
      changed.added.count > 0 && countMemberChanges(tenantId, now, oneGroup(id, changed)).execute(trx),
      audit(trx, work, 'group.created', columns, { after: { ...after, ...auditedMembers(changed) } }, cause.eventId),
      countResources(tenantId, 'Group', 1).execute(trx)
    ])
    return id
  })
}

/**
 * Changes attributes and members of a group together.
 * @returns the version that clients see afterwards, where there was a precondition: only under the lock is it certain
 * @throws HeldBack; AppError not_found; forbidden, also `managedByConnection`; whatever the callbacks throw;
 *   invalidValue `unknownMember`, `groupCycle`; uniqueness
 */
export async function changeGroup(work: GroupWork, groupId: string, change: GroupChange): Promise<number | undefined> {
  requireGroupRights(work.actor)
  if (!isId(groupId)) throw notFound('Group')
  const isAlone = !work.groupRoles && !asksToStay(work, change)
  if (isAlone && (await translating(() => changeMembersAlone(work, groupId, change)))) return undefined
  const { areRolesChanged, version } = await inTransaction(work, async (trx, isNesting) => ({
    areRolesChanged: await changeLocked(trx, work, groupId, change, isNesting),
    version: change.precondition && (await getGroupVersion(trx, work.tenantId, groupId))
  }))
  forgetRoles(work, areRolesChanged)
  return version
}

/** Forgets what is remembered with sessions and tokens, where roles have changed. */
export function forgetRoles({ listener, tenantId }: GroupWork, areChanged: boolean): void {
  if (areChanged) forgetCredentials({ listener }, tenantId)
}

/**
 * Removes a group with its memberships, also from the groups that contained it.
 * @throws HeldBack; AppError not_found; forbidden, also `managedByConnection`; whatever the precondition throws
 */
export async function removeGroup(work: GroupWork, groupId: string, precondition?: Precondition): Promise<void> {
  requireGroupRights(work.actor)
  if (!isId(groupId)) throw notFound('Group')
  const areRolesChanged = await inTransaction(work, async (trx, isNesting) => {
    const { tenantId, now } = work
    const group = await lockGroup(trx, tenantId, groupId, 'for update', work.ownScope)
    if (!group) throw notFound('Group')
    const [version, isNested] = await Promise.all([
      getGroupVersion(trx, tenantId, groupId),
      hasEdges(trx, tenantId, groupId),
      isPerson(work) && requireOwnGroup(trx, group, `The group ${group.display_name}`, ['group'])
    ])
    precondition?.(version)
    if (isNested && !isNesting) throw new NestingNeeded()
    const cause = causeOf(work)
    const parentIds = isNested ? await isolateGroup(trx, tenantId, groupId, cause) : []
    const left = sql`select id as group_id, -1 as delta from unnest(${parentIds}::uuid[]) as id`
    await Promise.all([
      parentIds.length > 0 && countMemberChanges(tenantId, now, left).execute(trx),
      deleteGroup(trx, tenantId, groupId, cause),
      audit(trx, work, 'group.removed', group, { before: wholeGroup(group, version) }, cause.eventId),
      countResources(tenantId, 'Group', -1).execute(trx),
      countMembers({ trx, ...work }, 'removeGroup', { groupId, eventId: cause.eventId })
    ])
    if (!work.groupRoles) return false
    const people = peopleMovedBy(tenantId, groupId, cause.eventId)
    return (await followGroups({ trx, ...work }, group.display_name, people)).length > 0
  })
  forgetRoles(work, areRolesChanged)
}

/** @throws AppError forbidden `groupsNotAllowed` */
function requireGroupRights(actor: Actor): void {
  if (actor.scim || !isAbove('manager', actor.role)) return
  throw forbidden('Only administrators and managers may change groups', 'groupsNotAllowed')
}

/** Whether a connection that has changes held adds members: then none is held against those members any more. */
const asksToStay = ({ actor }: GroupWork, { members = [] }: GroupChange): boolean =>
  actor.scim?.hasHeld === true && members.some((change) => addedBy(change).length > 0)

/** Whether a person acts: a connection may change what another one owns, a person may not. */
const isPerson = ({ actor }: GroupWork): boolean => actor.scim === undefined

const scopeOf = ({ tenantId, ownScope }: GroupWork, groupId: string): GroupScope => ({
  tenantId,
  groupId,
  connectionId: ownScope
})

/**
 * Makes the usual changes in one statement: adding users, and taking one out.
 * @returns false where something else was asked for, or it cannot be done this way; nothing was changed then
 */
async function changeMembersAlone(work: GroupWork, groupId: string, change: GroupChange): Promise<boolean> {
  const { members = [], document, precondition } = change
  const [only, ...others] = members
  if (!only || others.length > 0 || document || precondition) return false
  // Citus would refuse to split the statement: its parts take permits and locks
  if (isCitus(work.db)) return false
  const scope = scopeOf(work, groupId)
  const by: Change = { actor: work.actor, now: work.now }
  if (only.kind === 'add') {
    const ids = sortedIds(only.members.map(({ value }) => value))
    const isPlain = ids.length > 0 && only.members.every(({ value, type }) => type !== 'Group' && isId(value))
    return isPlain && addUsers(work.db, scope, ids, by)
  }
  if (only.kind !== 'remove' || only.values.length !== 1 || !isId(only.values[0]!)) return false
  const [userId] = only.values as [string]
  if (await leaveTogether({ ...work, groupId, userId })) return true
  const outcome = await removeMember(work, scope, userId, by)
  if (outcome === 'noGroup') throw notFound('Group')
  return outcome === 'done'
}

/** @throws HeldBack */
async function removeMember({ db, actor }: GroupWork, scope: GroupScope, userId: string, by: Change) {
  const brake = brakeOf(actor)
  try {
    return await removeUser(db, scope, userId, by, brake)
  } catch (error) {
    const outcome = brakeOutcomeOf(error)
    if (outcome === undefined) throw error
    const held = { kind: 'leave', userIds: [userId], childIds: [], groupId: scope.groupId } as const
    throw new HeldBack(actor.name, brake!.limits, held, outcome)
  }
}

/** @returns whether anybody's role has changed */
async function changeLocked(
  trx: Trx,
  work: GroupWork,
  groupId: string,
  change: GroupChange,
  isNesting: boolean
): Promise<boolean> {
  const { document, members = [], precondition } = change
  const { tenantId, ownScope } = work
  const lock = members.length > 0 || precondition ? 'for update' : 'for no key update'
  const [users, group] = await Promise.all([
    lockAddedUsers(trx, tenantId, members.flatMap(addedBy), ownScope),
    lockGroup(trx, tenantId, groupId, lock, ownScope)
  ])
  if (!group) throw notFound('Group')
  if (precondition) precondition(await getGroupVersion(trx, tenantId, groupId))
  if (document) await changeDocument(trx, work, group, document)
  if (members.length === 0) return false
  const cause = causeOf(work)
  const changed = await changeMembers(trx, scopeOf(work, groupId), members, users, { isNesting, cause })
  // after the removal, since the ended memberships tell who owned them, however they were chosen
  if (isPerson(work) && changed.removed.count > 0) {
    await requireOwnMemberships(trx, tenantId, { groupId, eventId: cause.eventId })
  }
  const isChanged = changed.added.count + changed.removed.count > 0
  const areRolesChanged =
    isChanged && work.groupRoles && (await followMembers(trx, work, group, cause.eventId, changed))
  // also for those who are members already; before permits are taken, since the brake's row is locked before its slots
  if (asksToStay(work, change)) {
    const ids = sortedIds(members.flatMap(addedBy).map(({ value }) => value))
    await letMembersStay({ trx, ...work }, groupId, ids)
  }
  if (!isChanged) return false
  await Promise.all([
    countMemberChanges(tenantId, work.now, oneGroup(groupId, changed)).execute(trx),
    audit(trx, work, MEMBERS_CHANGED, group, { after: auditedMembers(changed) }, cause.eventId),
    changed.removed.count > 0 && countMembers({ trx, ...work }, 'leave', { groupId, eventId: cause.eventId })
  ])
  return areRolesChanged
}

/** Updates the roles of those who came and went. @returns whether any has changed */
async function followMembers(
  trx: Trx,
  work: GroupWork,
  group: Pick<GroupRow, 'id' | 'display_name'>,
  eventId: string,
  { added, removed }: MembersChanged
): Promise<boolean> {
  const ids = [...added.ids, ...removed.ids]
  // the log names only some of them where there are many: the memberships then tell whom the event has moved
  const isNamed = ids.length === added.count + removed.count
  const affected = isNamed ? peopleBelow(work.tenantId, ids) : peopleMovedBy(work.tenantId, group.id, eventId)
  return (await followGroups({ trx, ...work }, group.display_name, affected)).length > 0
}

async function changeMembers(
  trx: Trx,
  scope: GroupScope,
  changes: readonly MemberChange[],
  lockedUserIds: readonly string[],
  by: { isNesting: boolean; cause: MemberCause }
): Promise<MembersChanged> {
  const options = { connectionId: scope.connectionId, isNesting: by.isNesting }
  const resolved = await resolveMembers(trx, scope.tenantId, changes.flatMap(addedBy), lockedUserIds, options)
  return applyMemberChanges(trx, scope, changes, resolved, by)
}

async function changeDocument(
  trx: Trx,
  work: GroupWork,
  group: GroupRow,
  change: (before: GroupDocument) => GroupDocument
): Promise<void> {
  const before = JSON.parse(group.doc) as GroupDocument
  const after = change(before)
  if (isDeepStrictEqual(before, after)) return
  if (isPerson(work)) await requireOwnGroup(trx, group, 'The name of the group', ['displayName'])
  const columns = groupColumns(after)
  // an externalId belongs to a connection: a group without a connection goes to the one that sends it
  const connectionId = group.connection_id ?? (columns.external_id ? (work.actor.scim?.connectionId ?? null) : null)
  const kept_by = connectionId === null ? group.kept_by : null
  await updateGroup(trx, work.tenantId, group.id, { ...columns, connection_id: connectionId, kept_by }, work.now)
  const facts = changedFacts(before, after)
  const isTakenOn = connectionId !== group.connection_id
  await audit(
    trx,
    work,
    'group.updated',
    { ...columns, id: group.id },
    isTakenOn ? takenOn(facts, connectionId) : facts
  )
}

const takenOn = ({ before, after }: ChangedFacts, connectionId: string | null): ChangedFacts => ({
  before: { ...before, connectionId: null },
  after: { ...after, connectionId }
})

const causeOf = ({ actor, now }: GroupWork): MemberCause => ({
  eventId: newEventId(now),
  connectionId: connectionOf(actor)
})

const oneGroup = (groupId: string, { added, removed }: MembersChanged) =>
  sql`select ${groupId}::uuid as group_id, ${added.count - removed.count}::int as delta`

/** As db/group-members.ts audits it in SQL. */
const auditedMembers = ({ added, removed }: MembersChanged) => ({
  ...(added.count > 0 && { addedCount: added.count, added: added.ids }),
  ...(removed.count > 0 && { removedCount: removed.count, removed: removed.ids })
})

const audit = (
  trx: Trx,
  { tenantId, actor, now }: GroupWork,
  action: string,
  group: { id: string; display_name: string },
  facts: { before?: Record<string, unknown>; after?: Record<string, unknown> },
  id?: string
) =>
  insertAuditEvents(trx, tenantId, actor, now, [
    { id, action, targetType: 'group', targetId: group.id, targetName: group.display_name, ...facts }
  ])

/**
 * Runs `attempt` in a transaction. Where groups turn out to be among the members, runs it again under the lock for
 * nesting, which must be taken before the others.
 */
export async function inTransaction<T>(
  { db, tenantId, groupRoles }: GroupWork,
  attempt: (trx: Trx, isNesting: boolean) => Promise<T>
): Promise<T> {
  try {
    return await translating(() =>
      inTenant(db, tenantId, async (trx) => {
        if (groupRoles) await lockGroupRoles(trx, tenantId)
        return attempt(trx, false)
      })
    )
  } catch (error) {
    if (!(error instanceof NestingNeeded)) throw error
  }
  return translating(() =>
    inTenant(db, tenantId, async (trx) => {
      await lockNesting(trx, tenantId)
      if (groupRoles) await lockGroupRoles(trx, tenantId)
      return attempt(trx, true)
    })
  )
}

async function translating<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await retryRaces(work)
  } catch (error) {
    throw translated(error)
  }
}

/** Turns a violated constraint into the error of the rule that it enforces. */
function translated(error: unknown): unknown {
  switch (violatedConstraint(error)) {
    case 'groups_display_name_key':
      return uniqueness('displayName', error)
    case 'groups_external_id_key':
      return uniqueness('externalId', error)
    case 'group_members_user_fkey':
    case 'group_children_child_fkey':
      return new AppError('invalid', 'A member was removed meanwhile', {
        scimType: 'invalidValue',
        reason: 'unknownMember',
        cause: error
      })
    case 'group_members_group_fkey':
    case 'group_children_group_fkey':
    case 'group_revisions_group_fkey':
      return notFound('Group')
    default:
      return error
  }
}
