// Unique keys that a SCIM write may run into, told the way the protocol tells them.
import { violatedConstraint } from '../../db/failures.ts'
import { AppError } from '../errors.ts'

/** The same text whoever holds it: another tenant's users are none of this one's business. */
export const ADDRESS_TAKEN = 'This e-mail address is already in use'

const TEXTS: Record<string, string> = {
  users_user_name_key: 'Another user has this userName',
  users_external_id_key: 'Another user of this connection has this externalId',
  addresses_pkey: ADDRESS_TAKEN
}

export type UserConflict = 'userName' | 'externalId' | 'address'

const CONFLICTS: Record<string, UserConflict> = {
  users_user_name_key: 'userName',
  users_external_id_key: 'externalId',
  addresses_pkey: 'address'
}

/** What a unique key says is taken, or undefined for any other error. */
export const conflictOf = (error: unknown): UserConflict | undefined => CONFLICTS[violatedConstraint(error) ?? '']

/** 409 uniqueness (RFC 7644 §3.3); identity providers show the text to their administrators. */
export function takenError(what: UserConflict, cause?: unknown): AppError {
  const constraint = Object.keys(CONFLICTS).find((name) => CONFLICTS[name] === what)!
  return new AppError('conflict', TEXTS[constraint]!, { scimType: 'uniqueness', cause })
}
