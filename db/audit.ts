// The audit log: written in the transaction of what it tells of, never changed.
import { v7 as uuidv7 } from 'uuid'
import type { Db } from './connect.ts'
import { type ColumnTypes, insertRows } from './rows.ts'
import type { ActorKind } from './schema.ts'

export interface AuditEvent {
  /** `user.deactivated`, `invitation.created`, …: the thing, a dot, what happened. */
  action: string
  targetType: 'user' | 'invitation' | 'group' | 'scimToken' | 'apiToken' | 'session' | 'tenant' | 'scimSchema'
  targetId: string | null
  targetName?: string | null
  /** What changed: the changed facts alone, without secrets. */
  before?: Record<string, unknown>
  after?: Record<string, unknown>
}

export interface AuditActor {
  readonly kind: ActorKind
  readonly id: string | null
  readonly name: string
  readonly requestId: string | null
  readonly ip: string | null
}

/** One statement for any number of events; call it in the transaction that made the change. */
export async function insertAuditEvents(
  db: Db,
  tenantId: number,
  actor: AuditActor,
  now: Date,
  events: AuditEvent[]
): Promise<void> {
  const rows = events.map((event) => ({
    tenant_id: tenantId,
    id: uuidv7({ msecs: now.getTime() }),
    at: now,
    action: event.action,
    actor_kind: actor.kind,
    actor_id: actor.id,
    actor_name: actor.name,
    target_type: event.targetType,
    target_id: event.targetId,
    target_name: event.targetName ?? null,
    request_id: actor.requestId,
    ip: actor.ip,
    before: event.before ? JSON.stringify(event.before) : null,
    after: event.after ? JSON.stringify(event.after) : null
  }))
  await insertRows(db, 'audit_events', AUDIT_COLUMNS, rows)
}

const AUDIT_COLUMNS: ColumnTypes = {
  tenant_id: 'int',
  id: 'uuid',
  at: 'timestamptz',
  action: 'text',
  actor_kind: 'text',
  actor_id: 'uuid',
  actor_name: 'text',
  target_type: 'text',
  target_id: 'uuid',
  target_name: 'text',
  request_id: 'text',
  ip: 'text',
  before: 'json',
  after: 'json'
}
