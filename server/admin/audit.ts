// audit.*: who did what to whom, when, from where; for administrators.
import { countAuditEvents, listAuditEvents } from '../../db/audit-log.ts'
import { auditEventOutput, auditFilter, toAuditEvent } from './audit-shapes.ts'
import { listInput, listOutput, orderOf, pageById } from './paging.ts'
import { administratorProcedure, router } from './trpc.ts'

export const auditRouter = router({
  /** Newest first unless asked otherwise. */
  list: administratorProcedure
    .input(listInput(auditFilter.shape, ['at']))
    .output(listOutput(auditEventOutput))
    .query(({ ctx: { deps, tenant }, input }) => {
      const { isDescending, list } = orderOf('audit', input.sort, 'at', 'desc')
      const filter = { ...input.filter, search: input.search }
      return pageById(input, {
        list,
        read: (after, limit) =>
          listAuditEvents(deps.db, tenant.id, { ...filter, isAscending: !isDescending, after, limit }),
        count: () => countAuditEvents(deps.db, tenant.id, filter),
        toItem: toAuditEvent
      })
    })
})
