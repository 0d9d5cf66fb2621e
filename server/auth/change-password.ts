// Changes one's own password while signed in.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { findSignInUserById, isPasswordHash } from '../../db/credentials.ts'
import { lockUser } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { AppError, forbidden } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { addressKey } from '../provisioning/address.ts'
import type { Tenant } from '../tenancy.ts'
import { wrongPassword } from './confirm.ts'
import { hashNewPassword, setPassword } from './set-password.ts'
import { signInCounts } from './sign-in-counts.ts'

/**
 * Ends every other session of the person. Somebody without a password sets one by a reset link.
 * @throws AppError forbidden `wrongPassword`, `sessionOnly` (an API token cannot take an account over); invalid
 *   `weakPassword`; rate_limited
 */
export async function changePassword(
  deps: Deps,
  tenant: Tenant,
  actor: Actor,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string }
): Promise<void> {
  const { id: userId, sessionId } = actor
  if (userId === null || sessionId === undefined) {
    throw forbidden('Only a person who has signed in changes their password', 'sessionOnly')
  }
  const person = await findSignInUserById(deps.db, tenant.id, userId)
  const before = person?.password_hash
  if (!person || !before) throw wrongPassword()
  await deps.auth.limits.countFailures(
    // for this session only: failures of strangers who guess at the address do not count here
    signInCounts(tenant, addressKey(person.email ?? person.id), actor.ip ?? '', sessionId),
    async () => {
      if (!(await deps.auth.passwords.verify(currentPassword, before))) throw wrongPassword()
    },
    (error) => error instanceof AppError && error.reason === 'wrongPassword'
  )
  const hash = await hashNewPassword(deps, tenant, person, newPassword)
  const now = deps.now()
  await inTenant(deps.db, tenant.id, async (trx) => {
    const user = await lockUser(trx, tenant.id, userId, 'for update')
    // another change may have come first
    if (!user || !(await isPasswordHash(trx, tenant.id, userId, before))) throw wrongPassword()
    await setPassword(trx, tenant.id, user, hash, now, { exceptSessionId: sessionId })
    await insertAuditEvents(trx, tenant.id, actor, now, [
      { action: 'user.passwordChanged', targetType: 'user', targetId: userId, targetName: actor.name }
    ])
  })
  deps.auth.principals.forget(tenant.id)
}
