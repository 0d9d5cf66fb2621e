// Set-up for tests of event streams: acme with a worker that may send to this machine and retries at once.
import { sql } from 'kysely'
import type { Test } from 'tap'
import { type Mailing, startMailing } from '../jobs/acme.ts'

interface Delivery {
  id: string
  type: string
  state: string
  [fact: string]: unknown
}

interface Streaming extends Mailing {
  createStream(facts: Record<string, unknown>): Promise<{ streamId: string; secret: string }>
  deliveries(streamId: string): Promise<Delivery[]>
  /** Deliveries, once none is being sent. */
  settled(streamId: string): Promise<Delivery[]>
}

export async function startStreaming(t: Test, options: Parameters<typeof startMailing>[1] = {}): Promise<Streaming> {
  const acme = await startMailing(t, { ...options, env: { WEBHOOKS_TO_PRIVATE_ADDRESSES: 'true' } })
  await sql`update pgboss.queue set retry_delay = 0, retry_backoff = false, retry_delay_max = null
    where name = 'deliver-event'`.execute(acme.owner)
  const deliveries: Streaming['deliveries'] = async (streamId) => {
    const { data } = await acme.query(
      'acme',
      'eventStreams.deliveries',
      { streamId },
      { cookie: acme.cookies.administrator }
    )
    return data.items
  }
  return {
    ...acme,
    deliveries,
    async settled(streamId) {
      for (;;) {
        const items = await deliveries(streamId)
        if (items.every(({ state }) => state !== 'queued')) return items
        await new Promise((done) => setTimeout(done, 20))
      }
    },
    async createStream(facts) {
      const { data, error } = await acme.call('eventStreams.create', { kind: 'webhook', name: 'backend', ...facts })
      if (error) throw new Error(error.message)
      return { streamId: data.stream.id, secret: data.secret }
    }
  }
}
