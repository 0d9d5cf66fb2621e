// How administrators manage the streams by which a tenant's events leave.
import { randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { type RelayedDelivery, requeueDeliveries, STREAM_TESTED } from '../../db/event-deliveries.ts'
import { readFeedEnd } from '../../db/event-feed.ts'
import { type EventStreamRow, lockEventStream, recountEventStreams } from '../../db/event-streams.ts'
import { lockTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { conflict, invalid, notFound } from '../errors.ts'
import { type Actor, requireAdministrator } from '../provisioning/actor.ts'
import { changedFacts } from '../provisioning/document-changes.ts'
import { requireSendableUrl } from './egress.ts'
import { AUTHORIZATION_SEAL, SECRET_SEAL } from './messages.ts'
import { ensureSigningKey } from './signing-keys.ts'

type StreamDeps = Pick<Deps, 'config' | 'db' | 'now' | 'queue' | 'sealer'>

const MAX_STREAMS = 20
const MAX_REPLAYED = 1_000

interface NewStream {
  readonly kind: EventStreamRow['kind']
  readonly name: string
  readonly url: string
  /** `user.created`, `user.*`; none for every event. */
  readonly eventTypes: readonly string[]
  /** For `set`: the token's `aud`; the URL where it is left out. */
  readonly audience?: string
  /** For `set`: the receiver's Authorization header. */
  readonly authorization?: string
}

interface StreamPatch {
  readonly name?: string
  readonly url?: string
  readonly eventTypes?: readonly string[]
  readonly audience?: string
  /** Null for none. */
  readonly authorization?: string | null
  readonly state?: EventStreamRow['state']
}

/** @returns a webhook's secret in the clear; it is shown here and never again */
export async function createStream(
  deps: StreamDeps,
  tenantId: number,
  actor: Actor,
  given: NewStream
): Promise<{ streamId: string; secret: string | null }> {
  requireAdministrator(actor, 'make event streams')
  requireSendableUrl(given.url, deps.config.events)
  requireFitting(given.kind, given)
  const now = deps.now()
  const secret = given.kind === 'webhook' ? newSecret() : null
  const id = uuidv7({ msecs: now.getTime() })
  // the stream begins here: what was committed before is not sent
  const cursor = await readFeedEnd(deps.db, tenantId)
  await inTenant(deps.db, tenantId, async (trx) => {
    await lockTenant(trx, tenantId, 'for no key update')
    await requireRoom(trx, tenantId)
    if (given.kind === 'set') await ensureSigningKey(trx, deps, tenantId, now)
    await trx
      .insertInto('event_streams')
      .values({
        tenant_id: tenantId,
        id,
        kind: given.kind,
        name: given.name,
        url: given.url,
        event_types: [...given.eventTypes],
        audience: given.audience ?? null,
        authorization_sealed: sealAuthorization(deps, given.authorization),
        secret_sealed: secret === null ? null : deps.sealer.seal(SECRET_SEAL, secret),
        old_secret_sealed: null,
        old_secret_until: null,
        state: 'enabled',
        paused_because: null,
        told_of_dead_at: null,
        cursor_node: cursor.node,
        cursor_xid: cursor.xid,
        cursor_id: cursor.id,
        cursor_floor: cursor.floor,
        relayed_at: null,
        created_at: now,
        updated_at: now
      })
      .execute()
    await recountEventStreams(trx, tenantId)
    await audit(trx, tenantId, actor, now, 'eventStream.created', { id, name: given.name }, { after: factsOf(given) })
  })
  return { streamId: id, secret }
}

/**
 * Pending deliveries go to the new URL, with the new Authorization header. An error changes nothing.
 * @throws AppError not_found; invalid `badUrl`, `notOfThisKind`, `authorizationRequired`
 */
export async function changeStream(
  deps: StreamDeps,
  tenantId: number,
  actor: Actor,
  streamId: string,
  patch: StreamPatch
): Promise<void> {
  requireAdministrator(actor, 'change event streams')
  if (patch.url !== undefined) requireSendableUrl(patch.url, deps.config.events)
  const now = deps.now()
  await inTenant(deps.db, tenantId, async (trx) => {
    const before = await getLocked(trx, tenantId, streamId)
    requireFitting(before.kind, patch)
    requireOwnAuthorization(before, patch)
    const after = {
      name: patch.name ?? before.name,
      url: patch.url ?? before.url,
      event_types: patch.eventTypes ? [...patch.eventTypes] : before.event_types,
      audience: patch.audience ?? before.audience,
      state: patch.state ?? before.state
    }
    await trx
      .updateTable('event_streams')
      .set({
        ...after,
        ...(patch.authorization !== undefined && {
          authorization_sealed: sealAuthorization(deps, patch.authorization)
        }),
        ...(patch.state && { paused_because: null }),
        updated_at: now
      })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', streamId)
      .execute()
    const changed = changedFacts(rowFacts(before), {
      ...rowFacts({ ...before, ...after }),
      ...(patch.authorization !== undefined && { authorizationChanged: true })
    })
    await audit(trx, tenantId, actor, now, 'eventStream.updated', before, changed)
  })
}

/** Removes a stream with its pending deliveries. @throws AppError not_found */
export async function removeStream(deps: StreamDeps, tenantId: number, actor: Actor, streamId: string): Promise<void> {
  requireAdministrator(actor, 'remove event streams')
  await inTenant(deps.db, tenantId, async (trx) => {
    await lockTenant(trx, tenantId, 'for no key update')
    const stream = await getLocked(trx, tenantId, streamId)
    await trx.deleteFrom('event_streams').where('tenant_id', '=', tenantId).where('id', '=', streamId).execute()
    await recountEventStreams(trx, tenantId)
    await audit(trx, tenantId, actor, deps.now(), 'eventStream.removed', stream, { before: rowFacts(stream) })
  })
}

/**
 * Gives a webhook a new secret; the old one also signs during the overlap.
 * @returns the secret in the clear
 * @throws AppError not_found; invalid `notOfThisKind`
 */
export async function rotateStreamSecret(
  deps: StreamDeps,
  tenantId: number,
  actor: Actor,
  streamId: string,
  overlapHours: number
): Promise<string> {
  requireAdministrator(actor, 'rotate secrets')
  const now = deps.now()
  const secret = newSecret()
  await inTenant(deps.db, tenantId, async (trx) => {
    const stream = await getLocked(trx, tenantId, streamId)
    if (stream.kind !== 'webhook') throw notOfThisKind('A stream of tokens has no secret: its keys are published')
    await trx
      .updateTable('event_streams')
      .set({
        secret_sealed: deps.sealer.seal(SECRET_SEAL, secret),
        old_secret_sealed: stream.secret_sealed,
        old_secret_until: new Date(now.getTime() + overlapHours * 3_600_000),
        updated_at: now
      })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', streamId)
      .execute()
    await audit(trx, tenantId, actor, now, 'eventStream.secretRotated', stream, { after: { overlapHours } })
  })
  return secret
}

/** Sends an empty test event, to this stream only. @throws AppError not_found; conflict `streamPaused` */
export async function testStream(deps: StreamDeps, tenantId: number, actor: Actor, streamId: string): Promise<void> {
  requireAdministrator(actor, 'test event streams')
  await inTenant(deps.db, tenantId, async (trx) => {
    const stream = await getLocked(trx, tenantId, streamId)
    if (stream.state === 'paused') throw conflict('The stream is paused: resume it first', 'streamPaused')
    await audit(trx, tenantId, actor, deps.now(), STREAM_TESTED, stream, {})
  })
}

/**
 * Sends deliveries again that were delivered or given up, after those that are pending about the same subject.
 * @param deliveryIds undefined for all that were given up, 1,000 at most
 * @returns how many
 * @throws AppError not_found
 */
export async function replayDeliveries(
  deps: StreamDeps,
  tenantId: number,
  actor: Actor,
  streamId: string,
  deliveryIds: readonly string[] | undefined
): Promise<number> {
  requireAdministrator(actor, 'replay events')
  const now = deps.now()
  return inTenant(deps.db, tenantId, async (trx) => {
    const stream = await getLocked(trx, tenantId, streamId)
    const requeued = await requeueDeliveries(trx, tenantId, streamId, deliveryIds, MAX_REPLAYED, now)
    if (requeued.length === 0) return 0
    await Promise.all([
      enqueueDeliveries(trx, deps, tenantId, requeued),
      audit(trx, tenantId, actor, now, 'eventStream.replayed', stream, { after: { count: requeued.length } })
    ])
    return requeued.length
  })
}

/** One job per delivery; those of one stream about one subject run one after the other. */
export const enqueueDeliveries = (
  trx: Trx,
  { queue }: Pick<Deps, 'queue'>,
  tenantId: number,
  deliveries: readonly RelayedDelivery[]
): Promise<void> =>
  queue.enqueue(
    trx,
    'deliver-event',
    deliveries.map(({ id }) => ({ tenantId, deliveryId: id })),
    { keys: deliveries.map(({ streamId, subjectId }) => `${streamId}:${subjectId}`) }
  )

/** Standard Webhooks: `whsec_` and 32 random bytes, base64. */
const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`

const sealAuthorization = ({ sealer }: StreamDeps, authorization: string | null | undefined): Buffer | null =>
  authorization ? sealer.seal(AUTHORIZATION_SEAL, authorization) : null

const notOfThisKind = (message: string) => invalid(message, 'notOfThisKind')

function requireFitting(
  kind: EventStreamRow['kind'],
  given: { audience?: string; authorization?: string | null }
): void {
  if (kind === 'webhook' && (given.audience !== undefined || given.authorization !== undefined)) {
    throw notOfThisKind('A webhook has a secret; audience and authorization belong to streams of tokens')
  }
}

/**
 * A stored Authorization header is shown to nobody. Whoever sends it to a server of their own, with a stolen token,
 * say, could read it there: another origin needs a header of its own, or none.
 */
function requireOwnAuthorization(before: EventStreamRow, { url, authorization }: StreamPatch): void {
  if (before.authorization_sealed === null || url === undefined || authorization !== undefined) return
  const [old, next] = [new URL(before.url).origin, new URL(url).origin]
  if (old === next) return
  throw invalid(
    `The stored Authorization header is for ${old} alone: give the one for ${next} too, or say that there is none`,
    'authorizationRequired'
  )
}

async function requireRoom(trx: Trx, tenantId: number): Promise<void> {
  const { count } = await trx
    .selectFrom('event_streams')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('tenant_id', '=', tenantId)
    .executeTakeFirstOrThrow()
  if (Number(count) >= MAX_STREAMS)
    throw conflict(`A tenant has at most ${MAX_STREAMS} event streams`, 'tooManyStreams')
}

async function getLocked(trx: Trx, tenantId: number, streamId: string): Promise<EventStreamRow> {
  const stream = await lockEventStream(trx, tenantId, streamId)
  if (!stream) throw notFound(`Event stream ${streamId}`)
  return stream
}

const factsOf = ({ kind, name, url, eventTypes, audience }: NewStream): Record<string, unknown> => ({
  kind,
  name,
  url,
  eventTypes,
  ...(audience && { audience })
})

const rowFacts = ({
  name,
  url,
  event_types,
  audience,
  state
}: Omit<EventStreamRow, 'id'>): Record<string, unknown> => ({
  name,
  url,
  eventTypes: event_types,
  ...(audience && { audience }),
  state
})

const audit = (
  trx: Trx,
  tenantId: number,
  actor: Actor,
  now: Date,
  action: string,
  { id, name }: Pick<EventStreamRow, 'id' | 'name'>,
  facts: { before?: Record<string, unknown>; after?: Record<string, unknown> }
) =>
  insertAuditEvents(trx, tenantId, actor, now, [
    { action, targetType: 'eventStream', targetId: id, targetName: name, ...facts }
  ])
