// scimConnections.*: identity providers, each with its tokens. The rules are in server/provisioning/scim-connections.ts.
import { z } from 'zod'
import { type KeptConnection, listKeptConnections } from '../../db/authority.ts'
import { SCIM_PROFILES } from '../../db/schema.ts'
import { listConnections, type ScimConnectionDetails, type ScimConnectionView } from '../../db/scim-connections.ts'
import {
  AFTER_REMOVAL,
  changeConnection,
  getConnection,
  releaseConnection,
  removeConnection
} from '../provisioning/scim-connections.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { isoOrNull, lineInput, roleShape } from './shapes.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()

/** When mass deprovisioning is held; what is left out falls back to the tenant's setting, or the default. */
export const brakeSettingsShape = z.strictObject({
  off: z.boolean().optional(),
  /** Percent of the tenant's active users, within an hour. */
  percent: z.number().min(0).max(100).optional(),
  /** At least so many people are let through. */
  people: z.number().int().min(1).max(1_000_000).optional()
})

const connectionOutput = z.object({
  id: z.string(),
  name: z.string(),
  profile: z.enum(SCIM_PROFILES),
  highestRole: roleShape,
  /** What differs from the tenant's settings. */
  brake: brakeSettingsShape,
  createdAt: time,
  tokens: z.object({ total: z.number().int(), live: z.number().int() }),
  /** To the minute. */
  lastUsedAt: time.nullable(),
  /** Refusals of the last day, to the hour; null where there were none. */
  errors: z
    .object({
      count: z.number().int(),
      last: z.object({ at: time, status: z.number().int(), detail: z.string() })
    })
    .nullable(),
  /** Set in shadow mode, where nothing that the connection does changes the tenant. */
  shadow: z.object({ openedAt: time, isGoingLive: z.boolean() }).nullable()
})

const detailsOutput = z.object({
  connection: connectionOutput.extend({
    /** How much it owns; removed users do not count. */
    users: z.number().int(),
    groups: z.number().int(),
    /** Memberships that it has made, in whatever group. */
    memberships: z.number().int()
  })
})

const releasedAnswer = z.object({ released: z.object({ users: z.number().int(), groups: z.number().int() }) })

const keptOutput = z.object({
  id: z.string(),
  name: z.string(),
  removedAt: time.nullable(),
  users: z.number().int(),
  groups: z.number().int(),
  memberships: z.number().int()
})

const toKept = (row: KeptConnection): z.infer<typeof keptOutput> => ({
  id: row.id,
  name: row.name,
  removedAt: isoOrNull(row.removed_at),
  users: row.user_count,
  groups: row.group_count,
  memberships: row.membership_count
})

const connectionIdInput = z.strictObject({ connectionId: z.uuid() })

const LIST = 'scimConnections'

export const scimConnectionsRouter = router({
  /** Newest first. */
  list: administratorProcedure
    .input(z.strictObject(pageInput).optional())
    .output(listOutput(connectionOutput))
    .query(({ ctx: { deps, tenant }, input = {} }) =>
      pageById(input, {
        list: LIST,
        read: (before, limit) => listConnections(deps.db, tenant.id, { limit, before }, deps.now()),
        toItem: toConnection
      })
    ),

  get: administratorProcedure
    .input(connectionIdInput)
    .output(detailsOutput)
    .query(({ ctx, input }) => readDetails(ctx, input.connectionId)),

  /** Its tokens follow at once. */
  update: administratorProcedure
    .input(
      connectionIdInput.extend({
        name: lineInput(100, 1).optional(),
        profile: z.enum(SCIM_PROFILES).optional(),
        highestRole: roleShape.optional(),
        /** Replaces all of it. */
        brake: brakeSettingsShape.optional()
      })
    )
    .output(detailsOutput)
    .mutation(async ({ ctx, input: { connectionId, ...patch } }) => {
      await changeConnection(ctx.deps, ctx.tenant.id, ctx.actor, connectionId, patch)
      return readDetails(ctx, connectionId)
    }),

  /** Ends its tokens. Its users and groups stay: as ordinary ones, or read-only. */
  remove: administratorProcedure
    .input(connectionIdInput.extend({ afterwards: z.enum(AFTER_REMOVAL).default('release') }))
    .output(releasedAnswer)
    .mutation(async ({ ctx, input: { connectionId, afterwards } }) => ({
      released: await removeConnection(ctx.deps, ctx.tenant.id, ctx.actor, connectionId, afterwards)
    })),

  /** Connections that were removed and still keep something read-only, by name. */
  removed: administratorProcedure
    .input(z.strictObject({}).optional())
    .output(z.object({ items: z.array(keptOutput) }))
    .query(async ({ ctx }) => {
      const rows = await listKeptConnections(ctx.deps.db, ctx.tenant.id)
      return { items: rows.map(toKept) }
    }),

  /** Makes what is kept of a removed connection ordinary. */
  release: administratorProcedure
    .input(connectionIdInput)
    .output(releasedAnswer)
    .mutation(async ({ ctx, input }) => ({
      released: await releaseConnection(ctx.deps, ctx.tenant.id, ctx.actor, input.connectionId)
    }))
})

async function readDetails({ deps, tenant }: TenantContext, connectionId: string) {
  const details = await getConnection(deps, tenant.id, connectionId)
  return { connection: toDetails(details) }
}

const toDetails = (row: ScimConnectionDetails): z.infer<typeof detailsOutput>['connection'] => ({
  ...toConnection(row),
  users: row.user_count,
  groups: row.group_count,
  memberships: row.membership_count
})

const toConnection = (row: ScimConnectionView): z.infer<typeof connectionOutput> => ({
  id: row.id,
  name: row.name,
  profile: row.profile,
  highestRole: row.highest_role,
  brake: row.brake,
  createdAt: row.created_at.toISOString(),
  tokens: { total: row.token_count, live: row.live_token_count },
  lastUsedAt: isoOrNull(row.last_used_at),
  errors: row.last_error_at && {
    count: row.error_count,
    last: {
      at: row.last_error_at.toISOString(),
      status: row.last_error_status!,
      detail: row.last_error_detail!
    }
  },
  shadow: row.shadow_opened_at && {
    openedAt: row.shadow_opened_at.toISOString(),
    isGoingLive: row.is_going_live
  }
})
