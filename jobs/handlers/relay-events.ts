// The relay: copies the events that tenants' streams want from the audit log into deliveries, with a job for each. It
// is not a job itself: every worker looks twice a second, and row locks divide the work between them.
import { v7 as uuidv7 } from 'uuid'
import { inTenant } from '../../db/connect.ts'
import { relayEvents } from '../../db/event-deliveries.ts'
import { listTenantsWithStreams } from '../../db/event-streams.ts'
import type { Deps } from '../../server/deps.ts'
import { enqueueDeliveries } from '../../server/events/streams.ts'

const LOOK_EVERY_MS = 500
const BATCH = 500

type RelayDeps = Pick<Deps, 'db' | 'log' | 'now' | 'queue'>

/** @returns a function that stops the relay, after finishing what it is copying */
export function startRelay(deps: RelayDeps): () => Promise<void> {
  const stopping = new AbortController()
  let running = Promise.resolve()
  let isRunning = false
  const timer = setInterval(() => {
    if (isRunning) return
    isRunning = true
    running = relayOnce(deps, stopping.signal)
      .catch((error: unknown) => deps.log.warn({ err: error }, 'the relay of events failed and will look again'))
      .then(() => {
        isRunning = false
      })
  }, LOOK_EVERY_MS)
  return async () => {
    clearInterval(timer)
    stopping.abort()
    await running
  }
}

/** Copies all new events, one tenant after another; a tenant that fails does not hold up others. */
async function relayOnce(deps: RelayDeps, signal: AbortSignal): Promise<void> {
  for (const tenantId of await listTenantsWithStreams(deps.db)) {
    if (signal.aborted) return
    await relayTenant(deps, tenantId, signal).catch((error: unknown) =>
      deps.log.warn({ err: error, tenantId }, 'the events of a tenant were not relayed: they will be looked at again')
    )
  }
}

/** Deliveries, jobs and cursor commit together. */
async function relayTenant(deps: RelayDeps, tenantId: number, signal: AbortSignal): Promise<void> {
  let isMore = true
  while (isMore && !signal.aborted) {
    const now = deps.now()
    isMore = await inTenant(deps.db, tenantId, async (trx) => {
      const relayed = await relayEvents(trx, tenantId, BATCH, now, () => uuidv7({ msecs: now.getTime() }))
      await enqueueDeliveries(trx, deps, tenantId, relayed.deliveries)
      return relayed.isMore
    })
  }
}
