// brake.*: what identity providers were kept from taking away, and the decisions about it. The rules are in
// server/provisioning/brake.ts and brake-release.ts.
import { z } from 'zod'
import { type HeldChange, listHeld, listHolding, readBrakeStatus } from '../../db/brakes.ts'
import { HELD_KINDS, HELD_STATES } from '../../db/schema.ts'
import { findTenantById } from '../../db/tenants.ts'
import { brakeLimits } from '../provisioning/brake.ts'
import { liftRejections, rejectHeldChanges, releaseHeld } from '../provisioning/brake-release.ts'
import { changeConnection, getConnection } from '../provisioning/scim-connections.ts'
import { changeSettings } from '../provisioning/settings.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { brakeSettingsShape } from './scim-connections.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()

const statusOutput = z.object({
  brake: z.object({
    connectionId: z.string(),
    /** The limits that apply to the connection; null where the brake is off. */
    limits: z.object({ percent: z.number(), people: z.number().int() }).nullable(),
    /** What the connection sets itself, and what the tenant sets for all. */
    settings: brakeSettingsShape,
    tenantSettings: brakeSettingsShape,
    /** Active people when they were last counted; null where nobody was deprovisioned yet. */
    base: z.number().int().nullable(),
    /** People who were deprovisioned within the last hour. */
    counted: z.number().int(),
    /** Since when a mass deprovisioning awaits a decision. */
    heldSince: time.nullable(),
    /** Until then everything is let through. */
    releasedUntil: time.nullable(),
    held: z.object({ changes: z.number().int(), people: z.number().int() }),
    rejected: z.object({ changes: z.number().int() })
  })
})

const named = z.object({ id: z.string(), name: z.string() })

const heldOutput = z.object({
  id: z.string(),
  /** `deactivate`, `remove`: a person; `leave`: a person or a group leaves a group; `removeGroup`: a group goes. */
  kind: z.enum(HELD_KINDS),
  state: z.enum(HELD_STATES),
  user: named.extend({ email: z.string().nullable() }).nullable(),
  /** For `leave`: the group that was to leave, where it is a group. */
  childGroup: named.nullable(),
  group: named.nullable(),
  firstTriedAt: time,
  lastTriedAt: time,
  tries: z.number().int()
})

const connectionIdInput = z.strictObject({ connectionId: z.uuid() })
const MAX_CHANGES = 1_000
const decisionInput = connectionIdInput.extend({
  /** Only these; all of the connection's where it is left out. */
  changeIds: z.array(z.uuid()).min(1).max(MAX_CHANGES).optional()
})

const LIST = 'held'

export const brakeRouter = router({
  get: administratorProcedure
    .input(connectionIdInput)
    .output(statusOutput)
    .query(({ ctx, input }) => readStatus(ctx, input.connectionId)),

  /** Replaces the settings of a connection or, without one, of the tenant. */
  update: administratorProcedure
    .input(z.strictObject({ connectionId: z.uuid().optional(), settings: brakeSettingsShape }))
    .output(z.object({ settings: brakeSettingsShape }))
    .mutation(async ({ ctx, input: { connectionId, settings } }) => {
      if (connectionId === undefined)
        await changeSettings(ctx.deps, ctx.tenant.id, ctx.actor, { settings: { brake: settings } })
      else await changeConnection(ctx.deps, ctx.tenant.id, ctx.actor, connectionId, { brake: settings })
      return { settings }
    }),

  /** Connections with held changes that await a decision; with the brake off, nothing waits. */
  holding: administratorProcedure
    .output(z.object({ connections: z.array(named.extend({ since: time })) }))
    .query(async ({ ctx }) => {
      const { deps, tenant } = ctx
      const [rows, fresh] = await Promise.all([listHolding(deps.db, tenant.id), findTenantById(deps.db, tenant.id)])
      const waiting = rows.filter(({ brake }) => brakeLimits(fresh?.settings.brake, brake))
      return { connections: waiting.map(({ id, name, since }) => ({ id, name, since: since.toISOString() })) }
    }),

  /** What was held, or rejected, oldest first; without what has happened in another way. */
  held: administratorProcedure
    .input(
      connectionIdInput.extend({
        state: z.enum(HELD_STATES).default('held'),
        ...pageInput
      })
    )
    .output(listOutput(heldOutput))
    .query(({ ctx: { deps, tenant }, input: { connectionId, state, ...page } }) =>
      pageById(page, {
        list: LIST,
        read: async (after, limit) => {
          const rows = await listHeld(deps.db, tenant.id, connectionId, { state, after, limit })
          // an unknown id must not look like a connection that holds nothing
          if (rows.length === 0) await getConnection(deps, tenant.id, connectionId)
          return rows
        },
        toItem: toHeld
      })
    ),

  /** Carries out what was held; where that is everything, the connection may go on for an hour uncounted. */
  release: administratorProcedure
    .input(decisionInput)
    .output(
      z.object({
        carriedOut: z.number().int(),
        /** What a rule forbids; it stays held. */
        refused: z.array(z.object({ changeId: z.string(), reason: z.string(), detail: z.string() }))
      })
    )
    .mutation(({ ctx, input }) => releaseHeld(ctx.deps, ctx.tenant, ctx.actor, input)),

  /** Rejects what was held: nothing changes, and the connection's further tries get 403. */
  reject: administratorProcedure
    .input(decisionInput)
    .output(z.object({ rejected: z.number().int() }))
    .mutation(async ({ ctx, input }) => ({
      rejected: await rejectHeldChanges(ctx.deps, ctx.tenant.id, ctx.actor, input)
    })),

  /** Lifts rejections. */
  lift: administratorProcedure
    .input(decisionInput)
    .output(z.object({ lifted: z.number().int() }))
    .mutation(async ({ ctx, input }) => ({ lifted: await liftRejections(ctx.deps, ctx.tenant.id, ctx.actor, input) }))
})

async function readStatus({ deps, tenant }: TenantContext, connectionId: string) {
  const now = deps.now()
  const [connection, status, fresh] = await Promise.all([
    getConnection(deps, tenant.id, connectionId),
    readBrakeStatus(deps.db, tenant.id, connectionId, now),
    findTenantById(deps.db, tenant.id)
  ])
  const tenantSettings = fresh?.settings.brake ?? {}
  const releasedUntil = status?.released_minute ? new Date((status.released_minute + 1) * 60_000) : undefined
  return {
    brake: {
      connectionId,
      limits: brakeLimits(tenantSettings, connection.brake) ?? null,
      settings: connection.brake,
      tenantSettings,
      base: status?.base ?? null,
      counted: status?.given ?? 0,
      heldSince: (status?.held_changes && status.episode_at?.toISOString()) || null,
      releasedUntil: releasedUntil && releasedUntil > now ? releasedUntil.toISOString() : null,
      held: { changes: status?.held_changes ?? 0, people: status?.held_people ?? 0 },
      rejected: { changes: status?.rejected_changes ?? 0 }
    }
  }
}

const toHeld = (row: HeldChange): z.infer<typeof heldOutput> => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  user: row.user_id === null ? null : { id: row.user_id, name: row.user_name ?? '', email: row.user_email },
  childGroup: row.child_id === null ? null : { id: row.child_id, name: row.child_name ?? '' },
  group: row.group_id === null ? null : { id: row.group_id, name: row.group_name ?? '' },
  firstTriedAt: row.first_at.toISOString(),
  lastTriedAt: row.last_at.toISOString(),
  tries: row.tries
})
