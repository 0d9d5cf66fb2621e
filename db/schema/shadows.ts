// Connections in shadow mode.
import type { Generated } from 'kysely'
import type { JsonText, Role, UserState } from './values.ts'

/** A connection in shadow mode. */
export interface ScimShadowsTable {
  tenant_id: number
  connection_id: string
  /** The id of the tenant that is its shadow; null if that was left behind in another database. */
  shadow_id: number | null
  opened_at: Date
  /** Until then the connection's requests are refused. */
  closed_until: Date | null
}

/**
 * Whose value wins if both the identity provider (in the shadow) and others (in the tenant) have changed it. `tenant`:
 * the tenant's stays, and is reported as a conflict. `provider`: the shadow's replaces it.
 */
export const PREFERENCES = ['tenant', 'provider'] as const
export type Preference = (typeof PREFERENCES)[number]

/** A user's state when the shadow was opened; `role` is their own role. */
export interface ShadowUsersTable {
  tenant_id: number
  id: string
  state: UserState
  locked: boolean
  role: Role
  connection_id: string | null
  user_name_key: string
  external_id: string | null
  email_key: string | null
  authority: JsonText
  version: number
  doc: JsonText
  /** An administrator's decision for only this user. */
  prefer: Generated<Preference | null>
}

export interface ShadowGroupsTable {
  tenant_id: number
  id: string
  connection_id: string | null
  /** As clients see it. */
  version: number
  doc: JsonText
  prefer: Generated<Preference | null>
}

export interface ShadowMembersTable {
  tenant_id: number
  group_id: string
  user_id: string
}

export interface ShadowChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
}
