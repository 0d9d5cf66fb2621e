// Undo: one change, one user or group back to a moment, or all that a SCIM connection did since a moment. An undo is
// itself a change, recorded in events like any other, and can be undone.
//
// It runs in pieces, each a transaction of its own with the locks in the usual order: groups that come back, users,
// memberships, groups that go. Each piece reads what it changes under its locks, so that no concurrent change is lost:
// what others have changed is refused, item by item. To finish an undo that was cut off, ask for it again.

import { insertAuditEvents, newEventId } from '../../../db/audit.ts'
import { firstIdAt } from '../../../db/audit-log.ts'
import { type Db, inTenant, type Trx } from '../../../db/connect.ts'
import { violatedConstraint } from '../../../db/failures.ts'
import {
  type HistoryEvent,
  type PairSelection,
  readLostMemberships,
  selectEvents,
  selectPairEvents,
  selectPairs
} from '../../../db/history.ts'
import { retryRaces } from '../../../db/races.ts'
import { inSandbox, SandboxEnded } from '../../../db/sandbox.ts'
import type { Deps } from '../../deps.ts'
import { AppError, conflict, invalid, notFound, unavailable } from '../../errors.ts'
import { type Actor, requireAdministrator } from '../actor.ts'
import { forgetCredentials } from '../forgetting.ts'
import { isUndoable, UNDONE } from './facts.ts'
import { undoGroupCreations, undoGroups } from './groups.ts'
import { requireConnection, requireKnown } from './known.ts'
import { undoMemberships, undoNesting } from './members.ts'
import { roleRefusal } from './roles.ts'
import type { ConflictReason, UndoItem, UndoRun } from './run.ts'
import { undoUsers } from './users.ts'

export type UndoScope =
  | { readonly eventId: string }
  /** Back to what it was just before that moment. */
  | { readonly userId: string; readonly at: Date }
  | { readonly groupId: string; readonly at: Date }
  | { readonly connectionId: string; readonly since: Date }

export interface UndoReport {
  /** The event that sums the undo up, by which it can be undone; null where nothing was changed. */
  readonly undoId: string | null
  readonly counts: UndoCounts
  /** Items with a refusal come first. */
  readonly items: readonly UndoItem[]
}

interface UndoCounts {
  /** Changes that were to be undone. */
  readonly events: number
  /** What is changed. */
  readonly users: number
  readonly groups: number
  readonly memberships: number
  /** Users, groups and memberships with something refused. */
  readonly refused: number
}

type UndoDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** The limit for one undo; beyond it, choose a later moment. */
const MAX_EVENTS = 100_000
/** Users, groups or memberships per transaction. */
const CHUNK = 500
const PREVIEW_MS = 20_000
const PREVIEW_ATTEMPTS = 4

/**
 * Undoes what can be undone, and reports what prevents the rest.
 * @throws AppError forbidden `administratorOnly`; not_found; conflict `notUndoable` for an event that changed no user
 *   and no group; invalid `tooManyChanges`
 */
export async function undo(deps: UndoDeps, tenantId: number, actor: Actor, scope: UndoScope): Promise<UndoReport> {
  requireAdministrator(actor, 'undo changes')
  const report = await undoScope(deps.db, deps.now, tenantId, actor, scope)
  if (report.undoId) forgetCredentials(deps, tenantId)
  return report
}

/**
 * What `undo` would do and refuse just now: runs it, and rolls it back.
 * @throws AppError as `undo`; too_large where that takes too long; unavailable while others hold the rows to change
 */
export async function previewUndo(
  deps: UndoDeps,
  tenantId: number,
  actor: Actor,
  scope: UndoScope
): Promise<UndoReport> {
  requireAdministrator(actor, 'undo changes')
  for (let attempt = 1; ; attempt++) {
    try {
      const report = await inSandbox(deps.db, { timeMs: PREVIEW_MS }, (db) =>
        undoScope(db, deps.now, tenantId, actor, scope)
      )
      // the event that sums it up is rolled back with the rest
      return { ...report, undoId: null }
    } catch (error) {
      if (!(error instanceof SandboxEnded)) throw error
      if (error.reason !== 'lock') {
        throw new AppError('too_large', 'This is too much for a preview: choose a later moment', { cause: error })
      }
      if (attempt === PREVIEW_ATTEMPTS) throw unavailable('Somebody is changing the same just now: try again', error)
    }
  }
}

interface Selected {
  readonly events: readonly HistoryEvent[]
  /** How many changes are undone, including those whose events are about something else than was asked for. */
  readonly count: number
  readonly fromId: string
  readonly isUndone: (eventId: string) => boolean
  readonly pairs: PairSelection
}

async function undoScope(
  db: Db,
  now: () => Date,
  tenantId: number,
  actor: Actor,
  scope: UndoScope
): Promise<UndoReport> {
  const id = newEventId(now())
  const { events, count, pairs, ...selected } = await select(db, tenantId, scope, id)
  const run: UndoRun = { db, tenantId, actor, now, id, ...selected }
  const [users, groups] = await Promise.all([
    selectPairs(db, tenantId, 'users', pairs),
    selectPairs(db, tenantId, 'groups', pairs)
  ])
  const targets = (type: string) => [
    ...new Set(events.filter(({ target_type }) => target_type === type).map(({ target_id }) => target_id!))
  ]
  const items: UndoItem[] = []
  const leaving = new Set<string>()
  const collect = (undone: readonly UndoItem[]) => void items.push(...undone)
  const collectGroups = (undone: Awaited<ReturnType<typeof undoGroups>>) => {
    collect(undone.items)
    for (const groupId of undone.leavingIds) leaving.add(groupId)
  }
  const stays = ({ group_id, member_id }: { group_id: string; member_id: string }) =>
    !leaving.has(group_id) && !leaving.has(member_id)
  try {
    await inChunks(run, targets('group').sort(), undoGroups, collectGroups)
    await inChunks(run, targets('user').sort(), undoUsers, collect)
    await inChunks(run, users.filter(stays), undoMemberships, collect)
    await inChunks(run, groups.filter(stays), undoNesting, collect)
    await inChunks(run, [...leaving].sort(), undoGroupCreations, collect)
    items.push(...(await lostMemberships(run, items)))
  } catch (error) {
    // what is done can be undone, even where the rest was cut off
    if (isChange(countsOf(items, 0))) await sumUp(run, scope, events, countsOf(items, count)).catch(() => {})
    throw error
  }
  const counts = countsOf(items, count)
  const isChanged = isChange(counts)
  if (isChanged) await sumUp(run, scope, events, counts)
  const isRefused = ({ conflicts }: UndoItem) => conflicts.length > 0
  return {
    undoId: isChanged ? id : null,
    counts,
    items: [...items.filter(isRefused), ...items.filter((item) => !isRefused(item))]
  }
}

/** The memberships that ended because their user or group was removed. */
async function lostMemberships({ db, tenantId, id }: UndoRun, items: readonly UndoItem[]): Promise<UndoItem[]> {
  const idsOf = (kind: UndoItem['kind'], attribute: string, to: unknown) =>
    items
      .filter((item) => item.kind === kind && item.changes.some((one) => one.attribute === attribute && one.to === to))
      .map((item) => item.id)
  const gone = { userIds: idsOf('user', 'state', 'removed'), groupIds: idsOf('group', 'exists', false) }
  if (gone.userIds.length + gone.groupIds.length === 0) return []
  const lost = await readLostMemberships(db, tenantId, id, gone)
  return lost.map(({ group_id, member_id, group_name, member_name }) => ({
    kind: 'membership',
    id: member_id,
    name: member_name,
    group: { id: group_id, name: group_name },
    changes: [{ attribute: 'membership', from: true, to: false }],
    conflicts: []
  }))
}

async function select(db: Db, tenantId: number, scope: UndoScope, undoId: string): Promise<Selected> {
  if ('connectionId' in scope) await requireConnection(db, tenantId, scope.connectionId)
  if ('userId' in scope) return selectSince(db, tenantId, 'User', scope.userId, scope.at, undoId)
  if ('groupId' in scope) return selectSince(db, tenantId, 'Group', scope.groupId, scope.at, undoId)
  const found =
    'eventId' in scope
      ? await selectOne(db, tenantId, scope.eventId)
      : await selectEvents(db, tenantId, { connectionId: scope.connectionId, from: scope.since }, MAX_EVENTS + 1)
  requireFew(found)
  const events = found.filter((event) => isUndoable(event) && event.action !== UNDONE)
  const ids = new Set(events.map(({ id }) => id))
  const targetsOf = (chosen: (event: HistoryEvent) => boolean) => [
    ...new Set(events.filter(chosen).map(({ target_id }) => target_id!))
  ]
  return {
    events,
    count: events.length,
    fromId: events[0]?.id ?? undoId,
    isUndone: (eventId) => ids.has(eventId),
    pairs: {
      eventIds: [...ids],
      groupIds: targetsOf(({ target_type }) => target_type === 'group'),
      memberIds: targetsOf(({ action }) => action === 'user.removed' || action === 'group.removed')
    }
  }
}

async function selectOne(db: Db, tenantId: number, eventId: string): Promise<HistoryEvent[]> {
  const [event] = await selectEvents(db, tenantId, { eventId }, 1)
  if (!event) throw notFound(`Event ${eventId}`)
  if (!isUndoable(event)) throw conflict('This event changed nothing that could be undone', 'notUndoable')
  if (event.action !== UNDONE) return [event]
  return selectEvents(db, tenantId, { undoId: event.id, to: event.at }, MAX_EVENTS + 1)
}

/** All that happened to a user or a group from a moment on, whoever did it. */
async function selectSince(
  db: Db,
  tenantId: number,
  what: 'User' | 'Group',
  id: string,
  at: Date,
  undoId: string
): Promise<Selected> {
  const fromId = firstIdAt(at)
  const pairs = what === 'User' ? { memberId: id, fromId } : { groupId: id, fromId }
  const [found, ofMemberships] = await Promise.all([
    selectEvents(db, tenantId, { targetId: id, from: at }, MAX_EVENTS + 1),
    selectPairEvents(db, tenantId, pairs)
  ])
  requireFew(found)
  const events = found.filter((event) => isUndoable(event) && event.target_type === what.toLowerCase())
  if (events.length + ofMemberships.length === 0) await requireKnown(db, tenantId, what, id)
  return {
    events,
    count: new Set([...events, ...ofMemberships].map((event) => event.id)).size,
    fromId,
    // this undo's own events are later
    isUndone: (eventId) => eventId >= fromId && eventId < undoId,
    pairs
  }
}

function requireFew(events: readonly unknown[]): void {
  if (events.length <= MAX_EVENTS) return
  throw invalid(
    `These are more than ${MAX_EVENTS.toLocaleString('en')} changes: choose a later moment`,
    'tooManyChanges'
  )
}

const RACED = [
  'users_user_name_key',
  'users_external_id_key',
  'addresses_pkey',
  'groups_display_name_key',
  'groups_external_id_key'
]

/**
 * The work of one transaction; it runs again where it lost a race.
 * @param refusal why nothing of the chunk may be done
 */
type Work<T, Done> = (trx: Trx, run: UndoRun, chunk: readonly T[], refusal?: ConflictReason) => Promise<Done>

/** @param onCommit gets what each transaction has done, after its commit */
async function inChunks<T, Done>(
  run: UndoRun,
  targets: readonly T[],
  work: Work<T, Done>,
  onCommit: (done: Done) => void
): Promise<void> {
  for (let start = 0; start < targets.length; start += CHUNK) {
    await inOne(targets.slice(start, start + CHUNK))
  }

  async function inOne(chunk: readonly T[], refusal?: ConflictReason): Promise<void> {
    try {
      onCommit(await retryRaces(() => inTenant(run.db, run.tenantId, (trx) => work(trx, run, chunk, refusal)), RACED))
    } catch (error) {
      const refused = roleRefusal(error)
      if (refused && chunk.length === 1 && !refusal) return inOne(chunk, refused)
      if (!refused || chunk.length < 2) throw translated(error)
      // halving finds the one whose role must not change
      const middle = chunk.length >> 1
      await inOne(chunk.slice(0, middle))
      await inOne(chunk.slice(middle))
    }
  }
}

function translated(error: unknown): unknown {
  if (!RACED.includes(violatedConstraint(error) ?? '')) return error
  return new AppError('conflict', 'Names that are needed are being taken just now: try again', {
    reason: 'changedMeanwhile',
    cause: error
  })
}

const isChange = ({ users, groups, memberships }: UndoCounts) => users + groups + memberships > 0

function countsOf(items: readonly UndoItem[], events: number): UndoCounts {
  const changed = (kind: UndoItem['kind']) =>
    items.filter((item) => item.kind === kind && item.changes.length > 0).length
  return {
    events,
    users: changed('user'),
    groups: changed('group'),
    memberships: changed('membership'),
    refused: items.filter(({ conflicts }) => conflicts.length > 0).length
  }
}

/** Writes the one event by which the whole undo can be undone. */
async function sumUp(run: UndoRun, scope: UndoScope, events: readonly HistoryEvent[], counts: UndoCounts) {
  const at = run.now()
  const [first] = events
  await inTenant(run.db, run.tenantId, (trx) =>
    insertAuditEvents(trx, run.tenantId, run.actor, at, [
      {
        id: run.id,
        action: UNDONE,
        targetType: 'history',
        targetId: null,
        targetName: ('connectionId' in scope ? first?.actor_name : first?.target_name) ?? null,
        after: { ...scope, ...counts }
      }
    ])
  )
}
