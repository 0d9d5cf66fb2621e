// Closes connections on which an answer is overdue: a frozen database, or a network that drops packets, would make
// callers wait for ever. pg's own timeout sets a timer for each query, and what a timer refers to survives young
// garbage collections: most rows that were read were promoted to old objects, and the server became a fifth slower.
import type pg from 'pg'

/** The internals of pg's client that are used here; its types leave them out. */
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
 * @param limitMs how long an answer may take once the answers before it have arrived
 * @param everyMs how often to check; an overdue answer may go unnoticed for that much longer
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
