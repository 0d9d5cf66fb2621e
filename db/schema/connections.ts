// Identity providers: connections, their tokens, and the log of what they sent and received.
import type { ColumnType, Generated } from 'kysely'
import type { BrakeSettings, JsonText, Role, ScimProfile } from './values.ts'

export interface ScimConnectionsTable {
  tenant_id: number
  id: string
  name: string
  profile: ScimProfile
  highest_role: Role
  created_by: string | null
  created_at: Date
  /** jsonb, read parsed. */
  brake: ColumnType<BrakeSettings, string | undefined, string>
}

export interface ScimTokensTable {
  tenant_id: number
  id: string
  connection_id: string
  token_hash: Buffer
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
  /** How many days before the end administrators were last warned. */
  warned_days: Generated<number | null>
}

export interface ScimTokenUsesTable {
  tenant_id: number
  token_id: string
  /** Network address, as text. */
  address: string
  last_used_at: Date
}

/** A deleted connection: its highest role, and whether its users and groups stay as it left them. */
export interface PastConnectionsTable {
  tenant_id: number
  id: string
  highest_role: Role
  /** Null for one that was deleted before names were kept. */
  name: string | null
  removed_at: Date | null
  is_kept: Generated<boolean>
}

/** A connection's refused requests, counted by the hour; the last one with its details. */
export interface ScimErrorsTable {
  tenant_id: number
  connection_id: string
  /** The beginning of the hour. */
  hour: Date
  count: number
  last_at: Date
  /** HTTP status. */
  last_status: number
  last_detail: string
}

export interface ScimSchemasTable {
  tenant_id: number
  urn: string
  resource_type: 'User' | 'Group'
  definition: JsonText
  created_at: Date
}

/** A batch of what identity providers sent and received; server/wire-log/entry.ts reads its entries. */
export interface WireLogTable {
  tenant_id: number
  id: string
  from_at: Date
  to_at: Date
  exchanges: number
  /** How many exchanges before these were not kept. */
  dropped: number
  statuses: number[]
  connection_ids: (string | null)[]
  resource_ids: string[]
  request_ids: string[]
  /** One JSON object a line, compressed with zstd. */
  entries: Buffer
}
