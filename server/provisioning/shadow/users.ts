// What becomes of users when a shadow goes live: some hundreds at once, with a fixed number of statements.
import { claimAddresses } from '../../../db/addresses.ts'
import type { UserRow } from '../../../db/schema.ts'
import { adoptInvitationsOf, insertShadowUsers, readUsers, restoreNames } from '../../../db/shadow-users.ts'
import type { ShadowUser, UserBase } from '../../../db/shadows.ts'
import { findTakenIdentities, lockUsers } from '../../../db/undo-users.ts'
import { isAbove } from '../actor.ts'
import { type Facts, factsOfUser } from '../history/facts.ts'
import { type ConflictReason, changedNames, conflictOf, type Reversed } from '../history/run.ts'
import { keepAuthority, refuseUsers, type UserPlan, writeUsers } from '../history/users.ts'
import { columnsOfUser, documentColumns, emailKeys, shownName, type UserDocument } from '../user-document.ts'
import { audit } from '../user-states.ts'
import {
  areSame,
  type Effect,
  type Merged,
  merge,
  refuseAll,
  type ShadowItem,
  type ShadowRun,
  toShadowItem,
  versionAfter
} from './run.ts'

/** A planned user; `real` is undefined where they are to be created, and where they are gone for good. */
interface PlannedUser {
  readonly shadow: ShadowUser
  readonly real: UserRow | undefined
  readonly merged: Merged
}

/** Plans users, seeing the tenant. Claims addresses, which a preview releases by rolling back. */
export async function planUsers(run: ShadowRun, users: readonly ShadowUser[]): Promise<PlannedUser[]> {
  const ids = users.filter(({ base }) => base).map(({ row }) => row.id)
  const rows = await (run.isPreview ? readUsers : lockUsers)(run.trx, run.tenantId, ids)
  const real = new Map(rows.map((row) => [row.id, row]))
  const planned = users.map((shadow) => planUser(run, shadow, real.get(shadow.row.id)))
  await refuseUsers(run.trx, run, planned.flatMap(changeOf))
  const made = planned.filter(isNew)
  await refuseTakenNames(run, made)
  for (const { merged } of made) if (merged.conflicts.length > 0) merged.after.clear()
  return planned
}

/** Writes what is planned. @returns the versions that users shall have when all is done */
export async function writePlannedUsers(
  run: ShadowRun,
  planned: readonly PlannedUser[]
): Promise<{ id: string; version: number }[]> {
  const { trx, tenantId, givers } = run
  const changes = planned.flatMap(changeOf)
  const changed = changes.filter(({ reversed }) => changedNames(reversed).length > 0)
  const kept = changes.filter((plan) => givers.has(plan.row.id) && !changed.includes(plan))
  await restoreNames(
    trx,
    tenantId,
    kept.map(({ row }) => ({ id: row.id, ...documentColumns(JSON.parse(row.doc)) }))
  )
  await takeAddressesBack(run, changes)
  await adopt(run, changed)
  if (changed.length > 0) await writeUsers(trx, run, changed, () => ({}))
  for (const plan of changed) {
    await followAddress(run, plan)
    await welcome(run, plan)
  }
  await makeUsers(run, planned.filter(isMade))
  return planned.flatMap(({ shadow, real, merged }) =>
    real ? [{ id: real.id, version: versionAfter(shadow.row, shadow.base, real, isAsShown(shadow, merged)) }] : []
  )
}

export function toUserItem({ shadow, merged }: PlannedUser): ShadowItem | undefined {
  if (changedNames(merged).length + merged.conflicts.length === 0) return undefined
  return toShadowItem('user', shadow.row.id, shownName(shadow.row), merged, effectOf(merged), shadow.base?.prefer)
}

/** The most important thing that happens to somebody. */
function effectOf(merged: Reversed): Effect | null {
  const { before, after } = merged
  const [from, to] = [before.get('state'), after.get('state')]
  if (changedNames(merged).length === 0) return null
  if ((from ?? 'removed') === 'removed') return to === 'removed' ? 'change' : 'create'
  if (to === 'removed') return 'remove'
  if (to === 'deactivated' && from !== to) return 'deactivate'
  return before.get('connectionId') !== after.get('connectionId') && after.get('connectionId') ? 'link' : 'change'
}

const isAsShown = ({ row }: ShadowUser, { after }: Reversed): boolean => areSame(factsOfUser(row), after)

/** Empty for somebody who is not in the tenant. */
const changeOf = ({ real, merged }: PlannedUser): UserPlan[] => (real ? [{ row: real, reversed: merged }] : [])
const isNew = ({ shadow }: PlannedUser) => shadow.base === undefined
const isMade = (plan: PlannedUser) => isNew(plan) && plan.merged.conflicts.length === 0

const factsOfBase = (base: UserBase): Facts => factsOfUser({ ...base, given_role: null } as unknown as UserRow)

function planUser(run: ShadowRun, shadow: ShadowUser, real: UserRow | undefined): PlannedUser {
  const { row, base } = shadow
  const wanted = factsOfUser(row)
  if (!base) {
    const merged = merge(new Map(), wanted, new Map())
    if (isAbove(row.given_role ?? row.role, run.ceiling)) refuseNew(merged, 'role', 'roleNotAllowed')
    return { shadow, real: undefined, merged }
  }
  const current = real ? factsOfUser(real) : new Map([['state', 'removed']])
  const merged = merge(factsOfBase(base), wanted, current, base.prefer ?? run.prefer)
  const isGone = !real || (real.state === 'removed' && base.state !== 'removed')
  if (isGone) refuseGone(merged, wanted)
  // nobody above the connection's highest role is touched
  else if (isAbove(real.role, run.ceiling)) refuseAll(merged, 'roleNotAllowed')
  if (merged.after.get('state') === 'removed') merged.after.set('locked', false)
  keepAuthority(merged)
  return { shadow, real, merged }
}

/** Somebody was removed meanwhile, and stays removed. */
function refuseGone(merged: Reversed, wanted: Facts): void {
  merged.conflicts.length = 0
  for (const name of changedNames(merged)) {
    if (merged.before.has(name)) merged.after.set(name, merged.before.get(name))
    else merged.after.delete(name)
  }
  if (wanted.get('state') !== 'removed') merged.conflicts.push(conflictOf('state', 'userRemoved', wanted.get('state')))
}

/** Refuses to create somebody. */
function refuseNew(merged: Reversed, attribute: string, reason: ConflictReason): void {
  merged.conflicts.push(conflictOf(attribute, reason, merged.after.get(attribute)))
}

const ATTRIBUTES = { userName: 'userName', externalId: 'externalId', address: 'emails' } as const

/** Refuses to create users whose names others have by now, also in another tenant. */
async function refuseTakenNames({ trx, tenantId }: ShadowRun, planned: readonly PlannedUser[]): Promise<void> {
  const wanted = new Map(
    planned.filter(({ merged }) => merged.conflicts.length === 0).map((plan) => [plan.shadow.row.id, plan])
  )
  if (wanted.size === 0) return
  const taken = await findTakenIdentities(
    trx,
    tenantId,
    [...wanted.values()].map(({ shadow }) => shadow.row)
  )
  for (const { id, what } of taken) {
    const plan = wanted.get(id)
    if (plan) refuseNew(plan.merged, ATTRIBUTES[what], `${what}Taken`)
    wanted.delete(id)
  }
  const claims = [...wanted.values()].flatMap(({ shadow: { row } }) =>
    row.email_key === null ? [] : [{ address_key: row.email_key, user_id: row.id }]
  )
  const holders = await claimAddresses(trx, tenantId, claims)
  for (const { address_key, user_id } of claims) {
    if (holders.get(address_key) !== user_id) refuseNew(wanted.get(user_id)!.merged, 'emails', 'addressTaken')
  }
}

/** Gives an address back to those who were to give it up and keep it after all. */
async function takeAddressesBack({ trx, tenantId, givers }: ShadowRun, plans: readonly UserPlan[]): Promise<void> {
  const claims = plans.flatMap(({ row, reversed: { after } }) => {
    const isKept = givers.has(row.id) && row.state !== 'removed' && after.get('state') !== 'removed'
    const isSame = isKept && !changedEmail(row, after)
    return isSame && row.email_key !== null ? [{ address_key: row.email_key, user_id: row.id }] : []
  })
  await claimAddresses(trx, tenantId, claims)
}

const changedEmail = (row: UserRow, after: Facts) => emailOf(row, after).email_key !== row.email_key

const emailOf = (row: UserRow, after: Facts) => columnsOfUser(Object.fromEntries(after) as unknown as UserDocument, row)

/** Ends the invitations of people whom the identity provider activates, as its request would. */
async function adopt({ trx, tenantId, actor, now }: ShadowRun, plans: readonly UserPlan[]): Promise<void> {
  const adopted = plans.filter(
    ({ row, reversed }) => row.state === 'invited' && reversed.after.get('state') === 'active'
  )
  if (adopted.length === 0) return
  const at = now()
  const ended = await adoptInvitationsOf(
    trx,
    tenantId,
    adopted.map(({ row }) => row.id),
    at
  )
  const emails = new Map(adopted.map(({ row }) => [row.id, row.email]))
  await audit(
    { trx, tenantId, actor, now: at },
    ended.map(({ id, user_id }) => ({
      action: 'invitation.adopted',
      targetType: 'invitation',
      targetId: id,
      targetName: emails.get(user_id) ?? null,
      before: { state: 'pending' },
      after: { state: 'adopted' }
    }))
  )
}

async function followAddress({ trx, follow }: ShadowRun, { row, reversed: { after } }: UserPlan): Promise<void> {
  if (row.state === 'removed' || after.get('state') === 'removed' || !changedEmail(row, after)) return
  const { email } = emailOf(row, after)
  await follow.addressMoved(trx, { id: row.id, email, mustResetPassword: row.must_reset_password })
}

/** Welcomes somebody who first comes by the identity provider, or comes back, like a new user. */
async function welcome({ trx, follow }: ShadowRun, { row, reversed: { after } }: UserPlan): Promise<void> {
  const comes = (row.state === 'invited' || row.state === 'removed') && after.get('state') === 'active'
  if (comes) await follow.made?.(trx, { ...row, state: 'active', groups: null }, emailOf(row, after).email)
}

async function makeUsers(run: ShadowRun, planned: readonly PlannedUser[]): Promise<void> {
  if (planned.length === 0) return
  const { trx, tenantId, actor, follow } = run
  const now = run.now()
  const rows = planned.map(({ shadow: { row } }) => ({ ...row, role: row.given_role ?? row.role, given_role: null }))
  await insertShadowUsers(
    trx,
    tenantId,
    rows,
    rows.flatMap(({ id, doc }) =>
      emailKeys(JSON.parse(doc) as UserDocument).map((value_key) => ({ user_id: id, value_key }))
    ),
    now
  )
  await audit(
    { trx, tenantId, actor, now },
    rows.map((row) => {
      const { user_name: userName, email, external_id, role, state } = row
      const after = { userName, email, ...(external_id !== null && { externalId: external_id }), role, state }
      return { action: 'user.created', targetType: 'user', targetId: row.id, targetName: shownName(row), after }
    })
  )
  for (const row of rows) await follow.made?.(trx, { ...row, groups: null }, row.email)
}
