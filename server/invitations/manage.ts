// Sends an invitation again, or revokes it.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { findInvitation, type InvitationFacts, readInvitation, renewInvitations } from '../../db/invitations.ts'
import { getInvitationView, type InvitationView } from '../../db/invitations-list.ts'
import { cancelInvitationMails } from '../../db/mails.ts'
import type { UserRow } from '../../db/schema.ts'
import { lockUser } from '../../db/users.ts'
import { limitResend } from '../auth/limits.ts'
import type { Deps } from '../deps.ts'
import { conflict, notFound } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { remove } from '../provisioning/user-states.ts'
import type { Tenant } from '../tenancy.ts'
import { expiryOf, sendLinks } from './links.ts'
import { requireMayManage } from './permission.ts'

/**
 * Sends a pending invitation again, even one that has expired: a new link with a new term; the old link is dead. Role
 * and memberships stay.
 * @throws AppError not_found; forbidden `roleNotAllowed`, `notYourInvitation`; conflict `invitationAccepted`,
 *   `invitationRevoked`, `noEmail`; rate_limited
 */
export async function resendInvitation(
  deps: Deps,
  tenant: Tenant,
  actor: Actor,
  invitationId: string
): Promise<InvitationView> {
  const found = await getManageable(deps, tenant.id, actor, invitationId)
  await limitResend(deps, tenant.id, invitationId)
  return changeInvitation(deps, tenant.id, actor, found, async (trx, user, now) => {
    // an identity provider may take the address of somebody whom it did not invite
    if (user.email === null) throw conflict('The person has no e-mail address any longer', 'noEmail')
    const expiresAt = expiryOf(deps, tenant, now)
    await Promise.all([
      renewInvitations(trx, tenant.id, [invitationId], { now, expiresAt }),
      cancelInvitationMails(trx, tenant.id, [invitationId])
    ])
    const addressee = {
      invitationId,
      userId: user.id,
      address: user.email,
      mustResetPassword: user.must_reset_password
    }
    await Promise.all([
      sendLinks(trx, deps, tenant.id, [addressee], now),
      insertAuditEvents(trx, tenant.id, actor, now, [
        {
          action: 'invitation.resent',
          targetType: 'invitation',
          targetId: invitationId,
          targetName: user.email,
          after: { userId: user.id, expiresAt: expiresAt.toISOString() }
        }
      ])
    ])
  })
}

/**
 * Revokes a pending invitation, even one that has expired: its link is dead, a mail that is still queued is cancelled,
 * and the person is removed, also from groups that they are in already. Others may have the address.
 * @throws AppError not_found; forbidden `roleNotAllowed`, `notYourInvitation`; conflict `invitationAccepted`,
 *   `invitationRevoked`
 */
export async function revokeInvitation(
  deps: Deps,
  tenant: Tenant,
  actor: Actor,
  invitationId: string
): Promise<InvitationView> {
  const found = await getManageable(deps, tenant.id, actor, invitationId)
  return changeInvitation(deps, tenant.id, actor, found, (trx, user, now) =>
    remove({ trx, tenantId: tenant.id, actor, now }, user, { withMemberships: true })
  )
}

async function getManageable(deps: Deps, tenantId: number, actor: Actor, invitationId: string) {
  const found = await findInvitation(deps.db, tenantId, invitationId)
  if (!found) throw notFound('Invitation')
  requireManageable(actor, found)
  return found
}

function requireManageable(actor: Actor, invitation: InvitationFacts): void {
  requireMayManage(actor, invitation)
  if (invitation.state === 'revoked') throw conflict('The invitation was taken back: invite anew', 'invitationRevoked')
  if (invitation.state !== 'pending') {
    throw conflict('The invitation is over: the person is a member', 'invitationAccepted')
  }
}

/** Changes an invitation with the person's row locked, as everything that ends an invitation does. */
function changeInvitation(
  deps: Deps,
  tenantId: number,
  actor: Actor,
  { id, user_id }: InvitationFacts,
  work: (trx: Trx, user: UserRow, now: Date) => Promise<void>
): Promise<InvitationView> {
  const now = deps.now()
  return inTenant(deps.db, tenantId, async (trx) => {
    const [user, invitation] = await Promise.all([
      lockUser(trx, tenantId, user_id, 'for update'),
      readInvitation(trx, tenantId, id)
    ])
    requireManageable(actor, invitation)
    await work(trx, user!, now)
    return getInvitationView(trx, tenantId, id, now)
  })
}
