// What an audit event looks like in an answer, for the log and for a user's history.
import { z } from 'zod'
import type { AuditRow } from '../../db/audit-log.ts'
import { ACTOR_KINDS } from '../../db/schema.ts'
import { isUndoable } from '../provisioning/history/facts.ts'

const facts = z.record(z.string(), z.unknown()).nullable()

export const auditEventOutput = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  /** The thing, a dot, what happened: `user.deactivated`. */
  action: z.string(),
  actorKind: z.enum(ACTOR_KINDS),
  actorId: z.string().nullable(),
  actorName: z.string().nullable(),
  targetType: z.string(),
  targetId: z.string().nullable(),
  targetName: z.string().nullable(),
  requestId: z.string().nullable(),
  ip: z.string().nullable(),
  /** What changed: only the changed facts. */
  before: facts,
  after: facts,
  /** Whether it may be given to `history.undo`. */
  isUndoable: z.boolean()
})

const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

/** How the log may be filtered. */
export const auditFilter = z.strictObject({
  /** One action, such as `user.deactivated`, or all of a thing: `user.` */
  action: z
    .string()
    .regex(/^[A-Za-z]+\.[A-Za-z]*$/, 'An action is such as user.deactivated, or user. for all of a thing')
    .max(100)
    .optional(),
  actorId: z.uuid().optional(),
  actorKind: z.enum(ACTOR_KINDS).optional(),
  targetId: z.uuid().optional(),
  /** At or after. */
  from: instant.optional(),
  /** Before. */
  to: instant.optional()
})

export const toAuditEvent = (row: AuditRow): z.infer<typeof auditEventOutput> => ({
  id: row.id,
  at: row.at.toISOString(),
  action: row.action,
  actorKind: row.actor_kind,
  actorId: row.actor_id,
  actorName: row.actor_name,
  targetType: row.target_type,
  targetId: row.target_id,
  targetName: row.target_name,
  requestId: row.request_id,
  ip: row.ip,
  before: shownFacts(row.before),
  after: shownFacts(row.after),
  isUndoable: isUndoable(row)
})

/** Anything longer, such as a photo, says nothing in a log. */
const MAX_SHOWN_LENGTH = 4_000

/** @param json as stored: whole values; of long ones only the length is shown */
function shownFacts(json: string | null): Record<string, unknown> | null {
  if (json === null) return null
  const stored = JSON.parse(json) as Record<string, unknown>
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, shown(name, value)]))
}

function shown(name: string, value: unknown): unknown {
  // lists of ids have a bound of their own
  if (name === 'added' || name === 'removed') return value
  const { length } = JSON.stringify(value)
  return length > MAX_SHOWN_LENGTH ? `${length.toLocaleString('en')} characters` : value
}
