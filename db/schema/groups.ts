// Groups, who is in them, and who was.
import type { Generated } from 'kysely'
import type { JsonText, Role } from './values.ts'

export interface GroupsTable {
  tenant_id: number
  id: string
  ordinal: Generated<string>
  display_name: string
  display_name_key: string
  external_id: string | null
  connection_id: string | null
  /** The deleted connection that the group still belongs to. */
  kept_by: Generated<string | null>
  doc: JsonText
  version: Generated<number>
  created_at: Date
  updated_at: Date
}

export interface GroupMembersTable {
  tenant_id: number
  group_id: string
  user_id: string
  /** The SCIM connection that added the user; null if people did. */
  connection_id: string | null
  /** The audit event of the addition; null in rows from before there was one. */
  event_id: string | null
}

export interface GroupChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
  /** As in GroupMembersTable. */
  connection_id: string | null
  event_id: string | null
}

/** What `group_members` held until `removed_event_id`. */
export interface PastMembershipsTable {
  tenant_id: number
  group_id: string
  user_id: string
  connection_id: string | null
  added_event_id: string | null
  removed_event_id: string
}

/** What `group_children` held until `removed_event_id`. */
export interface PastChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
  connection_id: string | null
  added_event_id: string | null
  removed_event_id: string
}

export interface GroupAncestorsTable {
  tenant_id: number
  group_id: string
  ancestor_id: string
}

export interface GroupRevisionsTable {
  tenant_id: number
  group_id: string
  slot: Generated<number>
  member_delta: number
  changes: Generated<number>
  at: Date
}

export interface ResourceCountsTable {
  tenant_id: number
  resource_type: 'User' | 'Group'
  slot: Generated<number>
  total: number
  moves: Generated<number>
}

export interface GroupRolesTable {
  tenant_id: number
  group_id: string
  role: Role
}
