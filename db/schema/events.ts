// The audit log, and who is told of it.
import type { ColumnType, Generated } from 'kysely'
import type { ActorKind } from './values.ts'

export interface EventStreamsTable {
  tenant_id: number
  id: string
  /** `webhook`: Standard Webhooks. `set`: security event tokens (RFC 9967). */
  kind: 'webhook' | 'set'
  name: string
  url: string
  /** `user.created`, `user.*`; none for every event. */
  event_types: string[]
  /** Of `set`: the receiver, as the token's `aud` names it. */
  audience: string | null
  /** Of `set`: what the Authorization header says, sealed. */
  authorization_sealed: Buffer | null
  /** Of `webhook`. */
  secret_sealed: Buffer | null
  old_secret_sealed: Buffer | null
  old_secret_until: Date | null
  state: 'enabled' | 'paused'
  paused_because: string | null
  /** When administrators were last told of deliveries that were given up. */
  told_of_dead_at: Date | null
  /** Where `cursor_xid` was counted (EventCursor.node); null in rows of versions before. */
  cursor_node: string | null
  /** xid8, as text. */
  cursor_xid: string
  cursor_id: string
  /** EventCursor.floor */
  cursor_floor: string | null
  /** By the database's clock: when the transaction began that moved the cursor last. */
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
