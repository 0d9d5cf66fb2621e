// Unique keys that a SCIM write may run into, told the way the protocol tells them.
import { violatedConstraint } from '../../db/failures.ts'
import { AppError } from '../errors.ts'

/** The same text whoever holds it: another tenant's users are none of this one's business. */
export const ADDRESS_TAKEN = 'This e-mail address is already in use'

export type UserConflict = 'userName' | 'externalId' | 'address'

/** By the name of the unique key. */
const CONFLICTS: Readonly<Record<string, UserConflict>> = {
  users_user_name_key: 'userName',
  users_external_id_key: 'externalId',
  addresses_pkey: 'address'
}

const TEXTS: Readonly<Record<UserConflict, string>> = {
  userName: 'Another user has this userName',
  externalId: 'Another user of this connection has this externalId',
  address: ADDRESS_TAKEN
}

/** What a unique key says is taken, or undefined for any other error. */
export const conflictOf = (error: unknown): UserConflict | undefined => CONFLICTS[violatedConstraint(error) ?? '']

/** 409 uniqueness (RFC 7644 §3.3); identity providers show the text to their administrators. */
export const takenError = (what: UserConflict, cause?: unknown): AppError =>
  new AppError('conflict', TEXTS[what], { scimType: 'uniqueness', cause })
