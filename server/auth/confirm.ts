// Proves again who one is, before what somebody at an unlocked computer, or with a stolen session, must not do.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { findSignInUserById } from '../../db/credentials.ts'
import { notifyChange } from '../../db/listen.ts'
import { confirmSession } from '../../db/sessions.ts'
import type { Deps } from '../deps.ts'
import { AppError, forbidden } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { addressKey } from '../provisioning/address.ts'
import type { Tenant } from '../tenancy.ts'
import { passSecondFactor } from './second-factor.ts'
import { signInCounts } from './sign-in-counts.ts'

/**
 * Checks the password of the session's person, and a code where they have a second factor.
 * @throws AppError forbidden `wrongPassword`, `noPassword`, `sessionOnly`; unauthenticated `secondFactorRequired`,
 *   `wrongCode`; rate_limited
 */
export async function confirmIdentity(
  deps: Deps,
  tenant: Tenant,
  actor: Actor & { readonly id: string },
  { password, code }: { password: string; code: string | undefined }
): Promise<void> {
  const { sessionId } = actor
  if (sessionId === undefined) throw forbidden('Only a person who has signed in does this', 'sessionOnly')
  const person = await findSignInUserById(deps.db, tenant.id, actor.id)
  const hash = person?.password_hash
  if (!person || !hash) throw forbidden('You have no password: sign out, and in again', 'noPassword')
  await deps.auth.limits.countFailures(
    // for this session only: failures of strangers who guess at the address do not count here
    signInCounts(tenant, addressKey(person.email ?? person.id), actor.ip ?? '', sessionId),
    async () => {
      if (!(await deps.auth.passwords.verify(password, hash))) throw wrongPassword()
    },
    (error) => error instanceof AppError && error.reason === 'wrongPassword'
  )
  await passSecondFactor(deps, tenant, actor.id, { code, device: sessionId, origin: actor })
  const now = deps.now()
  await inTenant(deps.db, tenant.id, async (trx) => {
    await confirmSession(trx, tenant.id, sessionId, now)
    await insertAuditEvents(trx, tenant.id, actor, now, [
      { action: 'session.confirmed', targetType: 'session', targetId: sessionId, targetName: actor.name }
    ])
    await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
  })
  deps.auth.principals.forget(tenant.id)
}

export const wrongPassword = () => forbidden('The current password is wrong', 'wrongPassword')
