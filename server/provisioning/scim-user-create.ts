// Users made by identity providers. Most are new, and made in one go; only where something is in the way is it asked
// what that is: a pending invitation is adopted, a removed user comes back, anybody else keeps their name and address.
import { type AuditEvent, connectionOf } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { setPasswordHash } from '../../db/credentials.ts'
import { cancelInvitationMails } from '../../db/mails.ts'
import { retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { UserPatch, UserRow } from '../../db/schema.ts'
import {
  adoptInvitations,
  type Candidates,
  claimAddress,
  getScimUser,
  insertUser,
  lockCandidates,
  releaseAddress,
  type ScimUserRow
} from '../../db/scim-users.ts'
import { replaceUserEmails, updateUser } from '../../db/users.ts'
import { authorityAfterWrite, authorityFacts, NO_EXCEPTIONS } from './authority.ts'
import { changedFacts } from './document-changes.ts'
import { ownRoleOf, ownRolePatch } from './group-roles.ts'
import { requireRoleWithin } from './guards.ts'
import { conflictOf, takenError } from './scim-conflicts.ts'
import { type RoleDecision, roleOfAdopted, roleOfNew } from './scim-roles.ts'
import { ALONE, createTogether } from './scim-user-batch.ts'
import { madeRow, type NewUser, newUserRows, stateOf } from './scim-user-new.ts'
import { requireTouchable } from './scim-user-plan.ts'
import { followGroupsOf, type ScimWriter, stepOf, translateConflicts } from './scim-users.ts'
import { type DocumentColumns, documentColumns, emailKeys, type UserDocument } from './user-document.ts'
import { audit, userEvent } from './user-states.ts'

const MAX_ATTEMPTS = 3

/**
 * Makes a user, who is active without an invitation.
 * - Whoever has a pending invitation for the address (or the userName) is adopted: the same id, the invitation ended,
 *   the role kept unless one is given.
 * - Whoever was removed here and had the address comes back: the same id, a clean profile, no old credentials, and a
 *   new password before any sign-in where they once could sign in.
 * @throws AppError uniqueness where the userName, the externalId or the address is taken; forbidden `roleNotAllowed`
 */
export async function createUser(writer: ScimWriter, user: NewUser): Promise<ScimUserRow> {
  const decision = roleOfNew(user.document, writer.actor.role)
  requireRoleWithin(writer.actor.role, decision.role)
  const together = await createTogether(writer, user)
  if (together !== ALONE) return together
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const made = (await insertAlone(writer, user, decision)) ?? (await makeAmongOthers(writer, user, decision))
    if (made) return made
  }
  throw takenError('userName')
}

class InTheWay extends Error {}

/** @returns undefined where a name or an address is taken, or somebody was removed who had it; nothing was changed */
async function insertAlone(
  writer: ScimWriter,
  user: NewUser,
  decision: RoleDecision
): Promise<ScimUserRow | undefined> {
  try {
    return await transact(writer, (trx) => insert(trx, writer, user, decision))
  } catch (error) {
    if (conflictOf(error)) return undefined
    throw error
  }
}

async function insert(trx: Trx, writer: ScimWriter, user: NewUser, decision: RoleDecision): Promise<ScimUserRow> {
  const made = newUserRows(writer, user, decision)
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

/** @returns undefined where what was in the way is gone, and the user can be made after all */
function makeAmongOthers(writer: ScimWriter, user: NewUser, decision: RoleDecision): Promise<ScimUserRow | undefined> {
  const { email_key, user_name_key } = documentColumns(user.document)
  const work = async (trx: Trx) => {
    const candidates = await lockCandidates(trx, writer.tenant.id, email_key, user_name_key)
    const invited = findInvited(candidates)
    if (invited) return adopt(trx, writer, user, invited)
    if (candidates.removed) return revive(trx, writer, user, candidates.removed, decision)
    // tells which key is violated, if one still is
    return insert(trx, writer, user, decision)
  }
  return translateConflicts(writer, () => transact(writer, work))
}

/** @returns undefined where a removed user is in the way; nothing was changed then */
async function transact(
  { deps, tenant }: ScimWriter,
  work: (trx: Trx) => Promise<ScimUserRow>
): Promise<ScimUserRow | undefined> {
  try {
    return await retryRaces(() => inTenant(deps.db, tenant.id, work))
  } catch (error) {
    if (error instanceof InTheWay) return undefined
    throw error
  }
}

/** @throws AppError uniqueness where somebody who is more than invited has the address or the userName */
function findInvited({ holder, named }: Candidates): UserRow | undefined {
  if (named && named.state !== 'invited') throw takenError('userName')
  if (holder && holder.state !== 'invited') throw takenError('address')
  if (holder && named && holder.id !== named.id) throw takenError('userName')
  return holder ?? named
}

async function adopt(trx: Trx, writer: ScimWriter, user: NewUser, invited: UserRow): Promise<ScimUserRow> {
  requireTouchable(writer.actor, invited)
  const connectionId = connectionOf(writer.actor)
  const decision = roleOfAdopted(ownRoleOf(invited), user.document, writer.actor.role)
  const authority = authorityAfterWrite(invited, {
    connectionId,
    userConnectionId: connectionAfter(writer, invited),
    before: JSON.parse(invited.doc) as UserDocument,
    after: decision.document,
    sent: user.document,
    isRoleKept: decision.document !== user.document
  })
  const invitationIds = await adoptInvitations(trx, writer.tenant.id, invited.id, writer.now)
  await Promise.all([
    cancelInvitationMails(trx, writer.tenant.id, invitationIds),
    audit(stepOf(trx, writer), [
      eventOf(writer, 'user.adopted', invited, user, decision, authority),
      ...invitationIds.map((id) => invitationAdopted(id, invited))
    ])
  ])
  return takeOver(trx, writer, user, invited, decision, {
    authority,
    must_reset_password: invited.must_reset_password && user.passwordHash === undefined
  })
}

const invitationAdopted = (id: string, { email }: UserRow): AuditEvent => ({
  action: 'invitation.adopted',
  targetType: 'invitation',
  targetId: id,
  targetName: email,
  before: { state: 'pending' },
  after: { state: 'adopted' }
})

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
    audit(stepOf(trx, writer), [eventOf(writer, 'user.revived', removed, user, decision, NO_EXCEPTIONS)])
  ])
  await countResources(writer.tenant.id, 'User', 1).execute(trx)
  return revived
}

/** Puts the new profile in place of the old one. */
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
    releaseAddress(trx, tenant.id, before.id),
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
  { active }: NewUser,
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
      role: before.role,
      connectionId: before.connection_id,
      ...exceptions.before
    },
    { ...facts.after, state: stateOf(active), role, connectionId: connectionAfter(writer, before), ...exceptions.after }
  )
}
