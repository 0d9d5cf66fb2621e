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
  /** The relay of events looks at those that have one. */
  event_stream_count: Generated<number>
  /** Of a shadow, whose id is negative: the tenant that it shows. */
  shadow_of: Generated<number | null>
}

export interface UsersTable {
  tenant_id: number
  id: string
  ordinal: Generated<string>
  state: UserState
  locked: Generated<boolean>
  /** What counts: their own, or a higher one of a group. */
  role: Role
  /** Their own where a group gives a higher one; null for everybody else. */
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
  /** By it an index has them: what family_name_key was when it was last written otherwise than by a rename in place. */
  indexed_family_name: string | null
  /** Tenant and name of their row in user_family_names (db/family-names.ts); null where there is none. */
  listed_family_name: Generated<string | null>
  /** Made by the database: neither of these finds them, or they have no family name and the index has one. */
  is_name_unlisted: ColumnType<boolean, never, never>
  /** Made by the database: display name, else full name, else address or user name, in lower case. */
  shown_name_key: ColumnType<string, never, never>
  /** Follows from the state, for indexes, which must not know that. */
  is_removed: ColumnType<boolean, never, never>
  time_zone: string | null
  locale: string | null
  must_reset_password: Generated<boolean>
  doc: JsonText
  /** Who has an attribute that connection_id has not, as JSON: server/provisioning/authority.ts. */
  authority: ColumnType<string, string | undefined, string>
  /** The login address of their document that another user has: it is not claimed. */
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

/** Family names of those who were renamed in place. */
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
