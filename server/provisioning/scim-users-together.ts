// Makes changes of users that arrive at one moment in one transaction: plain changes, which depend on nobody else's
// rows. Users are read, changes computed, and all written in one exchange, unless somebody has changed the users
// meanwhile. Where more ends with somebody's access, it is done under locks (scim-users-locked.ts). scim-users.ts makes
// the others one by one, and those of a transaction that failed.
import type { CompiledQuery } from 'kysely'
import { type Db, isCitus } from '../../db/connect.ts'
import { isUnavailable } from '../../db/failures.ts'
import { writeTogether } from '../../db/prepared.ts'
import {
  type LeftGroup,
  leaveGroups,
  type ReadUser,
  readUsers,
  writeEvents,
  writeProfiles,
  writeStates
} from '../../db/scim-user-writes.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { permitsOf } from './brake.ts'
import { Gathering, type Outcome } from './gathering.ts'
import { connectionAfter, isChange, updateEvent } from './scim-user-plan.ts'
import { ALONE, begin, type Item, outcomeOf, profileRow, type Result, type Step, stateRow } from './scim-user-step.ts'
import type { ScimWriter } from './scim-users.ts'
import { changeUnderLocks } from './scim-users-locked.ts'
import { activatedEvent, deactivatedEvent, removedEvent } from './user-states.ts'

const gatherings = new WeakMap<Db, Gathering<Item, Result>>()

/**
 * Does the work together with what else arrives at this moment.
 * @throws AppError not_found; forbidden; whatever the callbacks throw
 */
export function changeTogether(writer: ScimWriter, userId: string, work: Item['work']): Promise<Result> {
  const { deps, tenant, actor, view } = writer
  // where the brake holds something, changes are looked at one by one
  if (actor.scim?.hasHeld) return Promise.resolve(ALONE)
  let gathering = gatherings.get(deps.db)
  if (!gathering) {
    gathering = new Gathering(changeAll)
    gatherings.set(deps.db, gathering)
  }
  const kind = `${tenant.id} ${view.connectionId ?? ''} ${view.withGroups} ${view.groupsUrl}`
  return gathering.add(kind, userId, { writer, userId, work })
}

async function changeAll(items: readonly Item[]): Promise<readonly Outcome<Result>[]> {
  // Citus would copy the rows of an insert from one node to another
  if (isCitus(items[0]!.writer.deps.db)) return changeUnderLocks(items)
  const begun = await beginAll(items)
  const steps = begun.filter((one) => one.kind === 'write')
  const [laborious, quick] = [steps.filter(hasConsequences), steps.filter((step) => !hasConsequences(step))]
  const [ofLaborious, ofQuick] = await Promise.all([changeUnderLocks(laborious.map(itemOf)), changeAtOnce(quick)])
  const outcomes = new Map<Step, Outcome<Result>>([
    ...laborious.map((step, index) => [step, ofLaborious[index]!] as const),
    ...quick.map((step, index) => [step, ofQuick[index]!] as const)
  ])
  return begun.map((one) => outcomeOf(one, (step) => outcomes.get(step)!))
}

const itemOf = ({ item }: Step) => item

async function beginAll(items: readonly Item[]) {
  const { deps, view } = items[0]!.writer
  const idsOf = (some: readonly Item[]) => some.map(({ userId }) => userId)
  const users = await readUsers(deps.db, view, idsOf(items), {
    ending: idsOf(items.filter(({ work }) => work.kind === 'remove' || work.options.mayDeactivate)),
    leaving: idsOf(items.filter(({ work }) => work.kind === 'remove'))
  })
  const found = new Map(users.map((user) => [user.id, user]))
  return items.map((item) => begin(item, found.get(item.userId)))
}

type QuickStep = Step<ReadUser>

const isEnding = ({ planned }: Step): boolean => !planned || (planned.isStateChanged && !planned.change.active)

/** Whether more ends with somebody's access than their own row and their memberships show. */
const hasConsequences = (step: QuickStep): boolean => {
  const { before, item } = step
  const isKnown = item.work.kind === 'remove' || item.work.options.mayDeactivate
  return isEnding(step) && (before.hasAccess || !isKnown)
}

async function changeAtOnce(steps: readonly QuickStep[]): Promise<readonly Outcome<Result>[]> {
  const statements = statementsOf(steps)
  if (statements.length > 0) {
    const { deps, tenant } = steps[0]!.item.writer
    try {
      await writeTogether(deps.db, tenant.id, statements)
    } catch (error) {
      // somebody was faster with one of the users, or the database refuses one of the changes
      return isUnavailable(error) ? steps.map(() => ({ error })) : changeUnderLocks(steps.map(itemOf))
    }
  }
  return steps.map((step) => ({ value: { kind: 'done', user: afterwards(step) } }))
}

/** The statements, in the order in which rows are locked. */
function statementsOf(steps: readonly QuickStep[]): CompiledQuery[] {
  const changing = steps
    .filter(({ planned }) => !planned || isChange(planned))
    .sort((one, other) => (one.before.id < other.before.id ? -1 : 1))
  if (changing.length === 0) return []
  const { deps, tenant, now } = changing[0]!.item.writer
  const { db } = deps
  const ending = changing.filter(isEnding)
  const removed = ending.filter(({ planned }) => !planned)
  const profiles = changing.filter(({ planned }) => planned?.isProfileChanged)
  const states = changing.filter(({ planned }) => !planned?.isProfileChanged)
  const idsOf = (some: readonly QuickStep[]) => some.map(({ before }) => before.id)
  const left = removed.flatMap(leftGroups)
  return [
    ...(profiles.length > 0 ? [writeProfiles(db, tenant.id, profiles.map(profileRow))] : []),
    ...(states.length > 0 ? [writeStates(db, tenant.id, states.map(stateRow))] : []),
    ...(left.length > 0 ? [leaveGroups(db, tenant.id, left, now)] : []),
    writeEvents(db, tenant.id, changing.map(eventOf), { ending: idsOf(ending), leaving: idsOf(removed) }),
    ...permitsOf(
      db,
      tenant.id,
      ending.map(({ before, item }) => ({ user: before, actor: item.writer.actor })),
      now
    )
  ]
}

const leftGroups = ({ before, eventId }: QuickStep): LeftGroup[] =>
  before.groupIds.map((group_id) => ({ group_id, user_id: before.id, event_id: eventId }))

function eventOf({ before, planned, eventId, item: { writer } }: QuickStep) {
  const told = { id: eventId, by: writer }
  if (!planned) return { ...removedEvent(before, eventId, before.groupIds), ...told }
  if (planned.isProfileChanged) return { ...updateEvent(writer, planned), ...told }
  return { ...(planned.change.active ? activatedEvent(before) : deactivatedEvent(before)), ...told }
}

/** The user after everything is written. */
function afterwards({ before, planned, item: { writer } }: QuickStep): ScimUserRow | undefined {
  if (!planned) return undefined
  const { id, role, groups, created_at } = before
  const row = {
    id,
    role,
    groups,
    created_at,
    connection_id: before.connection_id,
    authority: isChange(planned) ? planned.authority : before.authority,
    state: before.state,
    doc: before.doc
  }
  if (!isChange(planned)) return { ...row, version: before.version, updated_at: before.updated_at }
  const written = { version: before.version + 1, updated_at: writer.now }
  if (!planned.isProfileChanged) {
    return { ...row, ...written, state: planned.change.active ? 'active' : 'deactivated' }
  }
  return { ...row, ...written, doc: planned.columns.doc, connection_id: connectionAfter(writer, planned) }
}
