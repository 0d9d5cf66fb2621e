// eventStreams.* and events.live: how a tenant's events reach other systems, and this page. Rules: server/events/.
import { tracked } from '@trpc/server'
import { z } from 'zod'
import { type DeliveryView, listDeliveries } from '../../db/event-deliveries.ts'
import type { EventCursor, FeedEvent } from '../../db/event-feed.ts'
import { type EventStreamView, listEventStreams } from '../../db/event-streams.ts'
import { notFound } from '../errors.ts'
import {
  changeStream,
  createStream,
  removeStream,
  replayDeliveries,
  rotateStreamSecret,
  testStream
} from '../events/streams.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { isoOrNull, lineInput } from './shapes.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()
const streamIdInput = z.strictObject({ streamId: z.uuid() })
const DELIVERY_STATES = ['queued', 'delivered', 'dead'] as const

const eventType = z
  .string()
  .regex(/^[a-z][a-zA-Z]{0,40}\.(\*|[a-z][a-zA-Z]{0,40})$/, 'An event type is such as user.created or user.*')
const facts = {
  name: lineInput(100, 1),
  url: z.url().max(2_000),
  /** None for every event. */
  eventTypes: z.array(eventType).max(50),
  audience: lineInput(2_000, 1),
  authorization: lineInput(2_000, 1)
}

const streamOutput = z.object({
  id: z.string(),
  kind: z.enum(['webhook', 'set']),
  name: z.string(),
  url: z.string(),
  eventTypes: z.array(z.string()),
  audience: z.string().nullable(),
  hasAuthorization: z.boolean(),
  state: z.enum(['enabled', 'paused']),
  /** Why the service itself paused it. */
  pausedBecause: z.string().nullable(),
  /** Until when the secret before the last rotation also signs. */
  oldSecretUntil: time.nullable(),
  createdAt: time,
  deliveries: z.object({ queued: z.number().int(), dead: z.number().int() }),
  lastDeliveredAt: time.nullable(),
  lastError: z.string().nullable()
})

const deliveryOutput = z.object({
  id: z.string(),
  /** The webhook's id, the token's jti. */
  eventId: z.string(),
  type: z.string().nullable(),
  targetName: z.string().nullable(),
  state: z.enum(DELIVERY_STATES),
  attempts: z.number().int(),
  queuedAt: time,
  attemptedAt: time.nullable(),
  status: z.number().int().nullable(),
  error: z.string().nullable()
})

const LIST = 'eventDeliveries'

async function getStream(ctx: TenantContext, streamId: string): Promise<z.infer<typeof streamOutput>> {
  const streams = await listEventStreams(ctx.deps.db, ctx.tenant.id)
  const found = streams.find(({ id }) => id === streamId)
  if (!found) throw notFound(`Event stream ${streamId}`)
  return toStream(found)
}

export const eventStreamsRouter = router({
  list: administratorProcedure.output(z.object({ items: z.array(streamOutput) })).query(async ({ ctx }) => ({
    items: (await listEventStreams(ctx.deps.db, ctx.tenant.id)).map(toStream)
  })),

  get: administratorProcedure
    .input(streamIdInput)
    .output(z.object({ stream: streamOutput }))
    .query(async ({ ctx, input }) => ({ stream: await getStream(ctx, input.streamId) })),

  create: administratorProcedure
    .input(
      z.strictObject({
        kind: z.enum(['webhook', 'set']),
        name: facts.name,
        url: facts.url,
        eventTypes: facts.eventTypes.default([]),
        audience: facts.audience.optional(),
        authorization: facts.authorization.optional()
      })
    )
    // the secret is shown here and never again
    .output(z.object({ stream: streamOutput, secret: z.string().nullable() }))
    .mutation(async ({ ctx, input }) => {
      const { streamId, secret } = await createStream(ctx.deps, ctx.tenant.id, ctx.actor, input)
      return { stream: await getStream(ctx, streamId), secret }
    }),

  update: administratorProcedure
    .input(
      z.strictObject({
        streamId: z.uuid(),
        name: facts.name.optional(),
        url: facts.url.optional(),
        eventTypes: facts.eventTypes.optional(),
        audience: facts.audience.optional(),
        /** Null removes it. Required with a URL of another origin, where one is stored. */
        authorization: facts.authorization.nullish(),
        state: z.enum(['enabled', 'paused']).optional()
      })
    )
    .output(z.object({ stream: streamOutput }))
    .mutation(async ({ ctx, input: { streamId, ...patch } }) => {
      await changeStream(ctx.deps, ctx.tenant.id, ctx.actor, streamId, patch)
      return { stream: await getStream(ctx, streamId) }
    }),

  remove: administratorProcedure
    .input(streamIdInput)
    .output(z.object({}))
    .mutation(async ({ ctx, input }) => {
      await removeStream(ctx.deps, ctx.tenant.id, ctx.actor, input.streamId)
      return {}
    }),

  rotateSecret: administratorProcedure
    .input(
      z.strictObject({
        streamId: z.uuid(),
        overlapHours: z
          .number()
          .min(0)
          .max(24 * 30)
          .default(24)
      })
    )
    .output(z.object({ stream: streamOutput, secret: z.string() }))
    .mutation(async ({ ctx, input: { streamId, overlapHours } }) => {
      const secret = await rotateStreamSecret(ctx.deps, ctx.tenant.id, ctx.actor, streamId, overlapHours)
      return { stream: await getStream(ctx, streamId), secret }
    }),

  /** Sends an event `eventStream.tested` to this stream only. */
  test: administratorProcedure
    .input(streamIdInput)
    .output(z.object({}))
    .mutation(async ({ ctx, input }) => {
      await testStream(ctx.deps, ctx.tenant.id, ctx.actor, input.streamId)
      return {}
    }),

  /** Newest first. */
  deliveries: administratorProcedure
    .input(
      z.strictObject({
        streamId: z.uuid(),
        state: z.enum(DELIVERY_STATES).optional(),
        ...pageInput
      })
    )
    .output(listOutput(deliveryOutput))
    .query(async ({ ctx, input: { streamId, state, ...page } }) => {
      const { deps, tenant } = ctx
      const answer = await pageById(page, {
        list: LIST,
        read: (after, limit) => listDeliveries(deps.db, tenant.id, { streamId, state, after, limit }),
        toItem: toDelivery
      })
      // an unknown id must not look like a stream that sent nothing
      if (answer.items.length === 0) await getStream(ctx, streamId)
      return answer
    }),

  /** Sends the named deliveries again, or every one that was given up (1,000 at most). */
  replay: administratorProcedure
    .input(z.strictObject({ streamId: z.uuid(), deliveryIds: z.array(z.uuid()).min(1).max(1_000).optional() }))
    .output(z.object({ count: z.number().int() }))
    .mutation(async ({ ctx, input: { streamId, deliveryIds } }) => ({
      count: await replayDeliveries(ctx.deps, ctx.tenant.id, ctx.actor, streamId, deliveryIds)
    }))
})

export const eventsRouter = router({
  /** What happens in the tenant, within about a second, by server-sent events; `lastEventId` resumes after a break. */
  live: administratorProcedure
    .input(z.strictObject({ lastEventId: z.string().max(100).nullish() }).optional())
    .subscription(async function* ({ ctx, input, signal }) {
      const cursor = readPlace(input?.lastEventId)
      for await (const { events, node } of ctx.live.watch(ctx.tenant.id, cursor, signal!)) {
        for (const event of events) yield tracked(`${node}:${event.xid}:${event.id}`, toLiveEvent(event))
      }
    })
})

function readPlace(text: string | null | undefined): EventCursor | undefined {
  const found = /^(?:(\d{1,20}\.\d{0,10}):)?(\d{1,20}):([0-9a-f-]{36})$/.exec(text ?? '')
  return found ? { node: found[1] ?? null, xid: found[2]!, id: found[3]!, floor: null } : undefined
}

const toLiveEvent = (event: FeedEvent) => ({
  id: event.id,
  at: event.at.toISOString(),
  type: event.action,
  actorName: event.actor_name,
  target: { type: event.target_type, id: event.target_id, name: event.target_name }
})

const toStream = (row: EventStreamView): z.infer<typeof streamOutput> => ({
  id: row.id,
  kind: row.kind,
  name: row.name,
  url: row.url,
  eventTypes: row.event_types,
  audience: row.audience,
  hasAuthorization: row.authorization_sealed !== null,
  state: row.state,
  pausedBecause: row.paused_because,
  oldSecretUntil: isoOrNull(row.old_secret_until),
  createdAt: row.created_at.toISOString(),
  deliveries: { queued: row.queued_count, dead: row.dead_count },
  lastDeliveredAt: isoOrNull(row.last_delivered_at),
  lastError: row.last_error
})

const toDelivery = (row: DeliveryView): z.infer<typeof deliveryOutput> => ({
  id: row.id,
  eventId: row.event_id,
  type: row.action,
  targetName: row.target_name,
  state: row.state,
  attempts: row.attempts,
  queuedAt: row.queued_at.toISOString(),
  attemptedAt: isoOrNull(row.attempted_at),
  status: row.status,
  error: row.error
})
