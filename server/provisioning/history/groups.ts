// Undoes changes to groups, except to their members: up to some hundreds in one transaction, with a fixed number of
// statements. Groups that have to go are removed last, after everything else.
import { type AuditEvent, insertAuditEvents, newEventId } from '../../../db/audit.ts'
import type { Trx } from '../../../db/connect.ts'
import { lockNesting } from '../../../db/group-children.ts'
import { lockGroupRoles } from '../../../db/group-roles.ts'
import { addToMemberCounts } from '../../../db/groups.ts'
import { type HistoryEvent, readMembershipEvents, readTargetEvents } from '../../../db/history.ts'
import { countResources } from '../../../db/resource-counts.ts'
import type { GroupRow } from '../../../db/schema.ts'
import {
  type ChangedGroup,
  findTakenGroupNames,
  lockGroups,
  parkGroupNames,
  readGroupVersions,
  removeGroups,
  restoreGroups,
  updateGroups
} from '../../../db/undo-groups.ts'
import { GROUP_SCHEMA, type GroupDocument, groupColumns, wholeGroup } from '../group-document.ts'
import { refuseGoneConnections } from './connections.ts'
import { type Facts, factsOfEvent, factsOfGroup, withFacts } from './facts.ts'
import { followRoles } from './roles.ts'
import {
  type ConflictReason,
  changedNames,
  changesOf,
  eventFacts,
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

/** What becomes of a group. */
interface Plan {
  readonly id: string
  /** Undefined for a removed group. */
  readonly row: GroupRow | undefined
  /** For a removed group: its removal, which tells what it was. */
  readonly removal: HistoryEvent | undefined
  readonly reversed: Reversed
}

interface GroupsUndone {
  readonly items: UndoItem[]
  /** The groups that have to go. */
  readonly leavingIds: string[]
}

/** Restores groups and changes their attributes; those that have to go are left to undoGroupCreations. */
export async function undoGroups(
  trx: Trx,
  run: UndoRun,
  groupIds: readonly string[],
  refusal?: ConflictReason
): Promise<GroupsUndone> {
  await lockGroupRoles(trx, run.tenantId)
  const plans = await planGroups(trx, run, groupIds)
  if (refusal) refuseEach(plans, refusal)
  const leavingIds = plans.filter(isLeaving).map(({ id }) => id)
  const staying = plans.filter((plan) => !isLeaving(plan))
  await refuseGoneConnections(
    trx,
    run,
    staying.map(({ reversed }) => reversed)
  )
  await refuseTaken(trx, run, staying)
  const changed = staying.filter(isChanged)
  if (changed.length > 0) {
    await write(trx, run, changed)
    // the highest role of a group's connection limits the role that the group gives
    if (changed.some(({ reversed }) => changedNames(reversed).includes('connectionId'))) await followRoles(trx, run)
  }
  return { items: toItems(staying), leavingIds }
}

/** Removes the groups whose creation is undone, with their members; in one transaction, under `lockNesting`. */
export async function undoGroupCreations(
  trx: Trx,
  run: UndoRun,
  groupIds: readonly string[],
  refusal?: ConflictReason
): Promise<UndoItem[]> {
  await lockNesting(trx, run.tenantId)
  await lockGroupRoles(trx, run.tenantId)
  const plans = (await planGroups(trx, run, groupIds)).filter(isLeaving)
  if (refusal) refuseEach(plans, refusal)
  if (plans.length === 0 || refusal) return toItems(plans)
  const versions = await readGroupVersions(trx, run.tenantId, groupIds)
  const rows = plans.map(({ id, row }) => ({ ...row!, version: versions.get(id)! }))
  const plansById = new Map(plans.map((plan) => [plan.id, plan]))
  await takeGroupsAway(trx, run, rows, ({ id }, memberships) =>
    undoFacts(run, plansById.get(id)!.reversed, memberships.filter(run.isUndone))
  )
  await followRoles(trx, run)
  return toItems(plans)
}

/**
 * Removes locked groups, under `lockNesting`, with everything that follows except the roles that they gave.
 * @param groups with the versions that clients see
 * @param tell what a group's event says in `after`; `memberships` are the events of the memberships that ended with it
 */
export async function takeGroupsAway(
  trx: Trx,
  { tenantId, actor, now }: FactsRun,
  groups: readonly GroupRow[],
  tell?: (group: GroupRow, memberships: readonly string[]) => Record<string, unknown>
): Promise<void> {
  const at = now()
  const removals = groups.map(({ id }) => ({ id, eventId: newEventId(at) }))
  const containers = await removeGroups(trx, tenantId, removals)
  const ids = groups.map(({ id }) => id)
  const memberships = tell ? await readMembershipEvents(trx, tenantId, ids) : new Map<string, string[]>()
  const lost = containers.map(({ group_id, count }) => ({ group_id, delta: -count }))
  await addToMemberCounts(trx, tenantId, at, lost)
  const events = groups.map(
    (group, index): AuditEvent => ({
      id: removals[index]!.eventId,
      action: 'group.removed',
      targetType: 'group',
      targetId: group.id,
      targetName: group.display_name,
      before: wholeGroup(group, group.version),
      ...(tell && { after: tell(group, memberships.get(group.id) ?? []) })
    })
  )
  await insertAuditEvents(trx, tenantId, actor, at, events)
  await countResources(tenantId, 'Group', -groups.length).execute(trx)
}

const isLeaving = ({ row, reversed }: Plan) => row !== undefined && reversed.after.get('exists') === false

async function planGroups(trx: Trx, run: UndoRun, groupIds: readonly string[]): Promise<Plan[]> {
  const rows = new Map((await lockGroups(trx, run.tenantId, groupIds)).map((row) => [row.id, row]))
  const events = await readTargetEvents(trx, run.tenantId, groupIds, run.fromId)
  return groupIds.map((id) => {
    const own = events.get(id) ?? []
    const row = rows.get(id)
    const removal = row ? undefined : own.findLast(({ action }) => action === 'group.removed')
    const reversed = reverseFacts(run, row ? factsOfGroup(row) : factsOfRemoved(removal), own)
    if (!row && reversed.after.get('exists') !== true) refuse(reversed, changedNames(reversed), 'groupRemoved')
    return { id, row, removal, reversed }
  })
}

/** Without a removal event nothing is known of the group, and it stays removed. */
function factsOfRemoved(removal: HistoryEvent | undefined): Facts {
  const facts: Facts = removal ? new Map(factsOfEvent(removal).before) : new Map()
  return facts.set('exists', false)
}

const NAMES = ['displayName', 'externalId', 'connectionId']

async function refuseTaken(trx: Trx, run: UndoRun, plans: readonly Plan[]): Promise<void> {
  const wanted = new Map(
    plans
      .filter(({ reversed }) => changedNames(reversed).some((name) => NAMES.includes(name) || name === 'exists'))
      .filter(({ reversed }) => reversed.after.get('exists') === true)
      .map((plan) => [plan.id, { plan, columns: columnsOf(plan) }])
  )
  if (wanted.size === 0) return
  const taken = await findTakenGroupNames(
    trx,
    run.tenantId,
    [...wanted.values()].map(({ columns }) => columns)
  )
  for (const { id, what, holder_id } of taken) {
    const holder = wanted.get(holder_id)
    const key = what === 'groupName' ? 'display_name_key' : 'external_id'
    // the holder gives it up in the same step
    if (holder?.plan.row && holder.columns[key] !== holder.plan.row[key]) continue
    const { plan } = wanted.get(id)!
    refuse(plan.reversed, plan.row ? NAMES : changedNames(plan.reversed), `${what}Taken`)
    wanted.delete(id)
  }
}

function columnsOf({ id, row, removal, reversed }: Plan): ChangedGroup {
  const { after } = reversed
  const before = row
    ? (JSON.parse(row.doc) as GroupDocument)
    : ({ schemas: [GROUP_SCHEMA] } as unknown as GroupDocument)
  const document = withFacts(
    before,
    (row ? changedNames(reversed) : [...after.keys()]).map((name) => [name, after.get(name)] as [string, unknown])
  )
  const told = removal?.before ? (JSON.parse(removal.before) as { version?: number; createdAt?: string }) : {}
  return {
    ...groupColumns(document),
    id,
    connection_id: (after.get('connectionId') as string | undefined) ?? null,
    version: (told.version ?? 1) + 1,
    created_at: row?.created_at ?? new Date(told.createdAt ?? removal!.at)
  }
}

async function write(trx: Trx, run: UndoRun, plans: readonly Plan[]): Promise<void> {
  const { tenantId, actor } = run
  const now = run.now()
  const restored = plans.filter(({ row }) => !row).map(columnsOf)
  const kept = plans.filter(({ row }) => row)
  const renamed = kept.filter(({ reversed }) => changedNames(reversed).some((name) => NAMES.includes(name)))
  if (renamed.length > 0 && kept.length + restored.length > 1) {
    await parkGroupNames(
      trx,
      tenantId,
      renamed.map(({ id }) => id)
    )
  }
  if (kept.length > 0) await updateGroups(trx, tenantId, kept.map(columnsOf), now)
  if (restored.length > 0) await restoreGroups(trx, tenantId, restored, now)
  const events = plans.map((plan): AuditEvent => {
    const facts = eventFacts(plan.reversed)
    return {
      action: plan.row ? 'group.updated' : 'group.restored',
      targetType: 'group',
      targetId: plan.id,
      targetName: plan.reversed.after.get('displayName') as string,
      before: facts.before,
      after: { ...facts.after, ...undoFacts(run, plan.reversed) }
    }
  })
  await insertAuditEvents(trx, tenantId, actor, now, events)
  if (restored.length > 0) await countResources(tenantId, 'Group', restored.length).execute(trx)
}

const toItems = (plans: readonly Plan[]): UndoItem[] =>
  plans.filter(isTold).map(({ id, row, reversed }) => ({
    kind: 'group',
    id,
    name: row?.display_name ?? (reversed.after.get('displayName') as string | undefined) ?? null,
    changes: changesOf(reversed),
    conflicts: reversed.conflicts
  }))
