// Passwords that an identity provider sets (changePassword of RFC 7643 §5).
import { findSignInUserById } from '../../db/credentials.ts'
import { MAX_PASSWORD_LENGTH } from '../auth/password.ts'
import { DEFAULT_MIN_LENGTH } from '../auth/password-policy.ts'
import { invalidValue } from '../errors.ts'
import type { ScimUserChange } from '../provisioning/scim-users.ts'
import type { ScimContext } from './context.ts'

/**
 * Hashes a password. How easily one is guessed is left to the identity provider's own policy, since a user whom we
 * refused for that could not be provisioned at all; the tenant's length is asked for.
 * @throws AppError invalidValue
 */
export function hashPassword({ deps, tenant }: ScimContext, password: string): Promise<string> {
  const minLength = tenant.settings.passwordMinLength ?? DEFAULT_MIN_LENGTH
  if ([...password].length < minLength) throw invalidValue(`password must have at least ${minLength} characters`)
  if (password.length > MAX_PASSWORD_LENGTH) {
    throw invalidValue(`password must have at most ${MAX_PASSWORD_LENGTH.toLocaleString('en')} characters`)
  }
  return deps.auth.passwords.hash(password)
}

/**
 * The password that a change gives somebody. Some clients send it with each change: one that they have already ends
 * nothing, and nothing in the answer tells that it was right.
 * @throws AppError invalidValue
 */
export async function changedPassword(
  context: ScimContext,
  userId: string,
  password: string
): Promise<Pick<ScimUserChange, 'passwordHash' | 'isSamePassword'>> {
  const { deps, tenant } = context
  const [passwordHash, user] = await Promise.all([
    hashPassword(context, password),
    findSignInUserById(deps.db, tenant.id, userId)
  ])
  return { passwordHash, isSamePassword: await deps.auth.passwords.verify(password, user?.password_hash ?? undefined) }
}
