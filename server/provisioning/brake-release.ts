// What administrators do with changes that the brake has held: carry them out, or reject them.
import { sql } from 'kysely'
import { insertAuditEvents } from '../../db/audit.ts'
import { forgetHeld, type HeldChange, listHeld, rejectHeld, releaseBrake, settleBrake } from '../../db/brakes.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import { retryRaces } from '../../db/races.ts'
import type { UserRow } from '../../db/schema.ts'
import { findConnectionDetails, lockConnection, type ScimConnectionRow } from '../../db/scim-connections.ts'
import type { Deps } from '../deps.ts'
import { AppError, notFound } from '../errors.ts'
import type { Tenant } from '../tenancy.ts'
import { type Actor, requireAdministrator } from './actor.ts'
import { endMany } from './ending-many.ts'
import { forgetCredentials } from './forgetting.ts'
import { changeGroup, type GroupWork, removeGroup } from './groups.ts'
import { isCountedAdministrator, requireNotSelf, requireOtherAdministrator } from './guards.ts'
import { requireTouchable } from './scim-user-plan.ts'

type BrakeDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** Which held changes are decided on. */
export interface Decision {
  readonly connectionId: string
  /** Only these changes, instead of all. */
  readonly changeIds?: readonly string[]
}

/** A held change that was not carried out, and why. */
export interface Refusal {
  readonly changeId: string
  readonly reason: string
  readonly detail: string
}

export interface Release {
  readonly carriedOut: number
  readonly refused: Refusal[]
}

/** How many changes are carried out at a time: more would keep others waiting for their rows. */
const BATCH = 500

/**
 * Carries held changes out within the connection's rights; events name the administrator. Where all are released, the
 * connection may also go on uncounted for an hour, so that the rest of its run comes through. What a rule forbids (the
 * last administrator, yourself, a role above the connection's) stays held and is reported.
 * @throws AppError forbidden `administratorOnly`; not_found
 */
export async function releaseHeld(
  deps: BrakeDeps,
  tenant: Tenant,
  actor: Actor,
  { connectionId, changeIds }: Decision
): Promise<Release> {
  requireAdministrator(actor, 'release what was held')
  const now = deps.now()
  const connection = await findConnectionDetails(deps.db, tenant.id, connectionId, now)
  if (!connection) throw notFound(`Connection ${connectionId}`)
  if (!changeIds) await inTenant(deps.db, tenant.id, (trx) => releaseBrake(trx, tenant.id, connectionId, now))
  const work: ReleaseWork = { deps, tenant, now, connection, actor: actingAs(actor, connection) }
  const total = { carriedOut: 0, refused: [] as Refusal[] }
  for (let after: string | undefined; ; ) {
    const changes = await listHeld(deps.db, tenant.id, connectionId, {
      state: 'held',
      ids: changeIds,
      after,
      limit: BATCH
    })
    const refused = await carryOut(work, changes)
    total.refused.push(...refused)
    total.carriedOut += changes.length - refused.length
    after = changes.at(-1)?.id
    if (changes.length < BATCH) break
  }
  const after = { carriedOut: total.carriedOut, refused: total.refused.length }
  await settle(deps, tenant.id, { actor, connection, action: 'scimConnection.released', now, after })
  return total
}

/**
 * Rejects held changes: they are not made, and the connection's further tries get 403 until it asks for the opposite or
 * an administrator lifts the rejection.
 * @returns how many
 * @throws AppError forbidden `administratorOnly`; not_found
 */
export const rejectHeldChanges = (deps: BrakeDeps, tenantId: number, actor: Actor, decision: Decision) =>
  decide(deps, tenantId, actor, decision, 'scimConnection.rejected', (trx) =>
    rejectHeld(trx, tenantId, decision.connectionId, decision.changeIds)
  )

/**
 * Lifts rejections: the connection's next try counts as a new one.
 * @returns how many
 * @throws AppError forbidden `administratorOnly`; not_found
 */
export const liftRejections = (deps: BrakeDeps, tenantId: number, actor: Actor, decision: Decision) =>
  decide(deps, tenantId, actor, decision, 'scimConnection.rejectionsLifted', (trx) => {
    const { connectionId, changeIds } = decision
    const isOfThem = changeIds ? sql`id = any(${changeIds}::uuid[])` : sql`true`
    return forgetHeld(trx, tenantId, connectionId, sql`state = 'rejected' and ${isOfThem}`)
  })

async function decide(
  deps: BrakeDeps,
  tenantId: number,
  actor: Actor,
  { connectionId }: Decision,
  action: string,
  work: (trx: Trx) => Promise<number>
): Promise<number> {
  requireAdministrator(actor, 'decide on what was held')
  const now = deps.now()
  const count = await inTenant(deps.db, tenantId, async (trx) => {
    const connection = await lockConnection(trx, tenantId, connectionId)
    if (!connection) throw notFound(`Connection ${connectionId}`)
    const changed = await work(trx)
    if (changed > 0) {
      await settleWithin(trx, tenantId, { actor, connection, action, now, after: { changes: changed } })
    }
    return changed
  })
  forgetCredentials(deps, tenantId)
  return count
}

interface ReleaseWork {
  readonly deps: BrakeDeps
  readonly tenant: Tenant
  readonly now: Date
  readonly connection: ScimConnectionRow
  /** The administrator, limited to what the connection may reach, and marked as acting on its request. */
  readonly actor: Actor
}

const actingAs = (actor: Actor, { id, profile, highest_role }: ScimConnectionRow): Actor => ({
  ...actor,
  role: highest_role,
  scim: { connectionId: id, tokenId: null, profile }
})

/** Groups first: removing a person ends the memberships that are left by then. @returns what was not carried out */
async function carryOut(work: ReleaseWork, changes: readonly HeldChange[]): Promise<Refusal[]> {
  const ofGroups = Map.groupBy(
    changes.filter(({ group_id }) => group_id !== null),
    ({ kind, group_id }) => `${kind} ${group_id}`
  )
  const refused: Refusal[] = []
  for (const together of ofGroups.values()) refused.push(...(await changeOneGroup(work, together)))
  const ofUsers = changes.filter(({ kind }) => kind === 'deactivate' || kind === 'remove')
  if (ofUsers.length > 0) refused.push(...(await retryRaces(() => endUsers(work, ofUsers))))
  return refused
}

async function changeOneGroup(work: ReleaseWork, changes: readonly HeldChange[]): Promise<Refusal[]> {
  const { deps, tenant, now, connection, actor } = work
  const { kind, group_id } = changes[0]!
  const groupWork: GroupWork = {
    db: deps.db,
    tenantId: tenant.id,
    actor,
    now,
    ownScope: tenant.settings.scimScope === 'own' ? connection.id : undefined,
    groupRoles: tenant.settings.groupRoles ?? false,
    listener: deps.listener
  }
  try {
    if (kind === 'removeGroup') await removeGroup(groupWork, group_id!)
    else {
      const values = changes.map(({ user_id, child_id }) => (user_id ?? child_id)!)
      await changeGroup(groupWork, group_id!, { members: [{ kind: 'remove', values }] })
    }
  } catch (error) {
    if (error instanceof AppError && error.code !== 'not_found')
      return changes.map((change) => refusalOf(change, error))
    if (!(error instanceof AppError)) throw error
  }
  await forget(work, changes)
  return []
}

async function endUsers(work: ReleaseWork, changes: readonly HeldChange[]): Promise<Refusal[]> {
  const { deps, tenant, now, actor } = work
  const removals = new Set(changes.filter(({ kind }) => kind === 'remove').map(({ user_id }) => user_id!))
  const userIds = [...new Set(changes.map(({ user_id }) => user_id!))].sort()
  const refused = await inTenant(deps.db, tenant.id, async (trx) => {
    const { rows: users } = await sql<UserRow>`select users.* from users
      where tenant_id = ${tenant.id} and id = any(${userIds}::uuid[]) order by id for update`.execute(trx)
    const refusals = await findRefusals(trx, work, users)
    const step = { trx, tenantId: tenant.id, actor, now }
    const going = users.filter(({ id, state }) => !refusals.has(id) && state !== 'removed')
    const leaving = going.filter(({ id }) => removals.has(id))
    const staying = going.filter(({ id, state }) => !removals.has(id) && state !== 'deactivated')
    await endMany(step, leaving, 'removed')
    await endMany(step, staying, 'deactivated')
    const done = changes.filter(({ user_id }) => !refusals.has(user_id!)).map(({ id }) => id)
    await forgetHeld(trx, tenant.id, work.connection.id, sql`id = any(${done}::uuid[])`)
    return changes.flatMap((change) => {
      const error = refusals.get(change.user_id!)
      return error ? [refusalOf(change, error)] : []
    })
  })
  forgetCredentials(deps, tenant.id)
  return refused
}

/** The refusals by id of people who may not go. @param users with their rows locked */
async function findRefusals(
  trx: Trx,
  { tenant, actor }: ReleaseWork,
  users: readonly UserRow[]
): Promise<Map<string, AppError>> {
  const refusals = new Map<string, AppError>()
  const refuse = (user: UserRow, check: () => void) => {
    try {
      check()
    } catch (error) {
      refusals.set(user.id, error as AppError)
    }
  }
  for (const user of users) {
    refuse(user, () => {
      requireTouchable(actor, user)
      requireNotSelf(actor, user.id, 'take your own access away')
    })
  }
  const administrators = users.filter((user) => isCountedAdministrator(user) && !refusals.has(user.id))
  if (administrators.length === 0) return refusals
  const error = await requireOtherAdministrator(
    trx,
    tenant.id,
    administrators.map(({ id }) => id)
  ).catch((caught: unknown) => caught)
  if (error !== undefined && !(error instanceof AppError)) throw error
  if (error instanceof AppError) for (const { id } of administrators) refusals.set(id, error)
  return refusals
}

const refusalOf = ({ id }: HeldChange, error: AppError): Refusal => ({
  changeId: id,
  reason: error.reason,
  detail: error.message
})

const forget = ({ deps, tenant, connection }: ReleaseWork, changes: readonly HeldChange[]) => {
  const ids = changes.map(({ id }) => id)
  return inTenant(deps.db, tenant.id, (trx) => forgetHeld(trx, tenant.id, connection.id, sql`id = any(${ids}::uuid[])`))
}

/** What an administrator has decided about a connection's held changes, as the audit log tells it. */
interface Decided {
  readonly actor: Actor
  readonly connection: ScimConnectionRow
  readonly action: string
  readonly now: Date
  readonly after: Record<string, unknown>
}

async function settle({ db, listener }: BrakeDeps, tenantId: number, decided: Decided): Promise<void> {
  await inTenant(db, tenantId, (trx) => settleWithin(trx, tenantId, decided))
  forgetCredentials({ listener }, tenantId)
}

async function settleWithin(trx: Trx, tenantId: number, decided: Decided): Promise<void> {
  const { actor, connection, action, now, after } = decided
  await settleBrake(trx, tenantId, connection.id, now)
  await insertAuditEvents(trx, tenantId, actor, now, [
    { action, targetType: 'scimConnection', targetId: connection.id, targetName: connection.name, after }
  ])
  // a process that remembers a token also remembers whether anything of its connection is held
  await notifyChange(trx, { kind: 'credentials', tenantId })
}
