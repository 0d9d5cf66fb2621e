// Shadow mode: a connection's identity provider provisions a copy of the tenant, so that an administrator sees what it
// would do, person by person, and then applies or discards it.
import { insertAuditEvents } from '../../../db/audit.ts'
import { inTenant, type Trx } from '../../../db/connect.ts'
import { notifyChange } from '../../../db/listen.ts'
import { retryRaces } from '../../../db/races.ts'
import type { Preference } from '../../../db/schema.ts'
import { lockConnection, revokeTokensOf, type ScimConnectionRow } from '../../../db/scim-connections.ts'
import { refreshShadowUsers } from '../../../db/shadow-refresh.ts'
import {
  copyIntoShadow,
  countShadows,
  dropShadow,
  findShadow,
  forgetShadow,
  lockShadow,
  type ShadowRow,
  setClosedUntil,
  setPreference
} from '../../../db/shadows.ts'
import { readRepeatably, readTransferTables } from '../../../db/tenant-transfer.ts'
import { endRemoval, lockTenant, nextTenantId, seeTenant } from '../../../db/tenants.ts'
import type { Deps } from '../../deps.ts'
import { conflict, notFound } from '../../errors.ts'
import { type Actor, requireAdministrator } from '../actor.ts'
import { forgetCredentials } from '../forgetting.ts'
import { requireRoleWithin } from '../guards.ts'

export type ShadowDeps = Pick<Deps, 'db' | 'listener' | 'log' | 'now'>

/** Per tenant at one time: each is a copy of it. */
const MAX_SHADOWS = 3

/**
 * Puts a connection into shadow mode: from here on its tokens change a copy of the tenant's people and groups.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found; conflict `alreadyShadow`, `tooManyShadows`
 */
export async function openShadow(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string
): Promise<void> {
  requireAdministrator(actor, 'put connections into shadow mode')
  const now = deps.now()
  const tables = await readTransferTables(deps.db)
  const shadowId = -(await nextTenantId(deps.db))
  await retryRaces(() =>
    inTenant(deps.db, tenantId, async (trx) => {
      await readRepeatably(trx, tenantId, 'read write')
      await lockTenant(trx, tenantId, 'for no key update')
      const connection = await getLocked(trx, tenantId, actor, connectionId)
      const shadow = await lockShadow(trx, tenantId, connectionId)
      if (shadow && shadow.shadow_id !== null)
        throw conflict('This connection is in shadow mode already', 'alreadyShadow')
      if (shadow) await forgetShadow(trx, tenantId, connectionId)
      if ((await countShadows(trx, tenantId)) >= MAX_SHADOWS) {
        throw conflict(`No more than ${MAX_SHADOWS} connections are in shadow mode at once`, 'tooManyShadows')
      }
      await copyIntoShadow(trx, { tenantId, shadowId, connectionId, now }, tables)
      await tellOf(trx, tenantId, actor, connection, 'scimConnection.shadowOpened', now)
    })
  )
  forgetCredentials(deps, tenantId)
}

/**
 * Takes a connection out of shadow mode and forgets what its identity provider did there. Its tokens end: otherwise the
 * identity provider would go on in the tenant itself, from what it believes to have done.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found; conflict `notInShadow`, `goingLive`
 */
export async function discardShadow(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string
): Promise<void> {
  requireAdministrator(actor, 'discard what a connection did in shadow mode')
  const now = deps.now()
  const dropped = await inTenant(deps.db, tenantId, async (trx) => {
    const connection = await getLocked(trx, tenantId, actor, connectionId)
    requireOpen(await lockShadow(trx, tenantId, connectionId), now)
    await revokeTokensOf(trx, tenantId, connectionId, now)
    const shadows = await dropShadow(trx, tenantId, connectionId)
    await tellOf(trx, tenantId, actor, connection, 'scimConnection.shadowDiscarded', now)
    return shadows
  })
  await endRemoval(deps.db, dropped)
  forgetCredentials(deps, tenantId)
}

/**
 * Copies who came, went or changed in the tenant meanwhile into the shadow, except people whom the identity provider
 * has changed. Groups and memberships stay; going live respects what became of them in the tenant.
 * @returns how many people
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found; conflict `notInShadow`, `shadowGone`,
 *   `goingLive`
 */
export async function refreshShadow(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string
): Promise<number> {
  requireAdministrator(actor, 'refresh what a connection sees in shadow mode')
  const now = deps.now()
  const tables = await readTransferTables(deps.db)
  return inTenant(deps.db, tenantId, async (trx) => {
    const connection = await getLocked(trx, tenantId, actor, connectionId)
    const shadowId = shadowIdOf(requireOpen(await lockShadow(trx, tenantId, connectionId), now))
    const users = await refreshShadowUsers(trx, { tenantId, shadowId }, tables, now)
    await tellOf(trx, tenantId, actor, connection, 'scimConnection.shadowRefreshed', now, { users })
    return users
  })
}

interface ShadowDecision {
  readonly connectionId: string
  readonly kind: 'user' | 'group'
  readonly id: string
  /** Null: as for all others. */
  readonly prefer: Preference | null
}

/**
 * Decides whose value counts for one user or group, where both sides have changed one.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found, also for what is new in the shadow;
 *   conflict `notInShadow`, `shadowGone`, `goingLive`
 */
export async function decideInShadow(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  { connectionId, kind, id, prefer }: ShadowDecision
): Promise<void> {
  requireAdministrator(actor, 'decide what becomes of a conflict')
  const now = deps.now()
  await inTenant(deps.db, tenantId, async (trx) => {
    const connection = await getLocked(trx, tenantId, actor, connectionId)
    const shadowId = shadowIdOf(requireOpen(await lockShadow(trx, tenantId, connectionId), now))
    await seeTenant(trx, shadowId)
    const isThere = await setPreference(trx, shadowId, kind, id, prefer)
    await seeTenant(trx, tenantId)
    if (!isThere) throw notFound(`${kind === 'user' ? 'User' : 'Group'} ${id}`)
    const action = 'scimConnection.shadowDecided'
    const after = { kind, id, prefer }
    await insertAuditEvents(trx, tenantId, actor, now, [
      { action, targetType: 'scimConnection', targetId: connectionId, targetName: connection.name, after }
    ])
  })
}

/**
 * Closes a shadow: from here on its requests are told to try again.
 * @throws AppError not_found; conflict `notInShadow`, `shadowGone`, `goingLive`; forbidden `roleNotAllowed`
 */
export async function closeForGoingLive(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string,
  until: Date
): Promise<void> {
  await inTenant(deps.db, tenantId, async (trx) => {
    await getLocked(trx, tenantId, actor, connectionId)
    shadowIdOf(requireOpen(await lockShadow(trx, tenantId, connectionId), deps.now()))
    await setClosedUntil(trx, tenantId, connectionId, until)
    await notifyChange(trx, { kind: 'credentials', tenantId })
  })
  forgetCredentials(deps, tenantId)
}

/** Opens a closed shadow again. */
export async function reopenShadow(deps: ShadowDeps, tenantId: number, connectionId: string): Promise<void> {
  await inTenant(deps.db, tenantId, async (trx) => {
    await setClosedUntil(trx, tenantId, connectionId, null)
    await notifyChange(trx, { kind: 'credentials', tenantId })
  })
  forgetCredentials(deps, tenantId)
}

/** @throws AppError not_found; conflict `notInShadow` */
export async function getShadow(deps: ShadowDeps, tenantId: number, connectionId: string): Promise<ShadowRow> {
  const found = await findShadow(deps.db, tenantId, connectionId)
  if (found === undefined) throw notFound(`Connection ${connectionId}`)
  if (found === null) throw notInShadow()
  return found
}

/** @throws AppError conflict `shadowGone` */
export function shadowIdOf({ shadow_id }: ShadowRow): number {
  if (shadow_id === null) {
    throw conflict('The shadow stayed behind when the tenant was moved: discard it, or open a new one', 'shadowGone')
  }
  return shadow_id
}

const notInShadow = () => conflict('This connection is not in shadow mode', 'notInShadow')

/** @throws AppError conflict `notInShadow`, `goingLive` */
function requireOpen(shadow: ShadowRow | undefined, now: Date): ShadowRow {
  if (!shadow) throw notInShadow()
  if (shadow.closed_until && shadow.closed_until > now) {
    throw conflict('This connection is going live just now', 'goingLive')
  }
  return shadow
}

/** @throws AppError not_found; forbidden `roleNotAllowed` */
export async function getLocked(
  trx: Trx,
  tenantId: number,
  actor: Actor,
  connectionId: string
): Promise<ScimConnectionRow> {
  const connection = await lockConnection(trx, tenantId, connectionId)
  if (!connection) throw notFound(`Connection ${connectionId}`)
  requireRoleWithin(actor.role, connection.highest_role)
  return connection
}

/** Writes the audit event and notifies other processes. */
export async function tellOf(
  trx: Trx,
  tenantId: number,
  actor: Actor,
  { id, name }: ScimConnectionRow,
  action: string,
  now: Date,
  after?: Record<string, unknown>
): Promise<void> {
  await insertAuditEvents(trx, tenantId, actor, now, [
    { action, targetType: 'scimConnection', targetId: id, targetName: name, ...(after && { after }) }
  ])
  await notifyChange(trx, { kind: 'credentials', tenantId })
}
