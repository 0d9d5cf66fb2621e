// The unique keys that a SCIM write may violate, reported as the protocol reports them.
import { violatedConstraint } from '../../db/failures.ts'
import { AppError } from '../errors.ts'

/** The same text whoever holds the address: a tenant must not learn about another tenant's users. */
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

/** What the violated unique key says is taken; undefined for any other error. */
export const conflictOf = (error: unknown): UserConflict | undefined => CONFLICTS[violatedConstraint(error) ?? '']

/** 409 uniqueness (RFC 7644 §3.3); identity providers show the text to their administrators. */
export const takenError = (what: UserConflict, cause?: unknown): AppError =>
  new AppError('conflict', TEXTS[what], { scimType: 'uniqueness', cause })
