// Invites any number of people in one transaction, with a fixed number of statements.
import { v7 as uuidv7 } from 'uuid'
import { type AddressHolder, claimAddresses, lockInvitees, readAddressHolders } from '../../db/addresses.ts'
import { type AuditEvent, insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import {
  type InvitedUser,
  insertInvitations,
  insertInvitedUsers,
  insertUserEmails,
  renewInvitations,
  reviveUsers
} from '../../db/invitations.ts'
import { cancelInvitationMails } from '../../db/mails.ts'
import { LostRace, retryRaces } from '../../db/races.ts'
import { countResources } from '../../db/resource-counts.ts'
import type { Role } from '../../db/schema.ts'
import { limitInvitations } from '../auth/limits.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../provisioning/actor.ts'
import { authorityFacts, NO_EXCEPTIONS } from '../provisioning/authority.ts'
import { changedFacts } from '../provisioning/document-changes.ts'
import {
  documentColumns,
  emailKeys,
  invitedDocument,
  type UserDocument,
  withRole
} from '../provisioning/user-document.ts'
import type { Tenant } from '../tenancy.ts'
import { type Addressee, expiryOf, sendLinks } from './links.ts'
import { planSteps, type Step } from './plan.ts'
import { type Entry, type InvitationResult, type Invite, readInvites } from './request.ts'

export interface Invitations {
  invites: readonly Invite[]
  /** Also sends a new link to those who are invited already, where the caller may. */
  resend?: boolean
}

export interface Outcome {
  /** The address, or the text that is no address. */
  email: string
  result: InvitationResult
  /** Who has the address here. */
  userId?: string
  /** The pending invitation. */
  invitationId?: string
  /** For `managedByIdp`: who manages the person. */
  connection?: { id: string; name: string }
}

/**
 * Invites people. The result says what became of each address; one bad address does not affect the others.
 * @returns an outcome for each different address, in the order asked
 * @throws AppError invalid `tooManyAddresses`; rate_limited
 */
export async function createInvitations(
  deps: Deps,
  tenant: Tenant,
  actor: Actor,
  { invites, resend = false }: Invitations
): Promise<Outcome[]> {
  const entries = readInvites(invites, actor, tenant.settings)
  if (actor.kind !== 'operator') await limitInvitations(deps, `${tenant.id} ${actor.id}`, entries.length)
  if (entries.every(({ refusal }) => refusal)) {
    return planSteps(entries, [], { actor, now: deps.now(), resend }).map(outcomeOf)
  }
  return retryRaces(
    () => inTenant(deps.db, tenant.id, (trx) => invite(trx, deps, tenant, actor, entries, resend)),
    ['users_user_name_key', 'invitations_pending_key']
  )
}

/**
 * As `createInvitations`, in the transaction that creates the tenant: nobody else invites there yet.
 * @throws AppError invalid `tooManyAddresses`
 */
export const createFirstInvitations = (
  trx: Trx,
  deps: Pick<Deps, 'config' | 'now' | 'queue' | 'sealer'>,
  tenant: Tenant,
  actor: Actor,
  invites: readonly Invite[]
): Promise<Outcome[]> => invite(trx, deps, tenant, actor, readInvites(invites, actor, tenant.settings), false)

/** @throws LostRace where somebody else has changed what this plan is based on */
async function invite(
  trx: Trx,
  deps: Pick<Deps, 'config' | 'now' | 'queue' | 'sealer'>,
  tenant: Tenant,
  actor: Actor,
  entries: readonly Entry[],
  resend: boolean
): Promise<Outcome[]> {
  const now = deps.now()
  const keys = entries.filter(({ refusal }) => !refusal).map(({ key }) => key)
  const [lockedIds, holders] = await Promise.all([
    lockInvitees(trx, tenant.id, keys, { now, renewsAll: resend }),
    readAddressHolders(trx, tenant.id, keys, now)
  ])
  const planned = planSteps(entries, holders, { actor, now, resend })
  for (const step of planned) {
    const changes = step.kind === 'revive' || step.kind === 'renew'
    if (changes && !lockedIds.has(step.holder.id)) throw new LostRace('A user')
  }
  const steps = await claim(
    trx,
    tenant.id,
    planned.map((step, index) => withIds(step, now, index))
  )
  await write(trx, deps, tenant, actor, steps, now)
  return steps.map(outcomeOf)
}

/** Ids are made before anything is written, so that the rows of all tables can be written at once. */
type Numbered = Step & { userId?: string; invitationId?: string }
type NumberedOf<K extends Step['kind']> = Extract<Step, { kind: K }> & { userId: string; invitationId: string }

/** @param seq keeps the ids of one call in the order asked */
function withIds(step: Step, now: Date, seq: number): Numbered {
  const newId = () => uuidv7({ msecs: now.getTime(), seq })
  switch (step.kind) {
    case 'add':
      return { ...step, userId: newId(), invitationId: newId() }
    case 'revive':
      return { ...step, userId: step.holder.id, invitationId: newId() }
    default:
      return { ...step, userId: step.holder?.id, invitationId: step.holder?.invitation_id ?? undefined }
  }
}

const ofKind = <K extends Step['kind']>(steps: readonly Numbered[], kind: K) =>
  steps.filter((step) => step.kind === kind) as unknown as NumberedOf<K>[]

/** Claims the addresses of people who are not here; one that another tenant holds becomes `emailInOtherTenant`. */
async function claim(trx: Trx, tenantId: number, steps: readonly Numbered[]): Promise<Numbered[]> {
  const claims = [...ofKind(steps, 'add'), ...ofKind(steps, 'revive')].map(({ entry, userId }) => ({
    address_key: entry.key,
    user_id: userId
  }))
  const holderIds = await claimAddresses(trx, tenantId, claims)
  return steps.map((step) => {
    if (step.kind !== 'add' && step.kind !== 'revive') return step
    const holderId = holderIds.get(step.entry.key)
    if (holderId === step.userId) return step
    if (holderId !== undefined) throw new LostRace('An address')
    return { kind: 'answer', entry: step.entry, result: 'emailInOtherTenant' }
  })
}

/** Writes everything, table by table; a table without rows costs nothing. */
async function write(
  trx: Trx,
  deps: Pick<Deps, 'config' | 'queue' | 'sealer'>,
  tenant: Tenant,
  actor: Actor,
  steps: readonly Numbered[],
  now: Date
): Promise<void> {
  const added = ofKind(steps, 'add').map((step) => ({
    ...step,
    document: invitedDocument(step.entry.email, step.entry.role)
  }))
  const revived = ofKind(steps, 'revive').map((step) => ({ ...step, document: revivedDocument(step) }))
  const renewed = ofKind(steps, 'renew')
  const invited = [...added, ...revived]
  if (invited.length + renewed.length === 0) return
  const expiresAt = expiryOf(deps, tenant, now)
  const inviter = inviterOf(actor)
  const renewedIds = renewed.map(({ invitationId }) => invitationId)

  await Promise.all([
    insertInvitedUsers(
      trx,
      tenant.id,
      added.map((step) => toUser(step, false)),
      now
    ),
    reviveUsers(
      trx,
      tenant.id,
      revived.map((step) => toUser(step, step.result === 'reinvited')),
      now
    ),
    renewed.length > 0 && renewInvitations(trx, tenant.id, renewedIds, { now, expiresAt, inviter }),
    renewed.length > 0 && cancelInvitationMails(trx, tenant.id, renewedIds)
  ])
  await Promise.all([
    insertUserEmails(
      trx,
      tenant.id,
      invited.flatMap(({ userId, document }) =>
        emailKeys(document).map((value_key) => ({ user_id: userId, value_key }))
      )
    ),
    insertInvitations(
      trx,
      tenant.id,
      invited.map(({ invitationId, userId, entry }) => ({
        id: invitationId,
        user_id: userId,
        role: entry.role,
        inviter_id: inviter.id,
        inviter_name: inviter.name,
        created_at: now,
        expires_at: expiresAt
      }))
    ),
    sendLinks(trx, deps, tenant.id, [...invited, ...renewed].map(toAddressee), now),
    insertAuditEvents(trx, tenant.id, actor, now, [
      ...[...invited, ...renewed].map((step) => eventOf(step, expiresAt)),
      ...invited.map(personInvited)
    ])
  ])
  if (invited.length > 0) await countResources(tenant.id, 'User', invited.length).execute(trx)
}

/**
 * Somebody who was active before keeps what is known of them, so that their history goes on. The identity provider's
 * externalId and userName are dropped; the userName becomes the address, which nobody else here can have.
 */
function revivedDocument({ entry, result, holder }: NumberedOf<'revive'>): UserDocument {
  if (result === 'invited') return invitedDocument(entry.email, entry.role)
  const { externalId: _, ...known } = JSON.parse(holder.doc!) as UserDocument
  return { ...withRole(known as UserDocument, entry.role), userName: holder.email! }
}

const toUser = (
  { userId, entry, document }: { userId: string; entry: Entry; document: UserDocument },
  mustResetPassword: boolean
): InvitedUser & { role: Role } => ({
  id: userId,
  role: entry.role,
  must_reset_password: mustResetPassword,
  ...documentColumns(document)
})

const toAddressee = (step: NumberedOf<'add' | 'revive' | 'renew'>): Addressee => ({
  invitationId: step.invitationId,
  userId: step.userId,
  // a known person's address keeps its spelling
  address: step.result === 'invited' ? step.entry.email : step.holder.email!,
  mustResetPassword: step.result === 'reinvited' || (step.result === 'resent' && step.holder.must_reset_password)
})

/** The inviter, as invitations name them: people by name, the operator and the service itself as the service. */
const inviterOf = ({ kind, id, name }: Actor) =>
  kind === 'user' || kind === 'apiToken' ? { id, name } : { id: null, name: 'Muster' }

const eventOf = (step: NumberedOf<'add' | 'revive' | 'renew'>, expiresAt: Date): AuditEvent => ({
  action: step.kind === 'renew' ? 'invitation.resent' : 'invitation.created',
  targetType: 'invitation',
  targetId: step.invitationId,
  targetName: step.entry.email,
  after: {
    userId: step.userId,
    expiresAt: expiresAt.toISOString(),
    ...(step.kind !== 'renew' && { role: step.entry.role }),
    ...(step.result === 'reinvited' && { reinvited: true })
  }
})

/** The event about the person, from which the invitation can be undone. */
function personInvited(step: NumberedOf<'add' | 'revive'> & { document: UserDocument }): AuditEvent {
  const { kind, userId, entry, document } = step
  const event = { action: 'user.invited', targetType: 'user', targetId: userId, targetName: entry.email } as const
  const after = { state: 'invited', role: entry.role }
  if (kind === 'add') return { ...event, after: { userName: document.userName, email: entry.email, ...after } }
  const { doc, state, role, connection_id, authority } = step.holder
  const facts = changedFacts(JSON.parse(doc!), document)
  const exceptions = authorityFacts(authority, NO_EXCEPTIONS)
  return {
    ...event,
    before: { ...facts.before, state, role, connectionId: connection_id, ...exceptions.before },
    after: { ...facts.after, ...after, connectionId: null }
  }
}

const connectionOf = ({ connection_id, connection_name }: AddressHolder) => ({
  id: connection_id!,
  name: connection_name!
})

const outcomeOf = (step: Numbered): Outcome => ({
  email: step.entry.email,
  result: step.result,
  ...(step.userId !== undefined && { userId: step.userId }),
  ...(step.invitationId !== undefined && { invitationId: step.invitationId }),
  ...(step.result === 'managedByIdp' && { connection: connectionOf(step.holder!) })
})
