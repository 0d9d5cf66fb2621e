// audit.*: who did what to whom, when, from where; for administrators.
import { z } from 'zod'
import { listAuditEvents } from '../../db/audit-log.ts'
import { auditEventOutput, auditFilter, readAuditCursor, toAuditPage } from './audit-shapes.ts'
import { cursorInput, DEFAULT_LIMIT, limitInput, listOutput, searchInput } from './shapes.ts'
import { administratorProcedure, router } from './trpc.ts'

export const auditRouter = router({
  /** Newest first. */
  list: administratorProcedure
    .input(
      z
        .strictObject({
          search: searchInput,
          filter: auditFilter.optional(),
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
    })
})
