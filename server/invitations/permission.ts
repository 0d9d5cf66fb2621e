// Who may send an invitation again, or take it back.
import type { InvitationFacts } from '../../db/invitations.ts'
import { forbidden } from '../errors.ts'
import { type Actor, isAbove, roleRank } from '../provisioning/actor.ts'

/** Whether somebody sees and manages what others have sent. */
export const managesOthers = (actor: Actor): boolean => roleRank(actor.role) >= roleRank('manager')

const isOwn = (actor: Actor, inviterId: string | null) => actor.id !== null && actor.id === inviterId

/** Managers and administrators any, everybody their own; never one with a role above theirs. */
export const mayManage = (actor: Actor, { role, inviter_id }: Pick<InvitationFacts, 'role' | 'inviter_id'>): boolean =>
  !isAbove(role, actor.role) && (managesOthers(actor) || isOwn(actor, inviter_id))

/** @throws AppError forbidden `roleNotAllowed`, `notYourInvitation` */
export function requireMayManage(actor: Actor, invitation: Pick<InvitationFacts, 'role' | 'inviter_id'>): void {
  if (mayManage(actor, invitation)) return
  if (isAbove(invitation.role, actor.role)) {
    throw forbidden(`That invitation is for the role ${invitation.role}, which is above yours`, 'roleNotAllowed')
  }
  throw forbidden('Somebody else has sent that invitation: ask a manager', 'notYourInvitation')
}
