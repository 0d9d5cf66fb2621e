// Identity providers: connections, their tokens, and what they sent and got.
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
  /** How many days before the end administrators were warned last. */
  warned_days: Generated<number | null>
}

export interface ScimTokenUsesTable {
  tenant_id: number
  token_id: string
  /** Of the network; as text. */
  address: string
  last_used_at: Date
}

/** A connection that is gone: how far it reached, and whether what it had stays as it left it. */
export interface PastConnectionsTable {
  tenant_id: number
  id: string
  highest_role: Role
  /** Null of one that went before names were kept. */
  name: string | null
  removed_at: Date | null
  is_kept: Generated<boolean>
}

/** What a connection was refused, counted by the hour; the last one in full. */
export interface ScimErrorsTable {
  tenant_id: number
  connection_id: string
  /** Its beginning. */
  hour: Date
  count: number
  last_at: Date
  /** HTTP's. */
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

/** A batch of what identity providers sent and got; its entries are read by server/wire-log/entry.ts. */
export interface WireLogTable {
  tenant_id: number
  id: string
  from_at: Date
  to_at: Date
  exchanges: number
  /** Exchanges before these that were not kept. */
  dropped: number
  statuses: number[]
  connection_ids: (string | null)[]
  resource_ids: string[]
  request_ids: string[]
  /** One JSON object a line, compressed with zstd. */
  entries: Buffer
}
