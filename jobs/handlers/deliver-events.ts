// deliver-event: sends events to the receivers of tenants' streams, and records the outcome.
import type { JobResult } from 'pg-boss'
import { inTenant, type Trx } from '../../db/connect.ts'
import {
  type DeliveryOutcome,
  type DeliveryToSend,
  readDeliveriesToSend,
  settleDeliveries
} from '../../db/event-deliveries.ts'
import { pauseStream, takeStreamToTell } from '../../db/event-streams.ts'
import { retryRaces } from '../../db/races.ts'
import type { Deps } from '../../server/deps.ts'
import type { Egress } from '../../server/events/egress.ts'
import { type StreamRequest, setRequest, Unsendable, webhookRequest } from '../../server/events/messages.ts'
import { readSigningKey, type SigningKey } from '../../server/events/signing-keys.ts'
import { notifyAdministrators } from '../../server/provisioning/notices.ts'
import type { JobPayloads } from '../queue.ts'

interface DeliverDeps extends Pick<Deps, 'config' | 'db' | 'log' | 'now' | 'queue' | 'sealer'> {
  readonly egress: Egress
}

interface DeliverJob {
  id: string
  data: JobPayloads['deliver-event']
}

/** A delivery that has not succeeded by then is given up, and can be replayed. */
const GIVE_UP_MS = 3 * 24 * 3_600_000
const DAY_MS = 24 * 3_600_000
const MAX_ERROR_LENGTH = 500
const GONE = 410

/** @returns `failed` for each job that is to be retried */
export async function deliverEvents(deps: DeliverDeps, jobs: readonly DeliverJob[]): Promise<JobResult[]> {
  const results = await Promise.all(
    [...Map.groupBy(jobs, ({ data }) => data.tenantId)].map(([tenantId, ofTenant]) =>
      deliverOfTenant(deps, tenantId, ofTenant).catch((error: unknown): JobResult[] => {
        deps.log.error({ err: error, job: 'deliver-event', tenantId }, 'deliver-event failed')
        return ofTenant.map(({ id }) => ({ id, status: 'failed', output: { message: 'The database failed' } }))
      })
    )
  )
  return results.flat()
}

async function deliverOfTenant(deps: DeliverDeps, tenantId: number, jobs: readonly DeliverJob[]): Promise<JobResult[]> {
  const deliveries = await readDeliveriesToSend(
    deps.db,
    tenantId,
    jobs.map(({ data }) => data.deliveryId)
  )
  const key = deliveries.some(({ kind }) => kind === 'set') ? await readSigningKey(deps, tenantId) : undefined
  const outcomes = await Promise.all(deliveries.map((delivery) => attempt(deps, delivery, key)))
  if (outcomes.length > 0) {
    await retryRaces(() => inTenant(deps.db, tenantId, (trx) => settle(trx, deps, tenantId, deliveries, outcomes)))
  }
  const retried = new Set(outcomes.filter(({ state }) => state === 'queued').map(({ id }) => id))
  return jobs.map(({ id, data }) => ({ id, status: retried.has(data.deliveryId) ? 'failed' : 'completed' }))
}

async function attempt(
  deps: DeliverDeps,
  delivery: DeliveryToSend,
  key: SigningKey | undefined
): Promise<DeliveryOutcome> {
  const now = deps.now()
  const outcome = (facts: Partial<DeliveryOutcome>): DeliveryOutcome => ({
    id: delivery.delivery_id,
    state: 'delivered',
    attempts: 1,
    status: null,
    error: null,
    ...facts
  })
  const isLast = now.getTime() - delivery.queued_at.getTime() >= GIVE_UP_MS
  if (delivery.stream_state === 'paused') {
    return outcome({ state: isLast ? 'dead' : 'queued', attempts: 0, error: 'The stream is paused' })
  }
  const failure = (error: string, status: number | null = null): DeliveryOutcome => {
    deps.log.warn({ job: 'deliver-event', deliveryId: delivery.delivery_id, status, error }, 'deliver-event failed')
    return outcome({ state: isLast ? 'dead' : 'queued', status, error: error.slice(0, MAX_ERROR_LENGTH) })
  }
  try {
    const request = await requestOf(deps, delivery, key, now)
    // this kind of stream has no message for the event
    if (!request) return outcome({ attempts: 0 })
    const { status, text } = await deps.egress.post(delivery.url, request.headers, request.body)
    if (status >= 200 && status < 300) return outcome({ status })
    return failure(text.trim() || `The receiver answered ${status}`, status)
  } catch (error) {
    return failure(error instanceof Unsendable ? error.message : inWords(error as Error))
  }
}

const requestOf = async (
  deps: DeliverDeps,
  delivery: DeliveryToSend,
  key: SigningKey | undefined,
  now: Date
): Promise<StreamRequest | undefined> =>
  delivery.kind === 'set' ? setRequest(deps, delivery, key, now) : webhookRequest(deps, delivery, now)

/** The cause has the errors of Node and undici, which say more than the message of fetch. */
function inWords(error: Error & { code?: string }): string {
  if (error.name === 'TimeoutError') return 'No answer came within ten seconds'
  const cause = error.cause as (Error & { code?: string }) | undefined
  return cause?.message || error.message || error.code || cause?.code || 'The request failed'
}

async function settle(
  trx: Trx,
  deps: DeliverDeps,
  tenantId: number,
  deliveries: readonly DeliveryToSend[],
  outcomes: readonly DeliveryOutcome[]
): Promise<void> {
  const now = deps.now()
  const streamOf = new Map(deliveries.map((delivery) => [delivery.delivery_id, delivery]))
  await settleDeliveries(trx, tenantId, outcomes, now)
  for (const streamId of streamsOf(outcomes, streamOf, ({ status }) => status === GONE)) {
    // Standard Webhooks: 410 means that the receiver wants no more events
    await pauseStream(trx, tenantId, streamId, 'The receiver answered 410 Gone', now)
  }
  for (const streamId of streamsOf(outcomes, streamOf, ({ state }) => state === 'dead')) {
    const name = await takeStreamToTell(trx, tenantId, streamId, now, new Date(now.getTime() - DAY_MS))
    if (name === undefined) continue
    const notice = {
      subject: `Events for ${name} were given up`,
      message: `The receiver took none of them for three days. They are kept: mend the receiver, then replay them.`,
      actionName: 'See the deliveries',
      actionPath: `/events/${streamId}`
    }
    await notifyAdministrators(trx, deps, tenantId, notice, now)
  }
}

const streamsOf = (
  outcomes: readonly DeliveryOutcome[],
  streamOf: ReadonlyMap<string, DeliveryToSend>,
  isMeant: (outcome: DeliveryOutcome) => boolean
): Set<string> => new Set(outcomes.filter(isMeant).map(({ id }) => streamOf.get(id)!.stream_id))
