// The members of a group: what a change may name, and the order of its steps. Nothing here reads a member list.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../../db/connect.ts'
import { deleteChildren, findCycles, findGroupIds, hasChildren, insertChildren } from '../../db/group-children.ts'
import {
  type Changed,
  deleteMembers,
  type GroupScope,
  insertMembers,
  lockUsersShared,
  MAX_AUDITED_IDS
} from '../../db/group-members.ts'
import { isId } from '../../db/ids.ts'
import type { MemberCause } from '../../db/past-members.ts'
import { AppError } from '../errors.ts'

export interface MemberReference {
  /** The id of a user or a group. */
  readonly value: string
  /** What it must be, where the client says so. */
  readonly type?: 'User' | 'Group'
}

/**
 * One change to a group's members. Adding a member again, and removing somebody who is none, succeed. `removeWhere`:
 * `chosen` selects the members' ids as `id uuid`, from any tables.
 */
export type MemberChange =
  | { readonly kind: 'add'; readonly members: readonly MemberReference[] }
  | { readonly kind: 'remove'; readonly values: readonly string[] }
  | { readonly kind: 'removeWhere'; readonly chosen: RawBuilder<unknown> }
  | { readonly kind: 'replace'; readonly members: readonly MemberReference[] }
  | { readonly kind: 'clear' }

/** Groups are among the members: the transaction must start again under the lock for nesting. */
export class NestingNeeded extends Error {}

/** The valid ids, each once, in the order in which rows are locked; anything else names nobody. */
export const sortedIds = (values: Iterable<string>): string[] => [...new Set(values)].filter(isId).sort()

/** The references that a change adds. */
export const addedBy = (change: MemberChange): readonly MemberReference[] =>
  change.kind === 'add' || change.kind === 'replace' ? change.members : []

/** The added references, split into users and groups. */
interface Resolved {
  readonly users: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
}

/**
 * Locks the added users before the group is locked: whoever removes a user locks the user first and then the groups.
 */
export const lockAddedUsers = (
  trx: Trx,
  tenantId: number,
  references: readonly MemberReference[],
  connectionId: string | undefined
): Promise<string[]> => {
  const ids = sortedIds(references.flatMap(({ value, type }) => (type === 'Group' ? [] : [value])))
  return ids.length > 0 ? lockUsersShared(trx, tenantId, ids, connectionId) : Promise.resolve([])
}

/**
 * Splits references into users and groups.
 * @param lockedUserIds what lockAddedUsers returned for the same references
 * @throws AppError invalidValue `unknownMember` naming up to five that are neither; NestingNeeded
 */
export async function resolveMembers(
  trx: Trx,
  tenantId: number,
  references: readonly MemberReference[],
  lockedUserIds: readonly string[],
  options: { connectionId: string | undefined; isNesting: boolean }
): Promise<Resolved> {
  const users = new Set(lockedUserIds)
  const others = references.filter(({ value }) => !users.has(value))
  if (others.length === 0) return { users, groups: new Set() }
  const candidates = sortedIds(others.flatMap(({ value, type }) => (type === 'User' ? [] : [value])))
  const found = candidates.length > 0 ? await findGroupIds(trx, tenantId, candidates, options.connectionId) : []
  const groups = new Set(found)
  const unknown = others.filter(({ value }) => !groups.has(value)).map(({ value }) => value)
  if (unknown.length > 0) throw unknownMembers([...new Set(unknown)])
  if (!options.isNesting) throw new NestingNeeded()
  return { users, groups }
}

const NAMED = 5

function unknownMembers(ids: readonly string[]): AppError {
  const named = ids.slice(0, NAMED).map((id) => JSON.stringify(id.slice(0, 100)))
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : ''
  return new AppError('invalid', `There is no user or group that could be a member: ${named.join(', ')}${more}`, {
    scimType: 'invalidValue',
    reason: 'unknownMember',
    data: { unknownIds: ids.slice(0, NAMED) }
  })
}

/** Who was added and who was removed. */
export interface MembersChanged {
  readonly added: Changed
  readonly removed: Changed
}

/**
 * Carries changes out in order, on a group whose row is locked `for update` (or was made by this transaction).
 * @throws AppError invalidValue `groupCycle`; NestingNeeded
 */
export async function applyMemberChanges(
  trx: Trx,
  scope: GroupScope,
  changes: readonly MemberChange[],
  resolved: Resolved,
  { isNesting, cause }: { isNesting: boolean; cause: MemberCause }
): Promise<MembersChanged> {
  if (!isNesting && changes.some(({ kind }) => kind !== 'add') && (await hasChildren(trx, scope))) {
    throw new NestingNeeded()
  }
  const outcome = { added: NONE, removed: NONE }
  for (const change of changes) {
    const members = splitResolved(addedBy(change), resolved)
    // sent together; they run in this order
    const [usersLeft, groupsLeft, usersJoined] = await Promise.all([
      takeUsersOut(trx, scope, change, members.users, cause),
      isNesting ? takeGroupsOut(trx, scope, change, members.groups, cause) : NONE,
      members.users.length > 0 ? insertMembers(trx, scope, members.users, cause) : NONE
    ])
    const groupsJoined = members.groups.length > 0 ? await nestGroups(trx, scope, members.groups, cause) : NONE
    outcome.removed = sum(outcome.removed, usersLeft, groupsLeft)
    outcome.added = sum(outcome.added, usersJoined, groupsJoined)
  }
  return outcome
}

const NONE: Changed = { count: 0, ids: [] }

const sum = (...parts: readonly Changed[]): Changed => ({
  count: parts.reduce((total, { count }) => total + count, 0),
  ids: parts.flatMap(({ ids }) => ids).slice(0, MAX_AUDITED_IDS)
})

const splitResolved = (references: readonly MemberReference[], { users, groups }: Resolved) => {
  const ids = sortedIds(references.map(({ value }) => value))
  return { users: ids.filter((id) => users.has(id)), groups: ids.filter((id) => groups.has(id)) }
}

type TakeOut = (
  trx: Trx,
  scope: GroupScope,
  change: MemberChange,
  kept: readonly string[],
  cause: MemberCause
) => Promise<Changed>

const takeUsersOut: TakeOut = async (trx, scope, change, kept, cause) => {
  const chosen = leaving(change, sql`group_members.user_id`, kept)
  return chosen ? deleteMembers(trx, scope, chosen, cause) : NONE
}

const takeGroupsOut: TakeOut = async (trx, scope, change, kept, cause) => {
  const chosen = leaving(change, sql`group_children.child_id`, kept)
  return chosen ? deleteChildren(trx, scope, chosen, cause) : NONE
}

/** The condition on the members that a change takes out; undefined where it takes none. */
function leaving(
  change: MemberChange,
  id: RawBuilder<unknown>,
  kept: readonly string[]
): RawBuilder<unknown> | undefined {
  switch (change.kind) {
    case 'add':
      return undefined
    case 'remove':
      return sql`${id} = any(${sortedIds(change.values)}::uuid[])`
    case 'removeWhere':
      return sql`${id} in (select chosen.id from (${change.chosen}) as chosen)`
    case 'replace':
      return sql`${id} <> all(${kept}::uuid[])`
    case 'clear':
      return sql`true`
  }
}

async function nestGroups(
  trx: Trx,
  scope: GroupScope,
  childIds: readonly string[],
  cause: MemberCause
): Promise<Changed> {
  const [cycle] = await findCycles(trx, scope, childIds)
  if (!cycle) return insertChildren(trx, scope, childIds, cause)
  const detail =
    cycle.id === scope.groupId
      ? 'A group cannot be a member of itself'
      : `The group "${cycle.display_name}" (${cycle.id}) contains this group, so it cannot be a member of it`
  throw new AppError('invalid', detail, {
    scimType: 'invalidValue',
    reason: 'groupCycle',
    data: { groupId: cycle.id }
  })
}
