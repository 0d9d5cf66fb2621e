// Connections of identity providers: how administrators change them, and what becomes of their people on removal.
import { insertAuditEvents } from '../../db/audit.ts'
import { endKeeping, listStragglers, rememberConnection } from '../../db/authority.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { hasGroupRoles, lockGroupRoles } from '../../db/group-roles.ts'
import { notifyChange } from '../../db/listen.ts'
import { retryRaces } from '../../db/races.ts'
import type { BrakeSettings, Role, ScimProfile } from '../../db/schema.ts'
import {
  deleteConnection,
  findConnectionDetails,
  isNameTaken,
  lockConnection,
  revokeTokensOf,
  type ScimConnectionDetails,
  type ScimConnectionRow,
  updateConnection
} from '../../db/scim-connections.ts'
import { dropShadow } from '../../db/shadows.ts'
import { endRemoval, lockTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { conflict, notFound } from '../errors.ts'
import { type Actor, requireAdministrator, systemActor } from './actor.ts'
import { changedFacts } from './document-changes.ts'
import { forgetCredentials } from './forgetting.ts'
import { followGroups } from './group-roles.ts'
import { requireRoleWithin } from './guards.ts'
import { type Released, releaseResources } from './release.ts'

type ConnectionDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** What is left out stays as it is. */
interface ConnectionPatch {
  readonly name?: string
  readonly profile?: ScimProfile
  /** The limit of what its tokens may give and touch, including tokens in use. */
  readonly highestRole?: Role
  /** Replaces all of them: one that is left out falls back to the tenant's. */
  readonly brake?: BrakeSettings
}

/** @throws AppError not_found */
export async function getConnection(
  deps: ConnectionDeps,
  tenantId: number,
  connectionId: string
): Promise<ScimConnectionDetails> {
  const found = await findConnectionDetails(deps.db, tenantId, connectionId, deps.now())
  if (!found) throw notFound(`Connection ${connectionId}`)
  return found
}

/**
 * Changes a connection; its tokens follow at once, in every process.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found; conflict `connectionNameTaken`
 */
export async function changeConnection(
  deps: ConnectionDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string,
  patch: ConnectionPatch
): Promise<void> {
  requireAdministrator(actor, 'change connections')
  const now = deps.now()
  await inTenant(deps.db, tenantId, async (trx) => {
    const before = await lockForChange(trx, tenantId, connectionId)
    requireRoleWithin(actor.role, before.highest_role)
    const after = {
      ...before,
      name: patch.name ?? before.name,
      profile: patch.profile ?? before.profile,
      highest_role: patch.highestRole ?? before.highest_role,
      brake: patch.brake ?? before.brake
    }
    requireRoleWithin(actor.role, after.highest_role)
    const changed = changedFacts(factsOf(before), factsOf(after))
    if (Object.keys({ ...changed.before, ...changed.after }).length === 0) return
    if (after.name !== before.name && (await isNameTaken(trx, tenantId, connectionId, after.name))) {
      throw conflict(`Another connection is called ${after.name}`, 'connectionNameTaken')
    }
    await Promise.all([
      updateConnection(trx, tenantId, after),
      audit(trx, tenantId, actor, now, 'scimConnection.updated', before, changed),
      notifyChange(trx, { kind: 'credentials', tenantId })
    ])
    // the connection's memberships give no role above its highest
    if (after.highest_role !== before.highest_role && (await hasGroupRoles(trx, tenantId))) {
      await followGroups({ trx, tenantId, actor, now }, after.name)
    }
  })
  forgetCredentials(deps, tenantId)
}

/** What becomes of what a connection owned: `release`: everybody may change it; `keep`: read-only, as it was left. */
export const AFTER_REMOVAL = ['release', 'keep'] as const
type AfterRemoval = (typeof AFTER_REMOVAL)[number]

/**
 * Removes a connection. Its tokens end first, in a transaction of their own; what a request under way still makes is
 * released with the rest. Users and groups stay; the next provider that changes one with an externalId takes it on.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found
 */
export async function removeConnection(
  deps: ConnectionDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string,
  afterRemoval: AfterRemoval
): Promise<Released> {
  requireAdministrator(actor, 'remove connections')
  const now = deps.now()
  await inTenant(deps.db, tenantId, async (trx) => {
    const connection = await lockForChange(trx, tenantId, connectionId)
    requireRoleWithin(actor.role, connection.highest_role)
    await revokeTokensOf(trx, tenantId, connectionId, now)
    await notifyChange(trx, { kind: 'credentials', tenantId })
  })
  forgetCredentials(deps, tenantId)
  let dropped: number[] = []
  const release = async (trx: Trx): Promise<Released> => {
    const connection = await lockForChange(trx, tenantId, connectionId)
    dropped = await dropShadow(trx, tenantId, connectionId)
    const isKept = afterRemoval === 'keep'
    await rememberConnection(trx, tenantId, connectionId, isKept, now)
    const released = await releaseResources({ trx, tenantId, actor, now, connectionId, isKept })
    await Promise.all([
      deleteConnection(trx, tenantId, connectionId),
      audit(trx, tenantId, actor, now, 'scimConnection.removed', connection, {
        before: factsOf(connection),
        after: { releasedUsers: released.users, releasedGroups: released.groups, ...(isKept && { isKept }) }
      })
    ])
    if (await hasGroupRoles(trx, tenantId)) await followGroups({ trx, tenantId, actor, now }, connection.name)
    return released
  }
  const released = await retryRaces(() => inTenant(deps.db, tenantId, release))
  await endRemoval(deps.db, dropped)
  return released
}

/**
 * Releases what was kept of a removed connection.
 * @throws AppError forbidden `administratorOnly`; not_found where nothing is kept of it
 */
export async function releaseConnection(
  deps: ConnectionDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string
): Promise<Released> {
  requireAdministrator(actor, 'release what connections had')
  const now = deps.now()
  const release = async (trx: Trx): Promise<Released> => {
    // so that no undo gives anything back to it meanwhile
    await lockGroupRoles(trx, tenantId)
    const name = await endKeeping(trx, tenantId, connectionId)
    if (name === undefined) throw notFound(`Connection ${connectionId}`)
    const released = await releaseResources({ trx, tenantId, actor, now, connectionId, isKept: false })
    const after = { releasedUsers: released.users, releasedGroups: released.groups }
    await audit(
      trx,
      tenantId,
      actor,
      now,
      'scimConnection.keptReleased',
      { id: connectionId, name },
      { before: {}, after }
    )
    return released
  }
  return retryRaces(() => inTenant(deps.db, tenantId, release))
}

/** Longer than any request takes, and longer than clean-up is likely to be down. */
const STRAGGLERS_MS = 24 * 3_600_000

/**
 * A request under way while its connection was removed may have made something in its name: it goes the way of the
 * rest.
 * @returns how many users and groups
 */
export async function releaseStragglers({ db, now }: Pick<Deps, 'db' | 'now'>, tenantId: number): Promise<number> {
  const at = now()
  let count = 0
  for (const gone of await listStragglers(db, tenantId, new Date(at.getTime() - STRAGGLERS_MS))) {
    const { id: connectionId, name, is_kept: isKept } = gone
    const release = async (trx: Trx): Promise<number> => {
      await lockGroupRoles(trx, tenantId)
      const run = { trx, tenantId, actor: systemActor, now: at }
      const { users, groups } = await releaseResources({ ...run, connectionId, isKept })
      if (users + groups > 0 && (await hasGroupRoles(trx, tenantId))) await followGroups(run, name)
      return users + groups
    }
    count += await retryRaces(() => inTenant(db, tenantId, release))
  }
  return count
}

/** Locks the tenant's row before the connection's: no name is given twice, since whoever gives one waits. */
async function lockForChange(trx: Trx, tenantId: number, connectionId: string): Promise<ScimConnectionRow> {
  await lockGroupRoles(trx, tenantId)
  await lockTenant(trx, tenantId, 'for no key update')
  const connection = await lockConnection(trx, tenantId, connectionId)
  if (!connection) throw notFound(`Connection ${connectionId}`)
  return connection
}

const factsOf = ({ name, profile, highest_role, brake }: ScimConnectionRow): Record<string, unknown> => ({
  name,
  profile,
  highestRole: highest_role,
  ...(Object.keys(brake).length > 0 && { brake })
})

const audit = (
  trx: Trx,
  tenantId: number,
  actor: Actor,
  now: Date,
  action: string,
  connection: Pick<ScimConnectionRow, 'id' | 'name'>,
  facts: { before: Record<string, unknown>; after: Record<string, unknown> }
) =>
  insertAuditEvents(trx, tenantId, actor, now, [
    { action, targetType: 'scimConnection', targetId: connection.id, targetName: connection.name, ...facts }
  ])
