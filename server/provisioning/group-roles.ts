// Groups give roles: a tenant maps groups to roles, and whoever is in such a group, directly or through a nested one,
// has at least that role. Everybody also has a role of their own; the higher of the two counts, and users.role holds
// it. It is updated in the transaction that changes what it depends on: a membership, a nesting, the mapping, a
// connection's highest role. One transaction at a time does so in a tenant; tenants without a mapping pay nothing.
//
// A change of members that changes roles counts as a change of roles: of people only an administrator may make it, a
// token may make it only for people within its highest role, and the last administrator stays.
import { type RawBuilder, sql } from 'kysely'
import { type AuditEvent, insertAuditEvents } from '../../db/audit.ts'
import { type Db, inTenant, readInTenant, type Trx } from '../../db/connect.ts'
import {
  drainMemberChanges,
  type GroupRole,
  lockAffected,
  lockGroupRoles,
  previewRoles,
  type RoleChange,
  replaceGroupRoles,
  writeRoles
} from '../../db/group-roles.ts'
import { notifyChange } from '../../db/listen.ts'
import { retryRaces } from '../../db/races.ts'
import type { Role, TenantRow, UserPatch, UserRow } from '../../db/schema.ts'
import { lockTenant, updateTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { forbidden, invalid, notFound } from '../errors.ts'
import { type Actor, isAbove, requireAdministrator } from './actor.ts'
import { notifyIfSignedIn } from './ending.ts'
import { forgetCredentials, forgetTenant } from './forgetting.ts'
import { isCountedAdministrator, requireNotSelf, requireOtherAdministrator, requireRoleWithin } from './guards.ts'
import { shownName } from './user-document.ts'
import type { UserChange } from './user-states.ts'

/** The event for somebody whose role has changed with their groups; it follows from another event. */
export const GROUP_ROLE_CHANGED = 'user.groupRoleChanged'

/** The role that somebody has without their groups. */
export const ownRoleOf = (user: Pick<UserRow, 'role' | 'given_role'>): Role => user.given_role ?? user.role

/** Gives somebody a role of their own; followGroups then decides which role counts. */
export const ownRolePatch = (user: Pick<UserRow, 'given_role'>, role: Role): UserPatch =>
  user.given_role === null ? { role } : { given_role: role }

/**
 * Brings roles in line with the groups; the caller holds lockGroupRoles.
 * @param because the name of the group whose change is the reason, for the audit log
 * @param affected a select of user ids; everybody where it is left out
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`, `notYourself`, `lastAdministrator`
 */
export async function followGroups(
  change: UserChange,
  because: string | undefined,
  affected?: RawBuilder<unknown>
): Promise<RoleChange[]> {
  const { trx, tenantId, actor, now } = change
  if (affected) await lockAffected(trx, tenantId, affected)
  const changes = await writeRoles(trx, tenantId, affected, now)
  if (changes.length === 0) return changes
  for (const one of changes) requireChangeable(actor, one)
  const leaving = changes
    .filter(
      ({ before, after, state, locked }) => isCountedAdministrator({ role: before, state, locked }) && after !== before
    )
    .map(({ user_id }) => user_id)
  if (leaving.length > 0) await requireOtherAdministrator(trx, tenantId, leaving)
  await Promise.all([
    insertAuditEvents(
      trx,
      tenantId,
      actor,
      now,
      changes.map((one) => eventOf(one, because))
    ),
    notifyIfSignedIn(
      trx,
      tenantId,
      changes.map(({ user_id }) => user_id)
    )
  ])
  return changes
}

function requireChangeable(actor: Actor, { user_id, before, after }: RoleChange): void {
  if (actor.kind === 'system') return
  if (!actor.scim) {
    requireAdministrator(actor, 'change members of groups that give roles')
    if (isAbove(before, after)) requireNotSelf(actor, user_id, 'lower your own role')
    return
  }
  if (isAbove(before, actor.role)) {
    throw forbidden(
      `This would change the role of a ${before}, which is above ${actor.role}, the highest that this token may change`,
      'roleNotAllowed',
      { ceiling: actor.role }
    )
  }
}

const eventOf = (one: RoleChange, because: string | undefined): AuditEvent => ({
  action: GROUP_ROLE_CHANGED,
  targetType: 'user',
  targetId: one.user_id,
  targetName: shownName(one),
  before: { role: one.before },
  after: { role: one.after, givenBy: one.group_name ?? 'their own role', ...(because && { because }) }
})

type GroupRolesDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** Whose roles a mapping would change if it were the tenant's. @throws AppError forbidden, as for changeGroupRoles */
export function previewGroupRoles(
  deps: GroupRolesDeps,
  tenantId: number,
  actor: Actor,
  mapping: readonly GroupRole[]
): Promise<RoleChange[]> {
  requireMapping(actor, mapping)
  return previewRoles(deps.db, tenantId, mapping)
}

/** How long a process that does not hear of changes goes on trusting what it knows of a tenant. */
const DEAF_MS = 1_000

/**
 * Replaces the tenant's mapping. Waits for changes of members that began before every process knew of the first
 * mapping.
 * @returns whose role has changed
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`, `notYourself`, `lastAdministrator`; invalid
 *   `groupTwice`; not_found for a group
 */
export async function changeGroupRoles(
  deps: GroupRolesDeps,
  { id: tenantId, subdomain }: { readonly id: number; readonly subdomain: string },
  actor: Actor,
  mapping: readonly GroupRole[]
): Promise<RoleChange[]> {
  requireMapping(actor, mapping)
  await requireGroups(deps.db, tenantId, mapping)
  const isNew = mapping.length > 0 && (await announce(deps, tenantId))
  if (isNew) await new Promise((resolve) => setTimeout(resolve, DEAF_MS))
  const changes = await retryRaces(() =>
    inTenant(deps.db, tenantId, async (trx) => {
      await lockGroupRoles(trx, tenantId)
      const groups = await replaceGroupRoles(trx, tenantId, mapping)
      await drainMemberChanges(trx, tenantId)
      const now = deps.now()
      const changed = await followGroups({ trx, tenantId, actor, now }, undefined)
      const named = new Map(groups.map(({ id, display_name }) => [id, display_name]))
      await insertAuditEvents(trx, tenantId, actor, now, [
        {
          action: 'tenant.groupRolesChanged',
          targetType: 'tenant',
          targetId: null,
          targetName: subdomain,
          after: {
            groupRoles: mapping.map(({ groupId, role }) => `${named.get(groupId)}: ${role}`),
            changedRoles: changed.length
          }
        }
      ])
      // no role comes from a group any more, so changes of members need not check
      if (mapping.length === 0) await setFlag(trx, await getTenant(trx, tenantId), false, now)
      return changed
    })
  )
  forgetTenant(deps, subdomain)
  forgetCredentials(deps, tenantId)
  return changes
}

/** Runs before anything is announced; removing a group meanwhile takes it out of the mapping. */
async function requireGroups(db: Db, tenantId: number, mapping: readonly GroupRole[]): Promise<void> {
  const ids = mapping.map(({ groupId }) => groupId)
  const rows = await readInTenant<{ id: string }>(
    db,
    tenantId,
    sql<{ id: string }>`select id from groups where tenant_id = ${tenantId} and id = any(${ids}::uuid[])`
  )
  const found = new Set(rows.map(({ id }) => id))
  const missing = ids.find((id) => !found.has(id))
  if (missing) throw notFound(`Group ${missing}`)
}

function requireMapping(actor: Actor, mapping: readonly GroupRole[]): void {
  requireAdministrator(actor, 'map groups to roles')
  for (const { role } of mapping) requireRoleWithin(actor.role, role)
  if (new Set(mapping.map(({ groupId }) => groupId)).size < mapping.length) {
    throw invalid('A group gives one role: name it once', 'groupTwice')
  }
}

/** Tells every process that groups give roles from now on. @returns false where they know already */
async function announce(deps: GroupRolesDeps, tenantId: number): Promise<boolean> {
  const tenant = await inTenant(deps.db, tenantId, async (trx) => {
    const found = await getTenant(trx, tenantId)
    if (found.settings.groupRoles) return undefined
    await setFlag(trx, found, true, deps.now())
    return found
  })
  if (tenant) forgetTenant(deps, tenant.subdomain)
  return tenant !== undefined
}

async function getTenant(trx: Trx, tenantId: number): Promise<TenantRow> {
  const tenant = await lockTenant(trx, tenantId, 'for no key update')
  if (!tenant) throw notFound('Tenant')
  return tenant
}

async function setFlag(trx: Trx, { id, subdomain, settings }: TenantRow, isOn: boolean, now: Date): Promise<void> {
  const { groupRoles: _, ...others } = settings
  await updateTenant(trx, id, { settings: isOn ? { ...others, groupRoles: true } : others }, now)
  await notifyChange(trx, { kind: 'tenant', subdomain })
}
