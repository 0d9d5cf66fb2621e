// Creates users for identity providers. Most are new and inserted together. On a collision, it depends on who is in the
// way: a pending invitation is adopted, a member whom no connection manages is linked, a removed user comes back; the
// rest awaits an administrator's decision (arrival-conflicts.ts), or is refused as taken.
import { releaseAddresses } from '../../db/addresses.ts'
import { connectionOf } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { setPasswordHash } from '../../db/credentials.ts'
import { expirePasswordResets } from '../../db/password-resets.ts'
import { retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { UserPatch, UserRow, UserState } from '../../db/schema.ts'
import { deleteConflict, lockDecision } from '../../db/scim-conflicts.ts'
import {
  type ArrivalKeys,
  type Candidates,
  claimAddress,
  getScimUser,
  insertUser,
  lockCandidates,
  type ScimUserRow
} from '../../db/scim-users.ts'
import { replaceUserEmails, updateUser } from '../../db/users.ts'
import { isAbove } from './actor.ts'
import { endByAdoption } from './adoption.ts'
import { ArrivalConflict, subjectOf } from './arrival-conflicts.ts'
import { type Arrival, arrivalKeys, obstacleTo, planArrival } from './arrivals.ts'
import { authorityAfterWrite, authorityFacts, NO_EXCEPTIONS, ownWrite, withOthersKept } from './authority.ts'
import { changedFacts } from './document-changes.ts'
import { endWithPassword, notifyIfSignedIn } from './ending.ts'
import { forgetCredentials } from './forgetting.ts'
import { ownRoleOf, ownRolePatch } from './group-roles.ts'
import { isCountedAdministrator, requireOtherAdministrator, requireRoleWithin } from './guards.ts'
import { takenError } from './scim-conflicts.ts'
import { type RoleDecision, roleOfAdopted, roleOfNew } from './scim-roles.ts'
import { createTogether } from './scim-user-batch.ts'
import { madeRow, type NewUser, newUserRows, stateOf } from './scim-user-new.ts'
import { followGroupsOf, type ScimWriter, stepOf, translateConflicts } from './scim-users.ts'
import {
  columnsOfUser,
  type DocumentColumns,
  documentColumns,
  emailKeys,
  type UserDocument,
  withRole
} from './user-document.ts'
import { activate, audit, deactivate, userEvent } from './user-states.ts'

const MAX_ATTEMPTS = 3

/**
 * Creates a user, who needs no invitation to be active.
 * - Somebody with a pending invitation for the address (or the userName) is adopted: the same id, the invitation ended,
 *   the role kept unless one is given.
 * - Somebody who signs in by the address, and is managed by no connection, is linked: the same id, and sessions,
 *   password, groups and role stay; a password that is sent ends the sessions.
 * - Somebody who was removed here and had the address comes back: the same id, a clean profile, no old credentials; if
 *   they could sign in before, they need a new password first.
 * @throws ArrivalConflict where a person has to say who somebody is; AppError uniqueness where the userName, the
 *   externalId or the address is taken; forbidden `roleNotAllowed`, `lastAdministrator`; HeldBack
 */
export async function createUser(writer: ScimWriter, user: NewUser): Promise<ScimUserRow> {
  const decision = roleOfNew(user.document, writer.actor.role)
  requireRoleWithin(writer.actor.role, decision.role)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const made = (await createTogether(writer, user)) ?? (await makeAmongOthers(writer, user, decision))
    if (made) return made
  }
  throw takenError('userName')
}

class InTheWay extends Error {}

async function insert(
  trx: Trx,
  writer: ScimWriter,
  user: NewUser,
  decision: RoleDecision,
  apart?: { isApart: boolean; apartKey: string | null }
): Promise<ScimUserRow> {
  const made = newUserRows(writer, user, decision, apart)
  const { id, email, email_key } = made.row
  const [, isMade] = await Promise.all([
    email_key !== null && claimAddress(trx, writer.tenant.id, id, email_key),
    insertUser(trx, writer.tenant.id, made)
  ])
  if (!isMade) throw new InTheWay()
  const row = madeRow(made)
  await user.afterwards?.(trx, row, email)
  return row
}

/** A user who was created, or whom somebody who was here has become. */
interface Made {
  readonly row: ScimUserRow
  readonly isJoined: boolean
}

/** @returns undefined where what was in the way is gone, and the user can be created after all */
async function makeAmongOthers(
  writer: ScimWriter,
  user: NewUser,
  decision: RoleDecision
): Promise<ScimUserRow | undefined> {
  const made = await translateConflicts(writer, () =>
    transact(writer, (trx) => makeWithin(trx, writer, user, decision))
  )
  // what is remembered with sessions may have changed
  if (made?.isJoined) forgetCredentials(writer.deps, writer.tenant.id)
  return made?.row
}

async function makeWithin(trx: Trx, writer: ScimWriter, user: NewUser, decision: RoleDecision): Promise<Made> {
  const keys = arrivalKeys(writer.actor, user.document)
  const candidates = await lockCandidates(trx, writer.tenant.id, keys)
  const arrival = planArrival(writer.actor, candidates)
  switch (arrival.kind) {
    case 'join':
      return { row: await join(trx, writer, user, arrival.user), isJoined: true }
    case 'revive':
      return { row: await revive(trx, writer, user, arrival.user, decision), isJoined: false }
    case 'taken':
      throw takenError(arrival.what)
    case 'judge':
      return makeAsJudged(trx, writer, user, { keys, candidates, arrival, decision })
    case 'new':
      // the insert tells which key is violated, if one still is
      return { row: await insert(trx, writer, user, decision), isJoined: false }
  }
}

/**
 * Carries out an administrator's decision about a user whom no rule can identify.
 * @throws ArrivalConflict where nothing is decided, or the decision does not fit any longer
 */
async function makeAsJudged(
  trx: Trx,
  writer: ScimWriter,
  user: NewUser,
  asked: {
    keys: ArrivalKeys
    candidates: Candidates
    arrival: Arrival & { kind: 'judge' }
    decision: RoleDecision
  }
): Promise<Made> {
  const { keys, arrival, decision } = asked
  const { holder, named, known } = asked.candidates
  const { reason, people } = arrival
  const subject = subjectOf(keys, user.active)
  const judged = await lockDecision(trx, writer.tenant.id, keys.connectionId!, subject, writer.now)
  const isAdoption = judged?.decision === 'adopt'
  const self = isAdoption ? people.find(({ id }) => id === judged.adopt_id) : undefined
  const isDecided = judged?.decision === 'apart' || self !== undefined
  const obstacles = { holder: inTheWay(holder), named: inTheWay(named), known: inTheWay(known) }
  if (!isDecided || obstacleTo(obstacles, self?.id)) {
    const isIgnored = judged?.decision === 'ignore'
    const isOwnScope = writer.view.connectionId !== undefined
    throw new ArrivalConflict({ reason, people, keys, user, isIgnored, isOwnScope })
  }
  if (named && named !== self) await giveUpUserName(trx, writer, named)
  await deleteConflict(trx, writer.tenant.id, judged!.id)
  if (self) return { row: await join(trx, writer, user, self), isJoined: true }
  const apart = { isApart: true, apartKey: holder ? keys.addressKey : null }
  return { row: await insert(trx, writer, user, decision, apart), isJoined: false }
}

const inTheWay = (user: UserRow | undefined) => user && { id: user.id, connectionId: user.connection_id }

/** Gives somebody whom no connection manages another userName, by which nobody signs in. */
async function giveUpUserName(trx: Trx, writer: ScimWriter, user: UserRow): Promise<void> {
  const before = JSON.parse(user.doc) as UserDocument
  const renamed = { ...before, userName: `${before.userName}#${user.id.slice(-12)}` }
  // an address that was only the userName becomes an e-mail, and so stays the login address
  const document =
    user.email === null || columnsOfUser(renamed, user).email_key === user.email_key
      ? renamed
      : { ...renamed, emails: [{ value: user.email, type: 'work', primary: true }, ...(before.emails ?? [])] }
  const facts = changedFacts(before, document)
  await Promise.all([
    updateUser(trx, writer.tenant.id, user.id, columnsOfUser(document, user), writer.now),
    replaceUserEmails(trx, writer.tenant.id, user.id, emailKeys(document)),
    audit(stepOf(trx, writer), [userEvent('user.updated', user, facts.before, facts.after)])
  ])
}

/** @returns undefined where a removed user is in the way; nothing was changed then */
async function transact<T>({ deps, tenant }: ScimWriter, work: (trx: Trx) => Promise<T>): Promise<T | undefined> {
  try {
    return await retryRaces(() => inTenant(deps.db, tenant.id, work))
  } catch (error) {
    if (error instanceof InTheWay) return undefined
    throw error
  }
}

/** What changes for somebody who is here and becomes the user that arrives. */
interface Joining {
  readonly decision: RoleDecision
  readonly authority: string
  readonly must_reset_password: boolean
}

/** Turns somebody who is here into the user that arrives: invited people are adopted, the others linked. */
async function join(trx: Trx, writer: ScimWriter, given: NewUser, before: UserRow): Promise<ScimUserRow> {
  // an administrator may have named somebody above the token's role: it does not set their password
  const user = isAbove(before.role, writer.actor.role) ? { ...given, passwordHash: undefined } : given
  const joining = {
    ...profileOfJoined(writer, given, before),
    must_reset_password: before.must_reset_password && user.passwordHash === undefined
  }
  if (user.passwordHash !== undefined) {
    await endWithPassword(trx, writer.tenant.id, [before.id], writer.now)
  } else if (documentColumns(joining.decision.document).email_key !== before.email_key) {
    await expirePasswordResets(trx, writer.tenant.id, [before.id], writer.now)
  }
  const step = before.state === 'invited' ? adopt : link
  return step(trx, writer, user, before, joining)
}

/** The identity provider's profile; a member also keeps what they have told of themselves and it does not send. */
function profileOfJoined(
  writer: ScimWriter,
  { document: sent }: NewUser,
  before: UserRow
): Pick<Joining, 'decision' | 'authority'> {
  const connectionId = connectionOf(writer.actor)
  const earlier = JSON.parse(before.doc) as UserDocument
  // identifying attributes are as sent, so that none of them is another connection's
  const { emails: _, externalId: __, ...told } = earlier
  const isOwn = before.state !== 'invited' && before.connection_id === null
  const document = isOwn ? withOthersKept(before, told as UserDocument, sent, connectionId) : sent
  const own = ownRoleOf(before)
  const decision = isAbove(before.role, writer.actor.role)
    ? { role: own, document: withRole(document, own) }
    : roleOfAdopted(own, document, writer.actor.role)
  if (connectionId === null) {
    const isSelf = writer.actor.id === before.id
    return { decision, authority: ownWrite(before, earlier, decision.document, isSelf).authority }
  }
  const authority = authorityAfterWrite(before, {
    connectionId,
    userConnectionId: connectionAfter(writer, before),
    before: earlier,
    after: decision.document,
    sent,
    mayRepeat: false,
    isRoleKept: decision.document !== document
  })
  return { decision, authority }
}

async function adopt(
  trx: Trx,
  writer: ScimWriter,
  user: NewUser,
  invited: UserRow,
  { decision, authority, must_reset_password }: Joining
): Promise<ScimUserRow> {
  const step = stepOf(trx, writer)
  await Promise.all([
    audit(step, [eventOf(writer, 'user.adopted', invited, stateOf(user.active), decision, authority)]),
    endByAdoption(step, invited)
  ])
  return takeOver(trx, writer, user, invited, decision, { must_reset_password, authority })
}

/** Their access stays as it is, except for what the request says of `active`. */
async function link(
  trx: Trx,
  writer: ScimWriter,
  { active, passwordHash, document }: NewUser,
  before: UserRow,
  { decision, authority, must_reset_password }: Joining
): Promise<ScimUserRow> {
  const { state, activated_at } = before
  const isDemoted = isCountedAdministrator(before) && before.given_role === null && decision.role !== 'administrator'
  if (isDemoted) await requireOtherAdministrator(trx, writer.tenant.id, [before.id])
  await audit(stepOf(trx, writer), [eventOf(writer, 'user.linked', before, state, decision, authority)])
  if (decision.role !== ownRoleOf(before)) await notifyIfSignedIn(trx, writer.tenant.id, [before.id])
  const kept = { must_reset_password, authority, state, activated_at }
  await takeOver(trx, writer, { active, passwordHash, document }, before, decision, kept)
  if (active) await activate(stepOf(trx, writer), before)
  else await deactivate(stepOf(trx, writer), before)
  return getScimUser(trx, writer.view, before.id)
}

async function revive(
  trx: Trx,
  writer: ScimWriter,
  user: NewUser,
  removed: UserRow,
  decision: RoleDecision
): Promise<ScimUserRow> {
  const [revived] = await Promise.all([
    takeOver(trx, writer, user, removed, decision, {
      authority: NO_EXCEPTIONS,
      must_reset_password: removed.activated_at !== null && user.passwordHash === undefined
    }),
    audit(stepOf(trx, writer), [
      eventOf(writer, 'user.revived', removed, stateOf(user.active), decision, NO_EXCEPTIONS)
    ])
  ])
  await countResources(writer.tenant.id, 'User', 1).execute(trx)
  return revived
}

/** Replaces the old profile by the new one. */
async function takeOver(
  trx: Trx,
  writer: ScimWriter,
  { active, passwordHash, afterwards }: NewUser,
  before: UserRow,
  { role, document }: RoleDecision,
  patch: UserPatch
): Promise<ScimUserRow> {
  const { tenant, now, view } = writer
  const columns: DocumentColumns = documentColumns(document)
  const { email, email_key } = columns
  await Promise.all([
    releaseAddresses(trx, tenant.id, [before]),
    email_key !== null && claimAddress(trx, tenant.id, before.id, email_key),
    updateUser(
      trx,
      tenant.id,
      before.id,
      {
        ...columns,
        ...ownRolePatch(before, role),
        state: stateOf(active),
        connection_id: connectionAfter(writer, before),
        apart_key: null,
        activated_at: before.activated_at ?? (active ? now : null),
        ...patch
      },
      now
    ),
    replaceUserEmails(trx, tenant.id, before.id, emailKeys(document)),
    passwordHash !== undefined && setPasswordHash(trx, tenant.id, before.id, passwordHash, now)
  ])
  if (before.state !== 'removed') await followGroupsOf(trx, writer, before)
  const after = await getScimUser(trx, view, before.id)
  await afterwards?.(trx, after, email)
  return after
}

const connectionAfter = ({ actor }: ScimWriter, before: UserRow): string | null =>
  actor.scim?.connectionId ?? before.connection_id

function eventOf(
  writer: ScimWriter,
  action: string,
  before: UserRow,
  state: UserState,
  { role, document }: RoleDecision,
  authority: string
) {
  const facts = changedFacts(JSON.parse(before.doc), document)
  const exceptions = authorityFacts(before.authority, authority)
  return userEvent(
    action,
    before,
    {
      ...facts.before,
      state: before.state,
      role: ownRoleOf(before),
      connectionId: before.connection_id,
      ...exceptions.before
    },
    { ...facts.after, state, role, connectionId: connectionAfter(writer, before), ...exceptions.after }
  )
}
