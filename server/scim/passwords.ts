// Passwords that an identity provider sets (changePassword of RFC 7643 §5).
import { MAX_PASSWORD_LENGTH } from '../auth/password.ts'
import { DEFAULT_MIN_LENGTH } from '../auth/password-policy.ts'
import { invalidValue } from '../errors.ts'
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
