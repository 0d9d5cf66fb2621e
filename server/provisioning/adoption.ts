// What becomes of somebody's invitation when an identity provider provisions them.
import { cancelInvitationMails } from '../../db/mails.ts'
import type { UserRow } from '../../db/schema.ts'
import { adoptInvitations } from '../../db/scim-users.ts'
import { audit, type UserChange } from './user-states.ts'

/** Ends it: its link is dead, and a mail that is still queued is cancelled. @param invited locked `for update` */
export async function endByAdoption(change: UserChange, invited: UserRow): Promise<void> {
  const { trx, tenantId, now } = change
  const ids = await adoptInvitations(trx, tenantId, invited.id, now)
  await Promise.all([
    cancelInvitationMails(trx, tenantId, ids),
    audit(
      change,
      ids.map((id) => ({
        action: 'invitation.adopted',
        targetType: 'invitation',
        targetId: id,
        targetName: invited.email,
        before: { state: 'pending' },
        after: { state: 'adopted' }
      }))
    )
  ])
}
