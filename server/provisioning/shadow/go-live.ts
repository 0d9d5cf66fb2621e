// What a shadow would do to its tenant, and doing it: both go the same way through users, groups and members.
import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { releaseAddressesOf } from '../../../db/addresses.ts'
import { inTenant, type Trx } from '../../../db/connect.ts'
import { violatedConstraint } from '../../../db/failures.ts'
import { lockNesting } from '../../../db/group-children.ts'
import { lockGroupRoles } from '../../../db/group-roles.ts'
import { retryRaces } from '../../../db/races.ts'
import type { Preference } from '../../../db/schema.ts'
import { readConnection, type ScimConnectionRow } from '../../../db/scim-connections.ts'
import { setGroupVersions } from '../../../db/shadow-groups.ts'
import { countPairs, readNamedPairs } from '../../../db/shadow-members.ts'
import { givePasswords, setUserVersions } from '../../../db/shadow-users.ts'
import {
  carryConflicts,
  forgetShadow,
  lockShadow,
  readGivingUp,
  readShadowPasswords,
  readShadowUsers,
  type ShadowUser
} from '../../../db/shadows.ts'
import { closeShadow, removeShadow, seeTenant } from '../../../db/tenants.ts'
import { parkIdentities } from '../../../db/undo-users.ts'
import { AppError, conflict, notFound, unavailable } from '../../errors.ts'
import { type Actor, requireAdministrator } from '../actor.ts'
import { endWithPassword } from '../ending.ts'
import { forgetCredentials } from '../forgetting.ts'
import { followRoles } from '../history/roles.ts'
import { audit, userEvent } from '../user-states.ts'
import { planGroups, toGroupItem, writeGroups } from './groups.ts'
import { type MemberCounts, moveMembers } from './members.ts'
import { EFFECTS, type Effect, MAX_NAMED, type ShadowFollow, type ShadowItem, type ShadowRun } from './run.ts'
import { closeForGoingLive, getLocked, getShadow, reopenShadow, type ShadowDeps, shadowIdOf, tellOf } from './shadow.ts'
import { planUsers, toUserItem, writePlannedUsers } from './users.ts'

type Effects = Record<Effect, number>

/** What going live amounts to. */
interface ShadowCounts {
  readonly users: Effects
  readonly groups: Effects
  readonly memberships: MemberCounts
  /** Users and groups of which something, or everything, stays as it is. */
  readonly conflicts: number
}

/** Users per statement. */
const CHUNK = 500
/** How long requests are told to try again; a process that ends before it is done leaves the shadow as it was. */
const CLOSED_MS = 10 * 60_000
const NAME_KEYS = ['users_user_name_key', 'users_external_id_key', 'groups_display_name_key', 'groups_external_id_key']
/** How long a preview waits for others who change the same people, and for another preview of the same shadow. */
const PREVIEW_LOCK_MS = 20_000

interface GoingLive {
  readonly connectionId: string
  /** The counts that the administrator has seen; where they differ by now, nothing is done. */
  readonly expected?: ShadowCounts
  readonly prefer: Preference
  readonly follow: ShadowFollow
}

/**
 * Does in the tenant what the identity provider did in the shadow, in one transaction: everything except conflicts,
 * under the ids and versions that the identity provider was given. From then on its tokens change the tenant.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found; conflict `notInShadow`, `shadowGone`,
 *   `goingLive`, `shadowChanged`, `namesCollide`
 */
export async function goLive(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  given: GoingLive
): Promise<ShadowCounts> {
  requireAdministrator(actor, 'have a connection go live')
  const { connectionId } = given
  const until = new Date(deps.now().getTime() + CLOSED_MS)
  await closeForGoingLive(deps, tenantId, actor, connectionId, until)
  let shadowId: number
  let counts: ShadowCounts
  try {
    ;[shadowId, counts] = await retryRaces(
      () => inTenant(deps.db, tenantId, (trx) => goLiveWithin(trx, deps, tenantId, actor, given)),
      // somebody has taken a name since it was checked
      NAME_KEYS
    )
  } catch (error) {
    await reopenShadow(deps, tenantId, connectionId)
    throw NAME_KEYS.includes(violatedConstraint(error) ?? '') ? namesCollide(error) : error
  }
  forgetCredentials(deps, tenantId)
  // what is left of the shadow has no effect any more; clean-up finds it, too
  await removeShadow(deps.db, shadowId).catch((error) =>
    deps.log.warn({ err: error, tenantId }, 'a shadow that went live was not deleted')
  )
  return counts
}

async function goLiveWithin(
  trx: Trx,
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  { connectionId, expected, follow, prefer }: GoingLive
): Promise<[shadowId: number, ShadowCounts]> {
  const now = deps.now()
  await sql`set local statement_timeout = 0`.execute(trx)
  await lockNesting(trx, tenantId)
  await lockGroupRoles(trx, tenantId)
  const connection = await getLocked(trx, tenantId, actor, connectionId)
  const shadow = await lockShadow(trx, tenantId, connectionId)
  const shadowId = shadowIdOf(shadow ?? (await getShadow(deps, tenantId, connectionId)))
  await closeShadow(trx, shadowId)
  const run = await beginRun(trx, deps, tenantId, { shadowId, connection, actor, isPreview: false, follow, prefer })
  const written = await runThrough(run)
  if (expected && !isDeepStrictEqual(expected, written.counts)) throw shadowChanged(written.counts)
  await followRoles(trx, run)
  await passOnPasswords(run, written.untouchable)
  await setUserVersions(trx, tenantId, written.userVersions)
  await setGroupVersions(trx, tenantId, written.groupVersions)
  await carryConflicts(trx, tenantId, shadowId, connectionId)
  await forgetShadow(trx, tenantId, connectionId)
  await tellOf(trx, tenantId, actor, connection, 'scimConnection.wentLive', now, { ...written.counts })
  return [shadowId, written.counts]
}

/** Somebody keeps a name because of a conflict, and somebody else was to get it. */
const namesCollide = (cause: unknown): AppError =>
  new AppError(
    'conflict',
    'Somebody who is in conflict keeps a name that another one shall have: rename them here first',
    {
      reason: 'namesCollide',
      cause
    }
  )

const shadowChanged = (counts: ShadowCounts): AppError =>
  conflict('It would come to something else by now: look at it again', 'shadowChanged', { counts })

/** What going live would do just now. @throws AppError not_found; conflict `notInShadow`, `shadowGone` */
export const previewShadow = (
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  connectionId: string,
  prefer: Preference
): Promise<ShadowCounts> =>
  preview(deps, tenantId, actor, { connectionId, prefer }, async (run) => (await runThrough(run)).counts)

/** What a preview is of. */
export interface Shown {
  readonly connectionId: string
  readonly prefer: Preference
}

/** Which items are listed. */
type ItemFilter = Effect | 'conflict'

/**
 * Users by id: those whom something happens to, or who are in conflict.
 * @param page.after the last id of the page before
 */
export const listShadowUsers = (
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  shown: Shown,
  page: { filter?: ItemFilter; after?: string; limit: number }
): Promise<ShadowItem[]> =>
  preview(deps, tenantId, actor, shown, async (run) => {
    const items: ShadowItem[] = []
    for (let after = page.after; items.length < page.limit; ) {
      const users = await readUsersOf(run, after, page.filter)
      const planned = await planUsers(run, users)
      items.push(
        ...planned
          .map(toUserItem)
          .filter((item) => item !== undefined)
          .filter(isWanted(page.filter))
      )
      after = users.at(-1)?.row.id
      if (users.length < CHUNK) break
    }
    return withMemberships(run, 'user', items.slice(0, page.limit))
  })

/** Groups by id, including those of which only the members change. */
export const listShadowGroups = (
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  shown: Shown,
  page: { filter?: ItemFilter; after?: string; limit: number }
): Promise<ShadowItem[]> =>
  preview(deps, tenantId, actor, shown, async (run) => {
    const planned = await planGroups(run)
    const counts = new Map(
      (await inShadow(run, countPairs)).map(({ group_id, joined, left }) => [group_id, { joined, left }])
    )
    const items = planned
      .map((plan) => toGroupItem(plan, counts.get(plan.id)))
      .filter((item) => item !== undefined)
      .filter(isWanted(page.filter))
      .filter(({ id }) => page.after === undefined || id > page.after)
      .sort((one, other) => (one.id < other.id ? -1 : 1))
    return withMemberships(run, 'group', items.slice(0, page.limit))
  })

/** Adds the groups that users join and leave, or the users who join and leave groups. */
async function withMemberships(
  run: ShadowRun,
  kind: ShadowItem['kind'],
  items: readonly ShadowItem[]
): Promise<ShadowItem[]> {
  const ids = items.map(({ id }) => id)
  const of = kind === 'user' ? { userIds: ids } : { groupIds: ids }
  const pairs = await inShadow(run, (trx, shadowId) => readNamedPairs(trx, shadowId, of, MAX_NAMED))
  const named = Map.groupBy(pairs, (pair) => (kind === 'user' ? pair.member_id : pair.group_id))
  return items.map((item) => {
    const own = item.effect === 'remove' ? [] : (named.get(item.id) ?? [])
    const memberships = own.map(({ group_id, group_name, member_id, member_name, change }) =>
      kind === 'user' ? { id: group_id, name: group_name, change } : { id: member_id, name: member_name, change }
    )
    const count = (wanted: string) => memberships.filter(({ change }) => change === wanted).length
    const counts = kind === 'user' ? { joined: count('joined'), left: count('left') } : item.membershipCounts
    return { ...item, memberships, membershipCounts: counts }
  })
}

async function inShadow<T>(
  { trx, tenantId, shadowId }: ShadowRun,
  read: (trx: Trx, shadowId: number) => Promise<T>
): Promise<T> {
  await seeTenant(trx, shadowId)
  const found = await read(trx, shadowId)
  await seeTenant(trx, tenantId)
  return found
}

const isWanted =
  (filter: ItemFilter | undefined) =>
  ({ effect, conflicts, isContested }: ShadowItem): boolean =>
    filter === undefined || (filter === 'conflict' ? conflicts.length > 0 || isContested : effect === filter)

class RolledBack<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('only looked at')
    this.result = result
  }
}

const LOCK_NOT_AVAILABLE = '55P03'

async function preview<T>(
  deps: ShadowDeps,
  tenantId: number,
  actor: Actor,
  { connectionId, prefer }: Shown,
  work: (run: ShadowRun) => Promise<T>
): Promise<T> {
  requireAdministrator(actor, 'look at what a connection would do')
  const shadowId = shadowIdOf(await getShadow(deps, tenantId, connectionId))
  try {
    return await inTenant(deps.db, tenantId, async (trx) => {
      await sql`select set_config('lock_timeout', ${String(PREVIEW_LOCK_MS)}, true)`.execute(trx)
      const connection = await readConnection(trx, tenantId, connectionId)
      if (!connection) throw notFound(`Connection ${connectionId}`)
      const follow: ShadowFollow = { addressMoved: async () => {}, made: undefined }
      const run = await beginRun(trx, deps, tenantId, { shadowId, connection, actor, isPreview: true, follow, prefer })
      throw new RolledBack(await work(run))
    })
  } catch (error) {
    if (error instanceof RolledBack) return error.result as T
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error
    throw unavailable('Somebody is changing the same people just now: try again in a moment', error)
  }
}

interface RunFacts {
  readonly shadowId: number
  readonly connection: ScimConnectionRow
  readonly actor: Actor
  readonly isPreview: boolean
  readonly follow: ShadowFollow
  readonly prefer: Preference
}

/** Puts names and addresses that are given up aside first, so that their new holder may come before the old one. */
async function beginRun(
  trx: Trx,
  { now }: ShadowDeps,
  tenantId: number,
  { shadowId, connection, actor, isPreview, follow, prefer }: RunFacts
): Promise<ShadowRun> {
  await seeTenant(trx, shadowId)
  const giving = await readGivingUp(trx, shadowId)
  await seeTenant(trx, tenantId)
  const idsOf = (wanted: 'name' | 'address') => giving.filter(({ what }) => what === wanted).map(({ id }) => id)
  await parkIdentities(trx, tenantId, idsOf('name'))
  await releaseAddressesOf(trx, tenantId, idsOf('address'))
  const { id, profile, highest_role } = connection
  return {
    trx,
    tenantId,
    shadowId,
    connectionId: id,
    ceiling: highest_role,
    givers: new Set(giving.map((one) => one.id)),
    isPreview,
    follow,
    prefer,
    // done as the connection; events name the administrator
    actor: { ...actor, scim: { connectionId: id, tokenId: null, profile } },
    now
  }
}

interface Written {
  readonly counts: ShadowCounts
  readonly userVersions: { id: string; version: number }[]
  readonly groupVersions: { id: string; version: number }[]
  /** Users who stay unchanged, because they are above the connection's highest role. */
  readonly untouchable: ReadonlySet<string>
}

async function runThrough(run: ShadowRun): Promise<Written> {
  const tally = { users: noEffects(), groups: noEffects(), conflicts: 0 }
  const made = new Set<string>()
  const untouchable = new Set<string>()
  const userVersions: { id: string; version: number }[] = []
  const count = (effects: Effects, item: ShadowItem | undefined) => {
    if (!item) return
    if (item.effect) effects[item.effect]++
    if (item.effect === 'create') made.add(item.id)
    if (item.conflicts.length > 0) tally.conflicts++
    if (item.conflicts.some(({ reason }) => reason === 'roleNotAllowed')) untouchable.add(item.id)
  }
  for (let after: string | undefined; ; ) {
    const users = await readUsersOf(run, after)
    const planned = await planUsers(run, users)
    for (const plan of planned) count(tally.users, toUserItem(plan))
    if (!run.isPreview) userVersions.push(...(await writePlannedUsers(run, planned)))
    after = users.at(-1)?.row.id
    if (users.length < CHUNK) break
  }
  const groups = await planGroups(run)
  for (const plan of groups) count(tally.groups, toGroupItem(plan))
  const groupVersions = run.isPreview ? [] : await writeGroups(run, groups)
  const { counts: memberships, incomplete } = await moveMembers(run, made)
  const { users: userEffects, groups: groupEffects, conflicts } = tally
  return {
    counts: { users: userEffects, groups: groupEffects, memberships, conflicts },
    userVersions,
    // a group that lacks members is not the one that clients know by that version
    groupVersions: groupVersions.map(({ id, version }) => ({ id, version: version + Number(incomplete.has(id)) })),
    untouchable
  }
}

const noEffects = (): Effects => Object.fromEntries(EFFECTS.map((effect) => [effect, 0])) as Effects

function readUsersOf(run: ShadowRun, after: string | undefined, effect?: ItemFilter): Promise<ShadowUser[]> {
  return inShadow(run, (trx, shadowId) => readShadowUsers(trx, shadowId, { limit: CHUNK, after, effect }))
}

async function passOnPasswords(run: ShadowRun, untouchable: ReadonlySet<string>): Promise<void> {
  const { trx, tenantId, actor } = run
  const passwords = await inShadow(run, readShadowPasswords)
  const given = passwords.filter(({ user_id }) => !untouchable.has(user_id))
  for (let start = 0; start < given.length; start += CHUNK) {
    const now = run.now()
    const users = await givePasswords(trx, tenantId, given.slice(start, start + CHUNK), now)
    await endWithPassword(
      trx,
      tenantId,
      users.map(({ id }) => id),
      now
    )
    await audit(
      { trx, tenantId, actor, now },
      users.map((user) => userEvent('user.updated', user, {}, { passwordSet: true }))
    )
  }
}
