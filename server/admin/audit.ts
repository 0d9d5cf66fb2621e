// audit.*: who did what to whom, when, from where; for administrators.
import { countAuditEvents, listAuditEvents } from '../../db/audit-log.ts'
import { auditEventOutput, auditFilter, readAuditCursor, toAuditPage } from './audit-shapes.ts'
import { DEFAULT_LIMIT, listInput, listOutput, newestFirst } from './shapes.ts'
import { administratorProcedure, router } from './trpc.ts'

export const auditRouter = router({
  /** Newest first unless it is asked otherwise. */
  list: administratorProcedure
    .input(listInput(auditFilter.shape, ['at']))
    .output(listOutput(auditEventOutput))
    .query(async ({ ctx: { deps, tenant }, input }) => {
      const limit = input.limit ?? DEFAULT_LIMIT
      const isAscending = !newestFirst(input.sort)
      const filter = { ...input.filter, search: input.search }
      const after = readAuditCursor(input.cursor, isAscending)
      const [rows, total] = await Promise.all([
        listAuditEvents(deps.db, tenant.id, { ...filter, isAscending, after, limit: limit + 1 }),
        input.includeTotal ? countAuditEvents(deps.db, tenant.id, filter) : undefined
      ])
      return toAuditPage(rows, limit, isAscending, total)
    })
})
