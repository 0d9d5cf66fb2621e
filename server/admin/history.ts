// history.*: every version of a user or a group, what a SCIM connection did, and undo; for administrators. The rules
// are in server/provisioning/history.
import { z } from 'zod'
import { type Historied, type HistoryOf, type HistoryRow, listHistory } from '../../db/history-list.ts'
import { requireKnown } from '../provisioning/history/known.ts'
import type { UndoItem } from '../provisioning/history/run.ts'
import { previewUndo, type UndoReport, undo } from '../provisioning/history/undo.ts'
import { auditEventOutput, toAuditEvent } from './audit-shapes.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const moment = z.iso.datetime({ offset: true })
const instant = moment.transform((text) => new Date(text))

const versionOutput = auditEventOutput.extend({
  /** The SCIM connection that acted. */
  connectionId: z.string().nullable(),
  connectionName: z.string().nullable(),
  /** For a user's history: the memberships that began or ended with it. */
  memberships: z.array(
    z.object({
      groupId: z.string(),
      /** Null where the group is gone. */
      groupName: z.string().nullable(),
      change: z.enum(['joined', 'left']),
      /** For `left`: when it had begun, where that is known. */
      since: z.iso.datetime().nullable(),
      connectionId: z.string().nullable()
    })
  )
})

const page = { since: instant.optional(), ...pageInput }

interface Page {
  since?: Date | undefined
  cursor?: string | undefined
  limit?: number | undefined
}

const listVersions = ({ deps, tenant }: TenantContext, of: HistoryOf, { since, ...asked }: Page) =>
  pageById(asked, {
    list: `history.${Object.keys(of)[0]}`,
    read: async (after, limit) => {
      const rows = await listHistory(deps.db, tenant.id, of, { since, after, limit })
      if (rows.length === 0) await requireKnown(deps.db, tenant.id, ...historied(of))
      return rows
    },
    toItem: toVersion
  })

function historied(of: HistoryOf): [what: Historied, id: string] {
  if ('userId' in of) return ['User', of.userId]
  return 'groupId' in of ? ['Group', of.groupId] : ['Connection', of.connectionId]
}

const toVersion = (row: HistoryRow): z.infer<typeof versionOutput> => ({
  ...toAuditEvent(row),
  connectionId: row.connection_id,
  connectionName: row.connection_name,
  memberships: (row.memberships ?? []).map((membership) => ({
    ...membership,
    since: membership.since && new Date(membership.since).toISOString()
  }))
})

/** One change; one user or group to a moment; all that a connection did since a moment. */
const scopeInput = z.union([
  z.strictObject({ eventId: z.uuid() }),
  z.strictObject({ userId: z.uuid(), at: instant }),
  z.strictObject({ groupId: z.uuid(), at: instant }),
  z.strictObject({ connectionId: z.uuid(), since: instant })
])

const reportOutput = z.object({
  /** The event that sums it up, for `history.undo` to undo the undo. Null in a preview, and where nothing changed. */
  undoId: z.string().nullable(),
  counts: z.object({
    events: z.number().int(),
    users: z.number().int(),
    groups: z.number().int(),
    memberships: z.number().int(),
    refused: z.number().int()
  }),
  /** Refused items come first; `isComplete` says whether these are all. */
  items: z.array(
    z.object({
      kind: z.enum(['user', 'group', 'membership']),
      id: z.string(),
      name: z.string().nullable(),
      group: z.object({ id: z.string(), name: z.string().nullable() }).optional(),
      changes: z.array(z.object({ attribute: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })),
      conflicts: z.array(
        z.object({
          attribute: z.string(),
          /** Stable and machine-readable: `changedSince`, `addressTaken`, … */
          reason: z.string(),
          /** In words. */
          detail: z.string(),
          wanted: z.unknown().optional(),
          by: z.object({ eventId: z.string(), name: z.string().nullable(), at: z.iso.datetime() }).optional()
        })
      )
    })
  ),
  isComplete: z.boolean()
})

/** The limit for items; the counts cover all. */
const MAX_ITEMS = 1_000

const toReport = ({ undoId, counts, items }: UndoReport): z.infer<typeof reportOutput> => ({
  undoId,
  counts,
  items: items.slice(0, MAX_ITEMS).map(toItem),
  isComplete: items.length <= MAX_ITEMS
})

const toItem = ({ kind, id, name, group, changes, conflicts }: UndoItem) => ({
  kind,
  id,
  name,
  ...(group && { group }),
  changes: [...changes],
  conflicts: conflicts.map((conflict) => ({ ...conflict, detail: CONFLICT_DETAILS[conflict.reason] }))
})

/** What prevents a part of an undo, in words. */
export const CONFLICT_DETAILS = {
  changedSince: 'It was changed later',
  userRemoved: 'The person is removed',
  groupRemoved: 'The group is deleted',
  addressTaken: 'Somebody else has the e-mail address',
  userNameTaken: 'Somebody else has the user name',
  externalIdTaken: 'Somebody else has the external id',
  groupNameTaken: 'Another group has the name',
  groupCycle: 'The groups would contain each other',
  connectionRemoved: 'The connection that had it is removed',
  notYourself: 'You cannot end your own access or change your own role',
  lastAdministrator: 'A tenant keeps at least one active administrator',
  roleNotAllowed: 'The role is above the highest that the connection may give and change'
} satisfies Record<UndoItem['conflicts'][number]['reason'], string>

export const historyRouter = router({
  /** Newest first, as the next two: a user's own versions, and the memberships that came and went. */
  user: administratorProcedure
    .input(z.strictObject({ userId: z.uuid(), ...page }))
    .output(listOutput(versionOutput))
    .query(({ ctx, input: { userId, ...rest } }) => listVersions(ctx, { userId }, rest)),

  group: administratorProcedure
    .input(z.strictObject({ groupId: z.uuid(), ...page }))
    .output(listOutput(versionOutput))
    .query(({ ctx, input: { groupId, ...rest } }) => listVersions(ctx, { groupId }, rest)),

  connection: administratorProcedure
    .input(z.strictObject({ connectionId: z.uuid(), ...page }))
    .output(listOutput(versionOutput))
    .query(({ ctx, input: { connectionId, ...rest } }) => listVersions(ctx, { connectionId }, rest)),

  /** What `undo` would do and refuse just now; changes nothing. */
  preview: administratorProcedure
    .input(scopeInput)
    .output(reportOutput)
    .query(async ({ ctx, input }) => toReport(await previewUndo(ctx.deps, ctx.tenant.id, ctx.actor, input))),

  undo: administratorProcedure
    .input(scopeInput)
    .output(reportOutput)
    .mutation(async ({ ctx, input }) => toReport(await undo(ctx.deps, ctx.tenant.id, ctx.actor, input)))
})
