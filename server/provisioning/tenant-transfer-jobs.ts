// Restores the jobs of an imported tenant: its rows come from a file, the jobs behind them do not.
import { sql } from 'kysely'
import type { Trx } from '../../db/connect.ts'
import { recountEventStreams } from '../../db/event-streams.ts'
import type { Deps } from '../deps.ts'

const JOBS_AT_ONCE = 1_000

/** Queues the mails that waited, and the events that were on their way to other systems. */
export async function enqueueImported({ queue }: Pick<Deps, 'queue'>, trx: Trx, tenantId: number): Promise<void> {
  await recountEventStreams(trx, tenantId)
  const mails = await trx
    .selectFrom('mails')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('state', '=', 'queued')
    .execute()
  for (const some of inGroups(mails)) {
    await queue.enqueue(
      trx,
      'send-mail',
      some.map(({ id }) => ({ tenantId, mailId: id }))
    )
  }
  for (const some of inGroups(await listQueuedDeliveries(trx, tenantId))) {
    await queue.enqueue(
      trx,
      'deliver-event',
      some.map(({ id }) => ({ tenantId, deliveryId: id })),
      { keys: some.map(({ key }) => key) }
    )
  }
}

/** A job's key names its stream and whom the event is about (server/events/streams.ts). */
async function listQueuedDeliveries(trx: Trx, tenantId: number): Promise<{ id: string; key: string }[]> {
  const { rows } = await sql<{ id: string; key: string }>`
    select d.id, d.stream_id || ':' || coalesce(e.target_id, e.id) as key
    from event_deliveries d
    join audit_events e on e.tenant_id = d.tenant_id and e.id = d.event_id
    where d.tenant_id = ${tenantId} and d.state = 'queued' order by d.id`.execute(trx)
  return rows
}

function* inGroups<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += JOBS_AT_ONCE) yield items.slice(at, at + JOBS_AT_ONCE)
}
