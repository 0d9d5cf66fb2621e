// One run of undoing: what is undone, for whom, and what is reported about each user, group and membership.
import { isDeepStrictEqual } from 'node:util'
import { newEventId } from '../../../db/audit.ts'
import type { Db } from '../../../db/connect.ts'
import type { HistoryEvent } from '../../../db/history.ts'
import type { Actor } from '../actor.ts'
import { type EventFacts, type Facts, factsOfEvent, isAuthority, placeOf, takenBackBy } from './facts.ts'
import { reverse } from './reverse.ts'

export interface UndoRun {
  readonly db: Db
  readonly tenantId: number
  readonly actor: Actor
  readonly now: () => Date
  /** The id of the event that sums the run up; the run's other events name it. */
  readonly id: string
  /** The oldest event that is undone. */
  readonly fromId: string
  readonly isUndone: (eventId: string) => boolean
}

/** Who changes facts, in which tenant, and when. */
export type FactsRun = Pick<UndoRun, 'tenantId' | 'actor' | 'now'>

export type ConflictReason =
  | 'changedSince'
  | 'userRemoved'
  | 'groupRemoved'
  | 'addressTaken'
  | 'userNameTaken'
  | 'externalIdTaken'
  | 'groupNameTaken'
  | 'groupCycle'
  | 'connectionRemoved'
  | 'notYourself'
  | 'lastAdministrator'
  | 'roleNotAllowed'

/** What prevents a part of an undo. */
export interface Conflict {
  /** `title`, `state`, `membership`, …; of an extension `urn:…:User:department`. */
  readonly attribute: string
  readonly reason: ConflictReason
  /** The value that it would have got; left out where that is none. */
  readonly wanted?: unknown
  /** Who made the later change, and when; for `changedSince`, where that is known. */
  readonly by?: { readonly eventId: string; readonly name: string | null; readonly at: string }
}

/** What an undo does to one user, group or membership. */
export interface UndoItem {
  readonly kind: 'user' | 'group' | 'membership'
  /** The id of the user or the group; for a membership, the member's. */
  readonly id: string
  readonly name: string | null
  /** Only for a membership. */
  readonly group?: { readonly id: string; readonly name: string | null }
  /** `from` or `to` is left out where there is no value. */
  readonly changes: readonly { readonly attribute: string; readonly from?: unknown; readonly to?: unknown }[]
  readonly conflicts: readonly Conflict[]
}

/** The facts of one user or group before and after. */
export interface Reversed {
  readonly before: Facts
  readonly after: Facts
  /** By fact: the events that were taken back, and in `kept` those that should have been. */
  readonly undone: Map<string, string[]>
  readonly kept: Map<string, string[]>
  readonly conflicts: Conflict[]
}

/** @param events all events of the user or group from `run.fromId` on, oldest first */
export function reverseFacts(run: UndoRun, current: Facts, events: readonly HistoryEvent[]): Reversed {
  const told = events.map((event) => ({ event, facts: factsOfEvent(event), takenBack: takenBackBy(event) }))
  const names = new Set(
    told
      .filter(({ event }) => run.isUndone(event.id))
      .flatMap(({ facts }) => [...facts.before.keys(), ...facts.after.keys()])
  )
  const reversed: Reversed = {
    before: current,
    after: new Map(current),
    undone: new Map(),
    kept: new Map(),
    conflicts: []
  }
  for (const name of names) {
    const links = told
      .filter(({ facts, takenBack }) => isTouched(facts, name) || takenBack.undone)
      .map(({ event, facts, takenBack: { undone = [], kept = {} } }) => ({
        eventId: event.id,
        isUndone: run.isUndone(event.id) && isTouched(facts, name),
        isChange: isTouched(facts, name),
        before: facts.before.get(name),
        after: facts.after.get(name),
        takesBack: new Set(undone.filter((id) => !kept[name]?.includes(id)))
      }))
    const { value, undone, kept, conflict } = reverse(current.get(name), links, isDeepStrictEqual)
    put(reversed.after, name, value)
    reversed.undone.set(name, undone)
    reversed.kept.set(name, kept)
    if (conflict) {
      const by = events.find(({ id }) => id === conflict.blockedBy)
      reversed.conflicts.push(conflictOf(name, 'changedSince', conflict.wanted, by))
    }
  }
  return reversed
}

/** Some events list facts that did not change. */
const isTouched = ({ before, after }: EventFacts, name: string) => !isDeepStrictEqual(before.get(name), after.get(name))

export function put(facts: Facts, name: string, value: unknown): void {
  if (value === undefined) facts.delete(name)
  else facts.set(name, value)
}

export const conflictOf = (
  attribute: string,
  reason: ConflictReason,
  wanted?: unknown,
  by?: Pick<HistoryEvent, 'id' | 'actor_name' | 'at'>
): Conflict => ({
  attribute,
  reason,
  ...(wanted !== undefined && { wanted }),
  ...(by && { by: { eventId: by.id, name: by.actor_name, at: by.at.toISOString() } })
})

/** The facts that change, in no order. */
export function changedNames({ before, after }: Reversed): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !isDeepStrictEqual(before.get(name), after.get(name))
  )
}

/** Keeps some facts as they are and notes the conflicts; the owner of an attribute is no conflict of its own. */
export function refuse(reversed: Reversed, names: readonly string[], reason: ConflictReason): void {
  for (const name of names) {
    const wanted = reversed.after.get(name)
    if (isDeepStrictEqual(wanted, reversed.before.get(name))) continue
    put(reversed.after, name, reversed.before.get(name))
    if (!isAuthority(name)) reversed.conflicts.push(conflictOf(name, reason, wanted))
    reversed.kept.set(name, [...(reversed.kept.get(name) ?? []), ...(reversed.undone.get(name) ?? [])])
    reversed.undone.delete(name)
  }
}

/** Keeps every fact of each as it is. */
export function refuseEach(plans: readonly { readonly reversed: Reversed }[], reason: ConflictReason): void {
  for (const { reversed } of plans) refuse(reversed, changedNames(reversed), reason)
}

export const isChanged = ({ reversed }: { readonly reversed: Reversed }): boolean => changedNames(reversed).length > 0

/** Whether there is anything to report. */
export const isTold = (plan: { readonly reversed: Reversed }): boolean =>
  isChanged(plan) || plan.reversed.conflicts.length > 0

export const changesOf = (reversed: Reversed): UndoItem['changes'] =>
  changedNames(reversed).map((attribute) => {
    const [from, to] = [reversed.before.get(attribute), reversed.after.get(attribute)]
    return { attribute, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  })

/**
 * What an event of a run says beside what it changed.
 * @param also further events that are taken back as a consequence of the change
 */
export function undoFacts(
  run: UndoRun,
  { undone, kept }: Pick<Reversed, 'undone' | 'kept'>,
  also: readonly string[] = []
): Record<string, unknown> {
  const ids = new Set([...[...undone.values()].flat(), ...also])
  const exceptions = [...kept]
    .map(([name, events]) => [name, events.filter((id) => ids.has(id))] as const)
    .filter(([, events]) => events.length > 0)
  return { undoId: run.id, undone: [...ids], ...(exceptions.length > 0 && { kept: Object.fromEntries(exceptions) }) }
}

/** `before` and `after` of the event for this change. */
export function eventFacts(reversed: Reversed): { before: Record<string, unknown>; after: Record<string, unknown> } {
  const names = changedNames(reversed)
  const pick = (facts: Facts) =>
    nested(names.filter((name) => facts.has(name)).map((name) => [name, facts.get(name)] as const))
  return { before: pick(reversed.before), after: pick(reversed.after) }
}

/** Nests facts of extensions under their URN, as in documents, and owners under `authority`. */
function nested(facts: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const result: Record<string, Record<string, unknown> | unknown> = {}
  for (const [name, value] of facts) {
    const place = placeOf(name)
    if (!place) {
      result[name] = value
      continue
    }
    const [outer, inner] = place
    result[outer] = { ...(result[outer] as Record<string, unknown> | undefined), [inner]: value }
  }
  return result
}

export const eventIdOf = (run: Pick<UndoRun, 'now'>): string => newEventId(run.now())
