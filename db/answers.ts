// Ends connections on which an answer is overdue: a database that is frozen, or a network that swallows what is sent,
// would keep whoever waits for ever. `pg` sets a timer for each query, and what a timer refers to is met by the
// collector of garbage before it is any: most rows that were read became old objects, and the server a fifth slower.
import type pg from 'pg'

/** What of pg's client is used here; its types leave it out. */
interface Internals {
  /** The query whose answer comes next. */
  readonly _activeQuery: object | null
  readonly connection: { readonly stream: { destroy(error: Error): void } }
}

interface Seen {
  query: object | null
  sinceMs: number
}

/**
 * @param limitMs how long an answer may be waited for, from when those before it have come
 * @param everyMs how often that is looked at; an overdue answer is waited for that much longer
 */
export function watchAnswers(pool: pg.Pool, limitMs: number, everyMs = 1_000): void {
  const seen = new Map<Internals, Seen>()
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    const nowMs = performance.now()
    for (const [client, last] of seen) {
      const query = client._activeQuery
      if (query !== last.query) seen.set(client, { query, sinceMs: nowMs })
      else if (query && nowMs - last.sinceMs >= limitMs) client.connection.stream.destroy(new Error(OVERDUE))
    }
  }

  pool.on('connect', (client) => {
    seen.set(client as unknown as Internals, { query: null, sinceMs: 0 })
    timer ??= setInterval(look, everyMs).unref()
  })
  pool.on('remove', (client) => {
    seen.delete(client as unknown as Internals)
    if (seen.size > 0) return
    clearInterval(timer)
    timer = undefined
  })
}

const OVERDUE = 'Query read timeout'
