// audit.*: who did what to whom, when, from where; for administrators.
import { z } from 'zod'
import { type AuditRow, listAuditEvents } from '../../db/audit-log.ts'
import { ACTOR_KINDS } from '../../db/schema.ts'
import { auditEventOutput, readAuditCursor, toAuditPage } from './audit-shapes.ts'
import { toCsv } from './csv.ts'
import { cursorInput, DEFAULT_LIMIT, limitInput, listOutput, searchInput } from './shapes.ts'
import { administratorProcedure, router } from './trpc.ts'

const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

const filterInput = z.strictObject({
  /** One action, such as `user.deactivated`, or all of a thing: `user.` */
  action: z
    .string()
    .regex(/^[A-Za-z]+\.[A-Za-z]*$/)
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

/** Lines of one export; the filter's times reach the rest. */
const MAX_EXPORTED = 10_000

export const auditRouter = router({
  /** Newest first. */
  list: administratorProcedure
    .input(
      z
        .strictObject({
          search: searchInput,
          filter: filterInput.optional(),
          cursor: cursorInput,
          limit: limitInput
        })
        .prefault({})
    )
    .output(listOutput(auditEventOutput))
    .query(async ({ ctx, input: { search, filter, ...page } }) => {
      const limit = page.limit ?? DEFAULT_LIMIT
      const query = { ...filter, search, after: readAuditCursor(page.cursor), limit: limit + 1 }
      return toAuditPage(await listAuditEvents(ctx.deps.db, ctx.tenant.id, query), limit)
    }),

  /** Up to 10,000 events as CSV (RFC 4180) with a head line, newest first; `isComplete` says whether that was all. */
  export: administratorProcedure
    .input(z.strictObject({ format: z.literal('csv').optional(), search: searchInput, filter: filterInput.optional() }))
    .output(z.object({ csv: z.string(), count: z.number().int(), isComplete: z.boolean() }))
    .query(async ({ ctx, input: { search, filter } }) => {
      const query = { ...filter, search, limit: MAX_EXPORTED + 1 }
      const found = await listAuditEvents(ctx.deps.db, ctx.tenant.id, query)
      const rows = found.slice(0, MAX_EXPORTED)
      return {
        csv: toCsv(EXPORT_COLUMNS, rows.map(exportLine)),
        count: rows.length,
        isComplete: found.length === rows.length
      }
    })
})

const EXPORT_COLUMNS = [
  'at',
  'action',
  'actorKind',
  'actorId',
  'actorName',
  'targetType',
  'targetId',
  'targetName',
  'ip',
  'requestId',
  'before',
  'after',
  'id'
]

const exportLine = (row: AuditRow) => [
  row.at.toISOString(),
  row.action,
  row.actor_kind,
  row.actor_id,
  row.actor_name,
  row.target_type,
  row.target_id,
  row.target_name,
  row.ip,
  row.request_id,
  row.before,
  row.after,
  row.id
]
