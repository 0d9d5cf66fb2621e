// Sets a password: what is checked before, and what ends with the old one.

import type { Trx } from '../../db/connect.ts'
import { setPasswordHash } from '../../db/credentials.ts'
import { updateUser } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { endWithPassword } from '../provisioning/ending.ts'
import type { Tenant } from '../tenancy.ts'
import { checkPassword, weak } from './password-policy.ts'

const BREACHED = 'That password is in a list of passwords that were stolen elsewhere: choose another'

/**
 * Slow on purpose: call it before the transaction.
 * @returns what `setPassword` stores
 * @throws AppError invalid `weakPassword`, by the tenant's minimum length, the person's own words, and the list of
 *   breached passwords where one is configured
 */
export async function hashNewPassword(
  deps: Deps,
  tenant: Tenant,
  person: { email: string | null; display_name: string | null },
  password: string
): Promise<string> {
  checkPassword(password, {
    minLength: tenant.settings.passwordMinLength,
    email: person.email,
    name: person.display_name,
    tenantName: tenant.name
  })
  if (await deps.auth.breachedPasswords.includes(password)) throw weak(BREACHED)
  return deps.auth.passwords.hash(password)
}

/**
 * Gives a user, whose row the caller has locked `for update`, a new password. Their reset links and sessions end, and
 * they need not reset it any more; API tokens, which no password made, stay.
 * @param options.exceptSessionId the session that goes on
 */
export async function setPassword(
  trx: Trx,
  tenantId: number,
  user: { id: string; must_reset_password: boolean },
  hash: string,
  now: Date,
  options: { exceptSessionId?: string } = {}
): Promise<void> {
  await setPasswordHash(trx, tenantId, user.id, hash, now)
  if (user.must_reset_password) await updateUser(trx, tenantId, user.id, { must_reset_password: false }, now)
  await endWithPassword(trx, tenantId, [user.id], now, options.exceptSessionId)
}
