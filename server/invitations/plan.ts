// Decides what becomes of each address, from what was read. Pure: no database.
import type { AddressHolder } from '../../db/addresses.ts'
import { type Actor, isAbove } from '../provisioning/actor.ts'
import { mayManage } from './permission.ts'
import type { Entry, InvitationResult } from './request.ts'

export type Step =
  /** Nothing changes. */
  | { kind: 'answer'; entry: Entry; result: InvitationResult; holder?: AddressHolder }
  /** Somebody whom the tenant has never had. */
  | { kind: 'add'; entry: Entry; result: 'invited' }
  /** Somebody who was removed here: known from before, or only ever invited. */
  | { kind: 'revive'; entry: Entry; result: 'reinvited' | 'invited'; holder: AddressHolder }
  /** Somebody whose invitation gets a new link. */
  | { kind: 'renew'; entry: Entry; result: 'resent'; holder: AddressHolder }

interface Circumstances {
  actor: Actor
  now: Date
  /** Whether invitations that have not expired are sent again, too. */
  resend: boolean
}

/** How many mails one invitation may get within an hour; sending a single one again has the same limit. */
const MAX_RECENT_MAILS = 5

/** @param holders the tenant's users whose address or userName is one of the entries' */
export function planSteps(
  entries: readonly Entry[],
  holders: readonly AddressHolder[],
  circumstances: Circumstances
): Step[] {
  const byKey = holdersByKey(holders)
  return entries.map((entry) => planStep(entry, byKey.get(entry.key), circumstances))
}

/** Who an address belongs to: first who has it, then who has it as a userName, then who had it last. */
function holdersByKey(holders: readonly AddressHolder[]): Map<string | null, AddressHolder> {
  const here = holders.filter(({ state }) => state !== 'removed')
  const removed = holders
    .filter(({ state }) => state === 'removed')
    .sort((left, right) => left.updated_at.getTime() - right.updated_at.getTime())
  return new Map([
    ...removed.map((holder) => [holder.email_key, holder] as const),
    ...here.map((holder) => [holder.user_name_key, holder] as const),
    ...here.map((holder) => [holder.email_key, holder] as const)
  ])
}

function planStep(entry: Entry, holder: AddressHolder | undefined, circumstances: Circumstances): Step {
  if (entry.refusal) return { kind: 'answer', entry, result: entry.refusal }
  if (!holder) return { kind: 'add', entry, result: 'invited' }
  if (holder.state === 'removed') {
    const result = holder.activated_at === null ? 'invited' : 'reinvited'
    return { kind: 'revive', entry, result, holder }
  }
  if (holder.state !== 'invited') {
    const result = holder.connection_name === null ? 'alreadyMember' : 'managedByIdp'
    return { kind: 'answer', entry, result, holder }
  }
  return planRenewal(entry, holder, circumstances)
}

function planRenewal(entry: Entry, holder: AddressHolder, { actor, now, resend }: Circumstances): Step {
  const alreadyInvited = { kind: 'answer', entry, result: 'alreadyInvited', holder } as const
  const { invitation_role: role, expires_at: expiresAt, inviter_id } = holder
  // an IdP has given the address as a userName to somebody whose mail goes elsewhere
  if (role === null || expiresAt === null || holder.email_key !== entry.key) return alreadyInvited
  if (expiresAt <= now) {
    // sending it again means giving the role again
    if (isAbove(role, actor.role)) return { kind: 'answer', entry, result: 'roleNotAllowed', holder }
    return { kind: 'renew', entry, result: 'resent', holder }
  }
  if (!resend || !mayManage(actor, { role, inviter_id }) || holder.recent_mails >= MAX_RECENT_MAILS) {
    return alreadyInvited
  }
  return { kind: 'renew', entry, result: 'resent', holder }
}
