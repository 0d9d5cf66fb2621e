// A tenant's events as they happen, for pages that are open: reads the log once a second for each tenant that is
// watched, however many watch it.
import { EventEmitter, on } from 'node:events'
import type { Db } from '../../db/connect.ts'
import { type EventCursor, type FeedEvent, isBehind, readFeed, readFeedEnd } from '../../db/event-feed.ts'
import type { Listener } from '../../db/listen.ts'
import type { Deps } from '../deps.ts'

const LOOK_EVERY_MS = 1_000
const LIMIT = 200

/** Events, oldest first, and the node whose transactions are counted (EventCursor.node). */
interface FeedBatch {
  readonly events: FeedEvent[]
  readonly node: string | null
}

export interface LiveFeed {
  /**
   * Events from now on, or after `cursor`. Ends with `signal`, when rights in the tenant change (whoever watches asks
   * again, with their new rights), and when the process stops.
   */
  watch(tenantId: number, cursor: EventCursor | undefined, signal: AbortSignal): AsyncGenerator<FeedBatch>
  close(): void
}

interface Watched {
  readonly events: EventEmitter
  watchers: number
  timer: NodeJS.Timeout | undefined
  /** Settles once it is known from which place on events are told; undefined before somebody asks. */
  begun: Promise<void> | undefined
}

export function createLiveFeed(deps: { db: Db; listener: Listener; log: Deps['log'] }): LiveFeed {
  const watched = new Map<number, Watched>()
  const closing = new AbortController()

  deps.listener.on('change', (change) => {
    if (change.kind === 'credentials') watched.get(change.tenantId)?.events.emit('end')
  })

  /** Reads the log again and again while somebody watches. A read that fails is repeated: nothing is skipped. */
  function look(tenantId: number, place: EventCursor, tenant: Watched): void {
    tenant.timer = setTimeout(async () => {
      let next = place
      try {
        const { events, cursor } = await readFeed(deps.db, tenantId, place, LIMIT)
        if (events.length > 0) tenant.events.emit('events', { events, node: cursor.node } satisfies FeedBatch)
        next = cursor
      } catch (error) {
        deps.log.warn({ err: error, tenantId }, 'the live feed could not look at the log')
      }
      if (tenant.watchers > 0) look(tenantId, next, tenant)
    }, LOOK_EVERY_MS)
    tenant.timer.unref()
  }

  function join(tenantId: number): Watched {
    const known = watched.get(tenantId)
    if (known) {
      known.watchers++
      return known
    }
    const tenant: Watched = {
      events: new EventEmitter().setMaxListeners(0),
      watchers: 1,
      timer: undefined,
      begun: undefined
    }
    watched.set(tenantId, tenant)
    return tenant
  }

  /** Begins to read, once for everybody who watches. Where that fails, the next one to watch tries again. */
  function begin(tenantId: number, tenant: Watched): Promise<void> {
    tenant.begun ??= readFeedEnd(deps.db, tenantId).then(
      (end) => {
        if (tenant.watchers > 0) look(tenantId, end, tenant)
      },
      (error) => {
        tenant.begun = undefined
        throw error
      }
    )
    return tenant.begun
  }

  function leave(tenantId: number, tenant: Watched): void {
    if (--tenant.watchers > 0) return
    clearTimeout(tenant.timer)
    watched.delete(tenantId)
  }

  return {
    async *watch(tenantId, cursor, signal) {
      const tenant = join(tenantId)
      const ended = new AbortController()
      const end = () => ended.abort()
      // before anything that takes time, since rights may change meanwhile
      tenant.events.once('end', end)
      try {
        await begin(tenantId, tenant)
        const batches = on(tenant.events, 'events', {
          signal: AbortSignal.any([signal, closing.signal, ended.signal])
        })
        let place = cursor
        for (let isMore = place !== undefined; isMore; ) {
          const { events, cursor } = await readFeed(deps.db, tenantId, place!, LIMIT)
          place = cursor
          yield { events, node: cursor.node }
          isMore = events.length === LIMIT
        }
        for await (const [batch] of batches) {
          const { events, node } = batch as FeedBatch
          const fresh = events.filter((event) => place?.node !== node || isBehind(event, place))
          if (fresh.length > 0) yield { events: fresh, node }
        }
      } catch (error) {
        if ((error as Error).name !== 'AbortError') throw error
      } finally {
        tenant.events.off('end', end)
        leave(tenantId, tenant)
      }
    },
    close: () => closing.abort()
  }
}
