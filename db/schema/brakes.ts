// The brake on mass deprovisioning.
import type { ColumnType, Generated } from 'kysely'

/** How many people a connection may still deprovision within an hour; minutes count whole ones since 1970. */
export interface BrakesTable {
  tenant_id: number
  connection_id: string
  /** Active users of the tenant at `based_minute`. */
  base: number
  based_minute: number
  /** numeric, read as text. */
  percent: ColumnType<string, number, number>
  people: number
  permits: number
  slots: number
  released_minute: number | null
  episode_at: Date | null
  episode_ended_at: Date | null
  last_held_at: Date | null
  has_held: Generated<boolean>
  has_rejected: Generated<boolean>
}

export interface BrakeSlotsTable {
  tenant_id: number
  connection_id: string
  slot: number
  allowance: Generated<number>
  given: Generated<number>
  last_minute: number
  minutes: Generated<number[]>
}

export interface BrakePeopleTable {
  tenant_id: number
  connection_id: string
  user_id: string
  minute: number
}

export const HELD_KINDS = ['deactivate', 'remove', 'leave', 'removeGroup'] as const
export type HeldKind = (typeof HELD_KINDS)[number]
export const HELD_STATES = ['held', 'rejected'] as const
export type HeldState = (typeof HELD_STATES)[number]

/** Changes that the brake has held or an administrator has rejected. */
export interface HeldChangesTable {
  tenant_id: number
  id: string
  connection_id: string
  kind: HeldKind
  /** The person; null for `removeGroup`, and for `leave` if a group was to leave. */
  user_id: string | null
  /** For `leave`: the group that was to leave, if it was a group. */
  child_id: string | null
  /** For `leave` and `removeGroup`. */
  group_id: string | null
  state: HeldState
  first_at: Date
  last_at: Date
  tries: Generated<number>
}
