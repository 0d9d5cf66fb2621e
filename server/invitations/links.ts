// Makes invitations' links and the mails that carry them, together for any number of people.
import { v7 as uuidv7 } from 'uuid'
import type { Trx } from '../../db/connect.ts'
import { insertInvitationLinks } from '../../db/invitations.ts'
import { insertMails } from '../../db/mails.ts'
import type { Deps } from '../deps.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'

const HOUR_MS = 3_600_000

export interface Addressee {
  invitationId: string
  userId: string
  address: string
  /** Whether the link asks for a new password first; the mail says so. */
  mustResetPassword: boolean
}

/** When a link that is made now stops working. */
export function expiryOf(deps: Pick<Deps, 'config'>, tenant: Pick<Tenant, 'settings'>, now: Date): Date {
  const hours = tenant.settings.invitationTtlHours ?? deps.config.invitationTtlHours
  return new Date(now.getTime() + hours * HOUR_MS)
}

/** Makes a link for each and queues the mail with it, in the transaction that made or renewed the invitations. */
export async function sendLinks(
  trx: Trx,
  deps: Pick<Deps, 'queue' | 'sealer'>,
  tenantId: number,
  addressees: readonly Addressee[],
  now: Date
): Promise<void> {
  const letters = addressees.map((addressee) => ({
    ...addressee,
    token: randomToken(),
    mailId: uuidv7({ msecs: now.getTime() })
  }))
  await Promise.all([
    insertInvitationLinks(
      trx,
      tenantId,
      letters.map(({ token, invitationId }) => ({
        token_hash: hashToken(token),
        invitation_id: invitationId,
        created_at: now
      }))
    ),
    insertMails(
      trx,
      tenantId,
      letters.map(({ token, mailId, userId, invitationId, address, mustResetPassword }) => ({
        id: mailId,
        template: mustResetPassword ? 'welcome-back' : 'invitation',
        user_id: userId,
        invitation_id: invitationId,
        to_address: address,
        token_sealed: deps.sealer.seal('mail', token),
        queued_at: now
      }))
    ),
    deps.queue.enqueue(
      trx,
      'send-mail',
      letters.map(({ mailId }) => ({ tenantId, mailId }))
    )
  ])
}
