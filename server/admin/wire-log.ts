// wireLog.*: what identity providers sent and got, with explanations, and what the same request would do now.
import { z } from 'zod'
import { encodeCursor } from '../../db/cursor.ts'
import { ACTOR_KINDS } from '../../db/schema.ts'
import { DEFAULT_WIRE_LOG_DAYS } from '../../db/wire-log.ts'
import { publicUrl } from '../config.ts'
import { notFound } from '../errors.ts'
import { curlOf } from '../wire-log/curl.ts'
import type { WireEntry } from '../wire-log/entry.ts'
import { explain } from '../wire-log/explain.ts'
import type { Replayed } from '../wire-log/rehearsal.ts'
import { type FoundEntry, findWireEntry, searchWireLog } from '../wire-log/search.ts'
import { DEFAULT_LIMIT, pageInput, readCursor } from './paging.ts'
import { leniencesOutput, toLeniences } from './scim-acceptance.ts'
import { administratorProcedure, type MemberContext, router } from './trpc.ts'

const time = z.iso.datetime()

const itemOutput = z.object({
  /** For `get` and `replay`. */
  id: z.string(),
  at: time,
  durationMs: z.number(),
  method: z.string(),
  /** With its query. */
  path: z.string(),
  status: z.number().int(),
  connectionId: z.string().nullable(),
  /** The name of the connection at that time, or of another token's owner; null where it is unknown. */
  name: z.string().nullable(),
  /** For a refusal: stable and machine-readable. */
  reason: z.string().nullable(),
  /** Whether the connection was in shadow mode: nothing of the tenant was changed. */
  shadow: z.boolean(),
  /** Names of the leniences that the request needed. */
  leniences: z.array(z.string()),
  requestId: z.string()
})

const explanationOutput = z.object({
  means: z.string(),
  /** What to change in the identity provider or here. */
  change: z.string()
})

const bodyOutput = z.object({
  /** Indented JSON, or the beginning of it where it was cut. */
  text: z.string(),
  /** About the length of the whole, where it was cut; null where it is whole. */
  cutFrom: z.number().int().nullable()
})

const entryOutput = itemOutput.omit({ leniences: true }).extend({
  kind: z.enum(ACTOR_KINDS).nullable(),
  ip: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  request: bodyOutput.nullable(),
  response: bodyOutput.nullable(),
  leniences: leniencesOutput,
  /** For a refusal, in words. */
  explanation: explanationOutput.nullable(),
  /** A command that sends the request again, with the token as $TOKEN. */
  curl: z.string()
})

const replayOutput = z.object({
  before: z.object({ status: z.number().int() }),
  now: z.object({
    status: z.number().int(),
    response: bodyOutput.nullable(),
    durationMs: z.number(),
    reason: z.string().nullable(),
    leniences: leniencesOutput,
    explanation: explanationOutput.nullable()
  }),
  /** What it would change, in order, as in the audit log. */
  changes: z.array(
    z.object({
      action: z.string(),
      targetType: z.string(),
      targetId: z.string().nullable(),
      targetName: z.string().nullable(),
      before: z.unknown(),
      after: z.unknown()
    })
  ),
  /** How many mails it would send. */
  mails: z.number().int()
})

const idInput = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d{1,6}$/, 'Not an id that wireLog.list gives')
})
const timeInput = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

const LIST = 'wireLog'
const placeKeys = z.tuple([z.iso.datetime(), z.uuid(), z.number().int().min(0)])

export const wireLogRouter = router({
  /**
   * Newest first, including what this process still has in memory. A page may hold few items although there are more,
   * because only so much is searched at once.
   */
  list: administratorProcedure
    .input(
      z
        .strictObject({
          connectionId: z.uuid().optional(),
          /** Exchanges that mention this user, or this group. */
          userId: z.uuid().optional(),
          groupId: z.uuid().optional(),
          requestId: z.uuid().optional(),
          /** Part of the path, of a body or of a name, in any letter case. */
          search: z.string().trim().min(1).max(200).optional(),
          status: z.union([z.enum(['refused', 'answered']), z.number().int().min(100).max(599)]).optional(),
          from: timeInput.optional(),
          /** Exclusive. */
          to: timeInput.optional(),
          ...pageInput
        })
        .optional()
    )
    .output(
      z.object({
        items: z.array(itemOutput),
        nextCursor: z.string().nullable(),
        /** Exchanges between these that were lost, because too many came at once. */
        dropped: z.number().int(),
        /** For how many days exchanges are kept; 0: not at all. */
        days: z.number().int()
      })
    )
    .query(async ({ ctx, input = {} }) => {
      const { cursor, limit = DEFAULT_LIMIT, userId, groupId, search, ...rest } = input
      const keys = readCursor(LIST, placeKeys, cursor)
      const place = keys && { toAt: new Date(keys[0]), batchId: keys[1], seen: keys[2] }
      // writes what this process still has in memory
      if (!place) await ctx.wireLog.flush(ctx.tenant.id)
      const resourceId = userId ?? groupId
      const found = await searchWireLog(
        ctx.deps.db,
        ctx.tenant.id,
        { ...rest, resourceId, text: search },
        { limit, place }
      )
      return {
        items: found.items.map(toItem),
        nextCursor:
          found.next === undefined
            ? null
            : encodeCursor(LIST, [found.next.toAt.toISOString(), found.next.batchId, found.next.seen]),
        dropped: found.dropped,
        days: ctx.tenant.settings.wireLogDays ?? DEFAULT_WIRE_LOG_DAYS
      }
    }),

  get: administratorProcedure
    .input(idInput)
    .output(z.object({ entry: entryOutput }))
    .query(async ({ ctx, input }) => ({ entry: toEntry(ctx, await getEntry(ctx, input.id)) })),

  /** Sends the request again and rolls back what it did: what would be answered now, and what would change. */
  replay: administratorProcedure
    .input(idInput)
    .output(replayOutput)
    .mutation(async ({ ctx, input }) => {
      const { entry } = await getEntry(ctx, input.id)
      return toReplay(ctx, entry, await ctx.rehearsal.replay(ctx.tenant, entry))
    })
})

async function getEntry({ deps, tenant }: MemberContext, id: string): Promise<FoundEntry> {
  const entry = await findWireEntry(deps.db, tenant.id, id)
  if (!entry) throw notFound('Exchange')
  return { id, entry }
}

const toItem = ({ id, entry }: FoundEntry): z.infer<typeof itemOutput> => ({
  id,
  at: new Date(entry.at).toISOString(),
  durationMs: entry.durationMs,
  method: entry.method,
  path: entry.url,
  status: entry.status,
  connectionId: entry.connectionId,
  name: entry.name,
  reason: entry.error?.reason ?? null,
  shadow: entry.shadow ?? false,
  leniences: (entry.leniences ?? []).map(({ lenience }) => lenience),
  requestId: entry.requestId
})

function toEntry(ctx: MemberContext, { id, entry }: FoundEntry): z.infer<typeof entryOutput> {
  return {
    ...toItem({ id, entry }),
    kind: entry.kind,
    ip: entry.ip,
    headers: { ...entry.headers },
    request: toBody(entry.request, entry.requestCut),
    response: toBody(entry.response, entry.responseCut),
    leniences: toLeniences(ctx, entry.leniences ?? []),
    explanation: toExplanation(entry.status, entry.error),
    curl: curlOf(entry, publicUrl(ctx.deps.config, ctx.tenant.subdomain))
  }
}

function toBody(body: unknown, cutFrom?: number): z.infer<typeof bodyOutput> | null {
  if (body === undefined || body === null) return null
  return { text: typeof body === 'string' ? body : JSON.stringify(body, null, 2), cutFrom: cutFrom ?? null }
}

const toExplanation = (status: number, error: WireEntry['error']) => explain({ status, ...error }) ?? null

const toReplay = (ctx: MemberContext, entry: WireEntry, replayed: Replayed): z.infer<typeof replayOutput> => ({
  before: { status: entry.status },
  now: {
    status: replayed.status,
    response: toBody(replayed.body === null ? undefined : JSON.parse(replayed.body)),
    durationMs: replayed.durationMs,
    reason: replayed.error?.reason ?? null,
    leniences: toLeniences(ctx, replayed.leniences),
    explanation: toExplanation(replayed.status, replayed.error)
  },
  changes: replayed.changes.map((change) => ({ ...change })),
  mails: replayed.mails
})
