// The audit log, and the streams that deliver it.
import type { ColumnType, Generated } from 'kysely'
import type { ActorKind } from './values.ts'

export interface EventStreamsTable {
  tenant_id: number
  id: string
  /** `webhook`: Standard Webhooks. `set`: security event tokens (RFC 9967). */
  kind: 'webhook' | 'set'
  name: string
  url: string
  /** `user.created`, `user.*`; empty for every event. */
  event_types: string[]
  /** For `set`: the receiver, as named in the token's `aud`. */
  audience: string | null
  /** For `set`: the value of the Authorization header, sealed. */
  authorization_sealed: Buffer | null
  /** For `webhook`. */
  secret_sealed: Buffer | null
  old_secret_sealed: Buffer | null
  old_secret_until: Date | null
  state: 'enabled' | 'paused'
  paused_because: string | null
  /** When administrators were last told of deliveries that were given up. */
  told_of_dead_at: Date | null
  /** Where `cursor_xid` was counted (EventCursor.node); null in rows written by earlier versions. */
  cursor_node: string | null
  /** xid8, as text. */
  cursor_xid: string
  cursor_id: string
  /** EventCursor.floor */
  cursor_floor: string | null
  /** When the transaction that last moved the cursor began, by the database's clock. */
  relayed_at: Date | null
  created_at: Date
  updated_at: Date
}

export interface EventDeliveriesTable {
  tenant_id: number
  id: string
  stream_id: string
  event_id: string
  state: 'queued' | 'delivered' | 'dead'
  attempts: Generated<number>
  queued_at: Date
  attempted_at: Date | null
  status: number | null
  error: string | null
}

export interface SigningKeysTable {
  tenant_id: number
  id: string
  private_jwk_sealed: Buffer
  /** jsonb, read parsed. */
  public_jwk: ColumnType<Record<string, unknown>, string, never>
  created_at: Date
}

export interface AuditEventsTable {
  tenant_id: number
  id: string
  at: Date
  action: string
  actor_kind: ActorKind
  actor_id: string | null
  actor_name: string | null
  target_type: string
  target_id: string | null
  target_name: string | null
  request_id: string | null
  ip: string | null
  before: ColumnType<string | null, string | null, never>
  after: ColumnType<string | null, string | null, never>
  /** The SCIM connection that acted. */
  connection_id: string | null
  /** The transaction that wrote it (PostgreSQL's xid8, as text). */
  xid: Generated<string>
}
