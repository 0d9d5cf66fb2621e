// Arrivals that cannot be linked without somebody's judgement.
import type { ColumnType, Generated } from 'kysely'
import type { Role } from './values.ts'

/** Why a person whom a connection wants to make is not linked without somebody's judgement. */
export const CONFLICT_REASONS = [
  /** The login address is one user's, the userName or externalId another's. */
  'twoPeople',
  /** Another connection manages the user. */
  'otherConnection',
  /** The same connection manages the user, under another userName. */
  'sameConnection',
  /** The user's role is above the highest one of the connection. */
  'roleAbove',
  'deactivated',
  /** The userName is the user's, the login address is not. */
  'otherAddress',
  /** An address beside the login address is the user's. */
  'secondAddress'
] as const
export type ConflictReason = (typeof CONFLICT_REASONS)[number]
export const CONFLICT_DECISIONS = ['adopt', 'apart', 'ignore'] as const
export type ConflictDecision = (typeof CONFLICT_DECISIONS)[number]

/** What people are shown of a user whom a connection wants to make. */
export interface SentUser {
  userName: string
  externalId?: string
  displayName?: string
  givenName?: string
  familyName?: string
  title?: string
  /** The first few. */
  emails?: string[]
  role?: Role
  active: boolean
}

/** A user whom a connection wants to make, and who may be here already. */
export interface ScimConflictsTable {
  tenant_id: number
  id: string
  connection_id: string
  /** SHA-256 of the keys that identify the person, and of `active`. */
  subject: Buffer
  reason: ConflictReason
  /** jsonb, read parsed. */
  sent: ColumnType<SentUser, string, string>
  user_name_key: string
  email_key: string | null
  external_id: string | null
  other_keys: string[]
  first_at: Date
  last_at: Date
  tries: Generated<number>
  decision: ConflictDecision | null
  adopt_id: string | null
  decided_at: Date | null
  decided_by: string | null
}
