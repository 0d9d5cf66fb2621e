// Undoes changes of memberships; they come back with the owner that they had. Up to some hundreds in one transaction,
// with a fixed number of statements.
import type { Trx } from '../../../db/connect.ts'
import { lockNesting } from '../../../db/group-children.ts'
import { lockUsersShared } from '../../../db/group-members.ts'
import { lockGroupRoles } from '../../../db/group-roles.ts'
import { type Pair, type Period, readPeriods, readTakenBack, selectEventsById } from '../../../db/history.ts'
import type { GroupRow } from '../../../db/schema.ts'
import { findCircles, lockGroups, rebuildNesting } from '../../../db/undo-groups.ts'
import { findUserNames } from '../../../db/users.ts'
import { shownName } from '../user-document.ts'
import { type MemberChange, writeMemberChanges } from './member-changes.ts'
import { type Link, reverse } from './reverse.ts'
import { followRoles } from './roles.ts'
import { type Conflict, type ConflictReason, conflictOf, type UndoItem, type UndoRun, undoFacts } from './run.ts'

/** What becomes of a membership. */
interface Plan extends MemberChange {
  readonly from: Period | undefined
  readonly to: Period | undefined
  readonly undone: readonly string[]
  readonly blockedBy: string | undefined
  readonly isWanted: boolean | undefined
  refusal?: ConflictReason
}

/** For users as members. @param pairs by group and member */
export async function undoMemberships(
  trx: Trx,
  run: UndoRun,
  pairs: readonly Pair[],
  refusal?: ConflictReason
): Promise<UndoItem[]> {
  await lockGroupRoles(trx, run.tenantId)
  const userIds = idsOf(pairs, 'member_id')
  const present = new Set(await lockUsersShared(trx, run.tenantId, userIds, undefined))
  const groups = await lockGroups(trx, run.tenantId, idsOf(pairs, 'group_id'))
  const plans = await plan(trx, run, 'users', pairs, groups)
  for (const item of plans) if (item.to && !present.has(item.pair.member_id)) item.refusal ??= 'userRemoved'
  for (const item of plans) item.refusal ??= refusal
  await write(trx, run, 'users', plans, groups)
  const changed = plans.filter(isChanged).map(({ pair }) => pair.member_id)
  if (changed.length > 0) await followRoles(trx, run, changed)
  const names = new Map((await findUserNames(trx, run.tenantId, userIds)).map((user) => [user.id, shownName(user)]))
  return toItems(trx, run, plans, names, groups)
}

/** For groups as members; takes the lock for nesting. @param pairs by group and member */
export async function undoNesting(
  trx: Trx,
  run: UndoRun,
  pairs: readonly Pair[],
  refusal?: ConflictReason
): Promise<UndoItem[]> {
  const { tenantId } = run
  await lockNesting(trx, tenantId)
  await lockGroupRoles(trx, tenantId)
  const groups = await lockGroups(trx, tenantId, [
    ...new Set([...idsOf(pairs, 'group_id'), ...idsOf(pairs, 'member_id')])
  ])
  const plans = await plan(trx, run, 'groups', pairs, groups)
  const present = new Set(groups.map(({ id }) => id))
  for (const item of plans) if (item.to && !present.has(item.pair.member_id)) item.refusal ??= 'groupRemoved'
  for (const item of plans) item.refusal ??= refusal
  const added = plans.filter(isChanged).filter(({ from, to }) => to && !from)
  const circles = await findCircles(
    trx,
    tenantId,
    added.map(({ pair }) => pair)
  )
  const keys = new Set(circles.map(keyOf))
  for (const item of added) if (keys.has(keyOf(item.pair))) item.refusal = 'groupCycle'
  await write(trx, run, 'groups', plans, groups)
  if (plans.some(isChanged)) {
    await rebuildNesting(trx, tenantId)
    await followRoles(trx, run)
  }
  const names = new Map(groups.map(({ id, display_name }) => [id, display_name]))
  return toItems(trx, run, plans, names, groups)
}

const idsOf = (pairs: readonly Pair[], name: keyof Pair): string[] =>
  [...new Set(pairs.map((pair) => pair[name]))].sort()

const keyOf = ({ group_id, member_id }: Pair) => `${group_id} ${member_id}`

async function plan(
  trx: Trx,
  run: UndoRun,
  kind: 'users' | 'groups',
  pairs: readonly Pair[],
  groups: readonly GroupRow[]
): Promise<Plan[]> {
  const found = await readPeriods(trx, run.tenantId, kind, pairs)
  const takenBack = await readTakenBack(trx, run.tenantId, [...new Set(found.flatMap(eventsOf))])
  const periods = Map.groupBy(found, keyOf)
  const present = new Set(groups.map(({ id }) => id))
  return pairs.map((pair) => {
    const own = periods.get(keyOf(pair)) ?? []
    const from = own.find(({ removed_event_id }) => removed_event_id === null)
    const { value, undone, conflict } = reverse(from, linksOf(run, own, takenBack), isSame)
    const item: Plan = {
      pair,
      from,
      to: value,
      undone,
      blockedBy: conflict?.blockedBy,
      // no conflict where somebody else has brought the membership back, whoever owns it
      isWanted: conflict && Boolean(conflict.wanted) !== Boolean(value) ? Boolean(conflict.wanted) : undefined
    }
    if (value && !present.has(pair.group_id)) item.refusal = 'groupRemoved'
    return item
  })
}

const eventsOf = ({ added_event_id, removed_event_id }: Period) =>
  [added_event_id, removed_event_id].filter((id) => id !== null)

/** Equal memberships have the same owner, so one that was given back equals the one that was lost. */
const isSame = (a: Period | undefined, b: Period | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.connection_id === b.connection_id)

/** How a membership came and went, oldest first. */
function linksOf(
  run: UndoRun,
  periods: readonly Period[],
  takenBack: ReadonlyMap<string, ReadonlySet<string>>
): Link<Period | undefined>[] {
  const links: Link<Period | undefined>[] = []
  for (const period of periods) {
    const { added_event_id, removed_event_id } = period
    if (added_event_id) {
      links.push({
        eventId: added_event_id,
        isUndone: run.isUndone(added_event_id),
        before: undefined,
        after: period,
        takesBack: takenBack.get(added_event_id)
      })
    }
    if (removed_event_id) {
      links.push({
        eventId: removed_event_id,
        isUndone: run.isUndone(removed_event_id),
        before: period,
        after: undefined,
        takesBack: takenBack.get(removed_event_id)
      })
    }
  }
  return links
}

/** True also where an existing membership changes its owner. */
const isChanged = ({ from, to, refusal }: Plan): boolean => refusal === undefined && !isSame(from, to)

async function write(
  trx: Trx,
  run: UndoRun,
  kind: 'users' | 'groups',
  plans: readonly Plan[],
  groups: readonly GroupRow[]
): Promise<void> {
  await writeMemberChanges(trx, run, kind, plans.filter(isChanged), groups, (own) =>
    undoFacts(run, {
      undone: new Map(own.map(({ pair, undone }) => [pair.member_id, [...undone]])),
      kept: new Map()
    })
  )
}

async function toItems(
  trx: Trx,
  run: UndoRun,
  plans: readonly Plan[],
  memberNames: ReadonlyMap<string, string>,
  groups: readonly GroupRow[]
): Promise<UndoItem[]> {
  const groupNames = new Map(groups.map(({ id, display_name }) => [id, display_name]))
  const blocking = plans.flatMap(({ isWanted, blockedBy }) => (isWanted !== undefined && blockedBy ? [blockedBy] : []))
  const events = new Map(
    (blocking.length > 0 ? await selectEventsById(trx, run.tenantId, [...new Set(blocking)]) : []).map((event) => [
      event.id,
      event
    ])
  )
  return plans.flatMap((item) => {
    const { pair, from, to, refusal, isWanted, blockedBy } = item
    const conflicts: Conflict[] = []
    if (refusal && from !== to) conflicts.push(conflictOf('membership', refusal, Boolean(to)))
    if (isWanted !== undefined && !refusal) {
      conflicts.push(conflictOf('membership', 'changedSince', isWanted, events.get(blockedBy ?? '')))
    }
    const changes = isChanged(item) ? [{ attribute: 'membership', from: Boolean(from), to: Boolean(to) }] : []
    if (changes.length + conflicts.length === 0) return []
    return {
      kind: 'membership' as const,
      id: pair.member_id,
      name: memberNames.get(pair.member_id) ?? null,
      group: { id: pair.group_id, name: groupNames.get(pair.group_id) ?? null },
      changes,
      conflicts
    }
  })
}
