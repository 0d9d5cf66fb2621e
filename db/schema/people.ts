// Tenants and their people.
import type { ColumnType, Generated } from 'kysely'
import type { JsonText, Role, TenantSettings, TenantState, UserState } from './values.ts'

export interface TenantsTable {
  id: Generated<number>
  subdomain: string
  name: string
  state: TenantState
  /** jsonb, read parsed. */
  settings: ColumnType<TenantSettings, string | undefined, string>
  created_at: Date
  updated_at: Date
  /** The relay of events skips tenants with 0. */
  event_stream_count: Generated<number>
  /** For a shadow, whose id is negative: the tenant that it shadows. */
  shadow_of: Generated<number | null>
}

export interface UsersTable {
  tenant_id: number
  id: string
  ordinal: Generated<string>
  state: UserState
  locked: Generated<boolean>
  /** The effective role: their own, or a higher one from a group. */
  role: Role
  /** Their own role if a group gives a higher one; null for everybody else. */
  given_role: Generated<Role | null>
  user_name: string
  user_name_key: string
  external_id: string | null
  connection_id: string | null
  email: string | null
  email_key: string | null
  display_name: string | null
  display_name_key: string | null
  given_name: string | null
  family_name: string | null
  family_name_key: string | null
  /** The family name in an index: family_name_key as of when it was last written other than by a rename in place. */
  indexed_family_name: string | null
  /** Tenant and name of their row in user_family_names (db/family-names.ts); null if there is none. */
  listed_family_name: Generated<string | null>
  /** Generated: neither of these two finds them, or they have no family name but the index has one. */
  is_name_unlisted: ColumnType<boolean, never, never>
  /** Generated: display name, else full name, else address or user name, in lower case. */
  shown_name_key: ColumnType<string, never, never>
  /** Generated from the state, for indexes: with the state itself in an index, it could not be updated in place. */
  is_removed: ColumnType<boolean, never, never>
  time_zone: string | null
  locale: string | null
  must_reset_password: Generated<boolean>
  doc: JsonText
  /** Who owns attributes that connection_id does not own, as JSON: server/provisioning/authority.ts. */
  authority: ColumnType<string, string | undefined, string>
  /** The login address in their document that another user holds; it is not claimed for them. */
  apart_key: Generated<string | null>
  version: Generated<number>
  created_at: Date
  updated_at: Date
  activated_at: Date | null
  last_sign_in_at: Date | null
}

export interface UserEmailsTable {
  tenant_id: number
  user_id: string
  value_key: string
}

/** Family names of users who were renamed in place. */
export interface UserFamilyNamesTable {
  tenant_id: number
  family_name_key: string
  user_id: string
}

export interface AddressesTable {
  address_key: string
  tenant_id: number
  user_id: string
}
