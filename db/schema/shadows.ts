// Connections in shadow mode.
import type { Generated } from 'kysely'
import type { JsonText, Role, UserState } from './values.ts'

/** A connection in shadow mode. */
export interface ScimShadowsTable {
  tenant_id: number
  connection_id: string
  /** The id of the tenant that is its shadow; null where that stayed behind in another database. */
  shadow_id: number | null
  opened_at: Date
  /** Nothing is taken until then. */
  closed_until: Date | null
}

/**
 * Whose value counts where both an identity provider, in a shadow, and others have changed one. `tenant`: theirs stays, and is
 * told as a conflict. `provider`: it becomes what it is in the shadow.
 */
export const PREFERENCES = ['tenant', 'provider'] as const
export type Preference = (typeof PREFERENCES)[number]

/** What a user was when the shadow was opened; `role` is their own. */
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
  /** An administrator's decision for this user alone. */
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
