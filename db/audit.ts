// The audit log: written in the transaction that makes the change, and never changed.
import { type RawBuilder, sql } from 'kysely'
import type { Db } from './connect.ts'
import { newId } from './ids.ts'
import { type ColumnTypes, insertRows } from './rows.ts'
import type { ActorKind } from './schema.ts'

export interface AuditEvent {
  /** From newEventId, where something else refers to the event; generated if left out. */
  id?: string
  /** `user.deactivated`, `invitation.created`, …: the kind of target, a dot, what happened. */
  action: string
  targetType:
    | 'user'
    | 'invitation'
    | 'group'
    | 'scimConnection'
    | 'scimToken'
    | 'apiToken'
    | 'session'
    | 'tenant'
    | 'scimSchema'
    | 'history'
    | 'eventStream'
  targetId: string | null
  targetName?: string | null
  /** Who did it and when, if that differs between the events of a statement. */
  by?: { readonly actor: AuditActor; readonly now: Date }
  /** What changed: only the changed facts, without secrets. */
  before?: Record<string, unknown>
  after?: Record<string, unknown>
}

export interface AuditActor {
  readonly kind: ActorKind
  readonly id: string | null
  readonly name: string
  readonly requestId: string | null
  readonly ip: string | null
  /** For a SCIM token: the connection that acts. */
  readonly scim?: { readonly connectionId: string }
}

/** The SCIM connection that acts, if one does. */
export const connectionOf = (actor: AuditActor): string | null => actor.scim?.connectionId ?? null

/** One statement for any number of events; call it in the transaction that made the change. */
export async function insertAuditEvents(
  db: Db,
  tenantId: number,
  actor: AuditActor,
  now: Date,
  events: AuditEvent[]
): Promise<void> {
  const rows = events.map((event) => rowOf(tenantId, event.by ?? { actor, now }, event))
  await insertRows(db, 'audit_events', AUDIT_COLUMNS, rows)
}

/** The rows of insertAuditEvents, for a statement that is sent with others. @param events each with its actor */
export const auditRows = (
  tenantId: number,
  events: readonly (AuditEvent & Required<Pick<AuditEvent, 'by'>>)[]
): Record<string, unknown>[] => events.map((event) => rowOf(tenantId, event.by, event))

const rowOf = (
  tenantId: number,
  { actor, now }: { readonly actor: AuditActor; readonly now: Date },
  event: AuditEvent
) => ({
  tenant_id: tenantId,
  id: event.id ?? newEventId(now),
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
  connection_id: connectionOf(actor),
  before: event.before ? JSON.stringify(event.before) : null,
  after: event.after ? JSON.stringify(event.after) : null
})

/** The facts of an event that only the statement making the change knows, as SQL expressions on `source`. */
interface AuditFacts {
  targetName: RawBuilder<string | null>
  /** json */
  after: RawBuilder<unknown>
}

/**
 * An event as part of the statement that makes the change: one if `source` has a row, none if it has none.
 * `returning 1` is for Citus, which would otherwise COPY the row (row-level security refuses that).
 * @param event.id from newEventId
 * @param source what follows `from`, at most one row
 */
export const auditInsertFrom = (
  tenantId: number,
  actor: AuditActor,
  now: Date,
  event: Pick<AuditEvent, 'action' | 'targetType'> & { id: string; targetId: string },
  { targetName, after }: AuditFacts,
  source: RawBuilder<unknown>
): RawBuilder<unknown> => sql`
  insert into audit_events (tenant_id, id, at, action, actor_kind, actor_id, actor_name,
    target_type, target_id, target_name, request_id, ip, connection_id, after)
  select ${tenantId}::int, ${event.id}::uuid, ${now}::timestamptz, ${event.action},
    ${actor.kind}, ${actor.id}::uuid, ${actor.name}, ${event.targetType}, ${event.targetId}::uuid, ${targetName},
    ${actor.requestId}, ${actor.ip}, ${connectionOf(actor)}::uuid, ${after}
  from ${source} returning 1`

/**
 * Events of one kind as part of the statement that makes the changes: one for each row of `source`, whose columns
 * `event_id`, `at`, `actor_kind`, `actor_id`, `actor_name`, `request_id` and `ip` identify the event and its actor.
 */
export const auditInsertOf = (
  tenantId: number,
  event: Pick<AuditEvent, 'action' | 'targetType'> & { targetId: RawBuilder<string>; connectionId: unknown },
  { targetName, after }: AuditFacts,
  source: RawBuilder<unknown>
): RawBuilder<unknown> => sql`
  insert into audit_events (tenant_id, id, at, action, actor_kind, actor_id, actor_name,
    target_type, target_id, target_name, request_id, ip, connection_id, after)
  select ${tenantId}::int, event_id, at, ${sql.lit(event.action)}, actor_kind, actor_id, actor_name,
    ${sql.lit(event.targetType)}, ${event.targetId}, ${targetName}, request_id, ip, ${event.connectionId}::uuid, ${after}
  from ${source}`

/** The columns that auditInsertOf reads, and their values. */
export const EVENT_COLUMNS = {
  event_id: 'uuid',
  at: 'timestamptz',
  actor_kind: 'text',
  actor_id: 'uuid',
  actor_name: 'text',
  request_id: 'text',
  ip: 'text'
} as const satisfies ColumnTypes
export const eventColumns = ({ actor, now }: { readonly actor: AuditActor; readonly now: Date }) =>
  ({
    event_id: newEventId(now),
    at: now,
    actor_kind: actor.kind,
    actor_id: actor.id,
    actor_name: actor.name,
    request_id: actor.requestId,
    ip: actor.ip
  }) satisfies Record<keyof typeof EVENT_COLUMNS, unknown>

let made = 0
/** Ids sort by time, and within a millisecond by creation in one process: the log is read in their order. */
export const newEventId = (now: Date): string => newId(now.getTime(), made++ % 2 ** 32)

/** The columns of auditRows. */
export const AUDIT_COLUMNS: ColumnTypes = {
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
  connection_id: 'uuid',
  before: 'json',
  after: 'json'
}

/** @param rows a set with AUDIT_COLUMNS */
export const insertEvents = (rows: RawBuilder<unknown>): RawBuilder<unknown> => {
  const names = sql.join(Object.keys(AUDIT_COLUMNS).map((column) => sql.ref(column)))
  return sql`insert into audit_events (${names}) select ${names} from ${rows}`
}
