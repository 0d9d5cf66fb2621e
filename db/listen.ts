// LISTEN/NOTIFY: when one process changes something, the caches of all others drop it within moments.
import { EventEmitter } from 'node:events'
import { sql } from 'kysely'
import pg from 'pg'
import type { Db } from './connect.ts'
import { serverAddress } from './server-address.ts'

/** What caches drop: a tenant's row, or everything about one tenant's tokens and sessions. */
export type Change = { kind: 'tenant'; subdomain: string } | { kind: 'credentials'; tenantId: number }

const CHANNEL = 'muster_changes'
const RECONNECT_MS = 500
/** How often to probe the database: if it freezes, or the network drops packets, the connection does not close. */
const HEARTBEAT_MS = 5_000

/** Notifies every listening process of a change once the transaction has committed. */
export const notifyChange = (db: Db, change: Change) =>
  sql`select pg_notify(${CHANNEL}, ${JSON.stringify(change)})`.execute(db)

export interface Listener extends EventEmitter<{ change: [Change]; gap: [] }> {
  /** False while the connection is down: no cache may be trusted then. */
  readonly isConnected: boolean
  close(): Promise<void>
}

/**
 * Listens on a connection of its own and reconnects for ever. Emits `gap` whenever changes may have been missed (on
 * each loss and each new connection): callers then empty their caches.
 * @param url a direct connection: behind a pooler in transaction mode LISTEN receives nothing
 */
export async function listen(url: string): Promise<Listener> {
  const listener = new PostgresListener(url)
  await listener.open()
  return listener
}

class PostgresListener extends EventEmitter<{ change: [Change]; gap: [] }> implements Listener {
  isConnected: boolean
  private readonly url: string
  private client: pg.Client | undefined
  private timer: NodeJS.Timeout | undefined
  private heartbeat: NodeJS.Timeout | undefined
  private isClosed: boolean

  constructor(url: string) {
    super()
    this.url = url
    this.isConnected = false
    this.isClosed = false
  }

  async open(): Promise<void> {
    const client = new pg.Client({
      ...serverAddress(this.url),
      keepAlive: true,
      application_name: 'muster listen',
      connectionTimeoutMillis: 5_000,
      query_timeout: HEARTBEAT_MS
    })
    this.client = client
    client.on('error', () => this.lost(client))
    client.on('end', () => this.lost(client))
    client.on('notification', (message) => {
      if (message.payload) this.emit('change', JSON.parse(message.payload) as Change)
    })
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      if (this.client !== client) return
      this.isConnected = true
      this.emit('gap')
      this.heartbeat = setInterval(() => client.query('').catch(() => this.lost(client)), HEARTBEAT_MS)
    } catch {
      this.lost(client)
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    clearInterval(this.heartbeat)
    await this.client?.end().catch(() => {})
  }

  private lost(client: pg.Client): void {
    if (this.client !== client) return
    this.client = undefined
    this.isConnected = false
    clearInterval(this.heartbeat)
    endAtOnce(client)
    this.emit('gap')
    if (this.isClosed) return
    this.timer = setTimeout(() => void this.open(), RECONNECT_MS)
  }
}

/** Closes the connection without waiting for an answer, which a frozen database would not give. */
function endAtOnce(client: pg.Client): void {
  client.end().catch(() => {})
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection
  stream.destroy()
}
