// Whether an invitation's link still works, and if not, why.
import type { LinkedInvitation } from '../../db/invitations.ts'
import { AppError, conflict, forbidden } from '../errors.ts'

export const INVITATION_INVALID = 'invitationInvalid'

/**
 * Only whoever has the link learns why, and nothing about the address or the person.
 * @throws AppError not_found `invitationInvalid` (nobody ever had this link), conflict `invitationUsed`,
 *   `invitationRevoked`, `invitationResent` (a newer link was sent), `invitationExpired`; forbidden `userLocked`
 */
export function requireOpen(invitation: LinkedInvitation | undefined, now: Date): LinkedInvitation {
  if (!invitation) {
    throw new AppError('not_found', 'This invitation link is not valid: open it as it is in the mail', {
      reason: INVITATION_INVALID
    })
  }
  if (invitation.state === 'accepted' || invitation.state === 'adopted') {
    throw conflict('This invitation was accepted already: sign in', 'invitationUsed')
  }
  if (invitation.state === 'revoked') throw conflict('This invitation was taken back', 'invitationRevoked')
  if (invitation.is_replaced) {
    throw conflict('A newer link was sent: open the newest mail', 'invitationResent')
  }
  if (invitation.expires_at <= now) {
    throw conflict('This invitation has expired: ask for another', 'invitationExpired')
  }
  if (invitation.locked) throw forbidden('You are locked out: ask an administrator', 'userLocked')
  return invitation
}
