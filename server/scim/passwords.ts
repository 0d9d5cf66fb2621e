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

type PasswordChange = Pick<ScimUserChange, 'passwordHash' | 'sameAsHash'>

/**
 * For one request, whose change may be computed several times: the password is hashed the first time. Some clients send
 * it with each change, so one that the person has already is told apart; nothing in the answer tells that it was right.
 * @returns what rejects with AppError invalidValue
 */
export function passwordSetter(context: ScimContext): (userId: string, password: string) => Promise<PasswordChange> {
  const { deps, tenant } = context
  let setting: Promise<PasswordChange> | undefined

  async function compute(userId: string, password: string): Promise<PasswordChange> {
    const [passwordHash, user] = await Promise.all([
      hashPassword(context, password),
      findSignInUserById(deps.db, tenant.id, userId)
    ])
    const before = user?.password_hash ?? undefined
    const isSame = await deps.auth.passwords.verify(password, before)
    if (!isSame || before === undefined) return { passwordHash }
    // a sign-in that has compared with the hash that is stored goes on
    return { passwordHash: deps.auth.passwords.isOutdated(before) ? passwordHash : before, sameAsHash: before }
  }

  return (userId, password) => {
    setting ??= compute(userId, password)
    return setting
  }
}
