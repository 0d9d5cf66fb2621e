// The mail that a tenant may send to people whom its identity provider creates: a link to choose a password.
import { v7 as uuidv7 } from 'uuid'
import { insertPasswordReset, insertResetMail } from '../../db/password-resets.ts'
import type { Deps } from '../deps.ts'
import type { NewUser } from '../provisioning/scim-user-new.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'

/** JumpCloud creates a test user and deletes it within a minute: nobody should get that mail. */
const DELAY_MS = 2 * 60_000

/** For which tenant, and when. */
interface Welcoming {
  readonly deps: Pick<Deps, 'config' | 'queue' | 'sealer'>
  readonly tenant: Tenant
  readonly now: Date
}

/** Runs once a user is created, activated again or adopted; undefined unless the tenant's setting asks for it. */
export function welcomeMail({ deps, tenant, now }: Welcoming): NewUser['afterwards'] {
  if (!tenant.settings.scimWelcomeMail) return undefined
  return async (trx, user, email) => {
    if (email === null || user.state !== 'active') return
    const token = randomToken()
    const mailId = uuidv7({ msecs: now.getTime() })
    const ttlHours = tenant.settings.invitationTtlHours ?? deps.config.invitationTtlHours
    const expiresAt = new Date(now.getTime() + ttlHours * 3_600_000)
    await Promise.all([
      insertPasswordReset(trx, tenant.id, { tokenHash: hashToken(token), userId: user.id, now, expiresAt }),
      insertResetMail(trx, tenant.id, {
        id: mailId,
        userId: user.id,
        to: email,
        tokenSealed: deps.sealer.seal('mail', token),
        now
      }),
      deps.queue.enqueue(trx, 'send-mail', [{ tenantId: tenant.id, mailId }], {
        startAfter: new Date(now.getTime() + DELAY_MS)
      })
    ])
  }
}
