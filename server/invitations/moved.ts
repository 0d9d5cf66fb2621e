// What becomes of links to an address that an identity provider has replaced: whoever reads the old mailbox must not
// become the person who has the new address.
import { insertAuditEvents } from '../../db/audit.ts'
import type { Trx } from '../../db/connect.ts'
import { endInvitationLinks, readPendingInvitation, renewInvitations } from '../../db/invitations.ts'
import { cancelInvitationMails } from '../../db/mails.ts'
import { expirePasswordResets } from '../../db/password-resets.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../provisioning/actor.ts'
import type { MovedUser } from '../provisioning/scim-users.ts'
import type { Tenant } from '../tenancy.ts'
import { expiryOf, sendLinks } from './links.ts'

/** Who has changed the address, in which tenant, and when. */
interface MovedBy {
  readonly deps: Pick<Deps, 'config' | 'queue' | 'sealer'>
  readonly tenant: Tenant
  readonly actor: Actor
  readonly now: Date
}

/**
 * Ends every link that was sent to somebody's old address. A pending invitation that has not expired goes to the new
 * one, with a new term; without a new address it waits to be sent again.
 * @param trx holds the person's row `for update`
 */
export async function moveLinks(trx: Trx, by: MovedBy, user: MovedUser): Promise<void> {
  const { tenant, now } = by
  const [invitation] = await Promise.all([
    readPendingInvitation(trx, tenant.id, user.id),
    expirePasswordResets(trx, tenant.id, [user.id], now)
  ])
  if (!invitation) return
  await cancelInvitationMails(trx, tenant.id, [invitation.id])
  if (user.email === null || invitation.expires_at <= now) {
    await endInvitationLinks(trx, tenant.id, invitation.id, now)
    return
  }
  await sendToNewAddress(trx, by, invitation.id, { ...user, email: user.email })
}

async function sendToNewAddress(
  trx: Trx,
  { deps, tenant, actor, now }: MovedBy,
  invitationId: string,
  { id: userId, email: address, mustResetPassword }: MovedUser & { email: string }
): Promise<void> {
  const expiresAt = expiryOf(deps, tenant, now)
  await renewInvitations(trx, tenant.id, [invitationId], { now, expiresAt })
  await Promise.all([
    sendLinks(trx, deps, tenant.id, [{ invitationId, userId, address, mustResetPassword }], now),
    insertAuditEvents(trx, tenant.id, actor, now, [
      {
        action: 'invitation.resent',
        targetType: 'invitation',
        targetId: invitationId,
        targetName: address,
        after: { userId, expiresAt: expiresAt.toISOString() }
      }
    ])
  ])
}
