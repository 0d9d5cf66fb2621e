// Keeps what identity providers sent and got: noted in memory, written in batches off the requests' path.
import { violatedConstraint } from '../../db/failures.ts'
import { DEFAULT_WIRE_LOG_DAYS, insertWireBatch, type WireBatch } from '../../db/wire-log.ts'
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import { BatchMaker, chunksOf, MAX_ENTRIES, sizeOf, type WaitingEntry } from './batch.ts'
import { type Exchange, encodeEntry } from './entry.ts'
import { Slabs } from './slabs.ts'

export interface WireLog {
  /** Whether anything is kept of the tenant's exchanges. */
  isOn(tenant: Pick<Tenant, 'settings'>): boolean
  /** Notes an exchange; it costs a request next to nothing. */
  note(exchange: Exchange): void
  /** Writes what was noted of a tenant, or of all, and waits for it. */
  flush(tenantId?: number): Promise<void>
  /** Writes what is left and stops. */
  close(): Promise<void>
}

const TICK_MS = 250
/** With many tenants each writes more seldom: a process makes four batches a second, or every tenant one in 5 s. */
const MAX_AGE_MS = 5_000
/** What waits to be written, in this process; beyond it the oldest is dropped. */
const MAX_WAITING_ENTRIES = 20_000
const MAX_WAITING_BYTES = 32 * 2 ** 20
/** Nobody's token is no reason to fill the log: so many exchanges a minute, for each tenant. */
const UNKNOWN_A_MINUTE = 60
/** Batches that are kept for another try when the database cannot take them. */
const MAX_UNSAVED = 100
const RETRY_MS = 2_000

interface Waiting {
  readonly sinceMs: number
  readonly entries: WaitingEntry[]
  bytes: number
}

export interface WireLogLimits {
  readonly maxWaitingEntries?: number
}

export function createWireLog(deps: Pick<Deps, 'db' | 'log'>, limits: WireLogLimits = {}): WireLog {
  return new BatchedWireLog(deps, limits)
}

class BatchedWireLog implements WireLog {
  private readonly deps: Pick<Deps, 'db' | 'log'>
  private readonly maxWaitingEntries: number
  /** By tenant, the one that has waited longest first. */
  private readonly waiting = new Map<number, Waiting>()
  private readonly dropped = new Map<number, number>()
  private readonly slabs = new Slabs()
  private readonly batches = new BatchMaker()
  private readonly unknown = new MinuteCounts(UNKNOWN_A_MINUTE)
  private readonly unsaved: { tenantId: number; batch: WireBatch }[] = []
  private entries = 0
  private bytes = 0
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()
  private pausedUntilMs = 0
  private isClosed = false

  constructor(deps: Pick<Deps, 'db' | 'log'>, { maxWaitingEntries = MAX_WAITING_ENTRIES }: WireLogLimits) {
    this.deps = deps
    this.maxWaitingEntries = maxWaitingEntries
  }

  isOn({ settings }: Pick<Tenant, 'settings'>): boolean {
    return (settings.wireLogDays ?? DEFAULT_WIRE_LOG_DAYS) > 0
  }

  note(exchange: Exchange): void {
    const { tenantId, kind } = exchange
    if (kind === null && !this.unknown.take(tenantId, exchange.at)) {
      this.drop(tenantId, 1)
      return
    }
    let own = this.waiting.get(tenantId)
    if (!own) {
      own = { sinceMs: performance.now(), entries: [], bytes: 0 }
      this.waiting.set(tenantId, own)
    }
    const { line, atMs, status, connectionId, resources } = encodeEntry(exchange)
    const { slab, start, end } = this.slabs.put(line)
    own.entries.push({ slab, start, end, atMs, status, connectionId, resources })
    own.bytes += end - start
    this.bytes += end - start
    this.entries++
    while (this.isFull) this.dropOldest()
    this.schedule()
  }

  async flush(tenantId?: number): Promise<void> {
    await this.afterwards(() => {
      this.pausedUntilMs = 0
      return this.write(tenantId === undefined ? [...this.waiting.keys()] : [tenantId])
    })
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await this.flush()
    const lost = this.entries + this.unsaved.reduce((sum, { batch }) => sum + batch.exchanges, 0)
    if (lost > 0) this.deps.log.warn({ count: lost }, 'exchanges were not written to the wire log')
  }

  private get isFull(): boolean {
    return this.entries > this.maxWaitingEntries || (this.bytes > MAX_WAITING_BYTES && this.entries > 1)
  }

  private drop(tenantId: number, count: number): void {
    this.dropped.set(tenantId, (this.dropped.get(tenantId) ?? 0) + count)
  }

  private dropOldest(): void {
    const [tenantId, oldest] = this.waiting.entries().next().value!
    const entry = oldest.entries.shift()!
    const size = sizeOf(entry)
    this.slabs.release(entry)
    oldest.bytes -= size
    this.bytes -= size
    this.entries--
    if (oldest.entries.length === 0) this.waiting.delete(tenantId)
    this.drop(tenantId, 1)
  }

  private take(tenantId: number): readonly WaitingEntry[] {
    const found = this.waiting.get(tenantId)
    if (!found) return []
    this.waiting.delete(tenantId)
    this.entries -= found.entries.length
    this.bytes -= found.bytes
    return found.entries
  }

  private schedule(): void {
    if (this.timer || this.isClosed) return
    this.timer = setTimeout(() => void this.tick(), TICK_MS)
    this.timer.unref()
  }

  private async tick(): Promise<void> {
    const nowMs = performance.now()
    const ageMs = Math.min(MAX_AGE_MS, TICK_MS * this.waiting.size)
    const due = [...this.waiting]
      .filter(([, { sinceMs, entries }]) => nowMs - sinceMs >= ageMs || entries.length >= MAX_ENTRIES)
      .map(([tenantId]) => tenantId)
    await this.afterwards(() => this.write(due))
    this.timer = undefined
    if (this.waiting.size > 0 || this.unsaved.length > 0) this.schedule()
  }

  /** One write at a time, so that a tenant's batches follow each other. */
  private afterwards(work: () => Promise<void>): Promise<void> {
    this.writing = this.writing
      .then(work)
      .catch((error) => this.deps.log.error({ err: error }, 'a batch of the wire log was lost'))
    return this.writing
  }

  /** After a failure everything waits for a while. */
  private get isPaused(): boolean {
    return performance.now() < this.pausedUntilMs
  }

  private async write(tenantIds: readonly number[]): Promise<void> {
    for (const { tenantId, batch } of this.unsaved.splice(0)) await this.save(tenantId, batch)
    for (const tenantId of tenantIds) {
      if (this.isPaused) return
      for (const chunk of chunksOf(this.take(tenantId))) {
        const lost = this.dropped.get(tenantId) ?? 0
        this.dropped.delete(tenantId)
        const batch = await this.batches.make(chunk, lost)
        for (const entry of chunk) this.slabs.release(entry)
        await this.save(tenantId, batch)
      }
    }
  }

  /** What cannot be saved now is tried again, with the same id: an answer that was lost makes no copy. */
  private async save(tenantId: number, batch: WireBatch): Promise<void> {
    try {
      if (!this.isPaused) {
        await insertWireBatch(this.deps.db, tenantId, batch)
        return
      }
    } catch (error) {
      // the tenant is gone, and its log with it
      if (violatedConstraint(error) === TENANT_KEY) return
      this.pausedUntilMs = performance.now() + RETRY_MS
      this.deps.log.warn({ err: error, tenantId, count: batch.exchanges }, 'the wire log waits for the database')
    }
    if (this.unsaved.length < MAX_UNSAVED) this.unsaved.push({ tenantId, batch })
    else this.drop(tenantId, batch.exchanges)
  }
}

const TENANT_KEY = 'wire_log_tenant_id_fkey'

/** How many of something each tenant had in the current minute. */
class MinuteCounts {
  private readonly most: number
  private readonly counts = new Map<number, number>()
  private minute = 0

  constructor(most: number) {
    this.most = most
  }

  /** @returns whether there is room for one more */
  take(tenantId: number, at: Date): boolean {
    const minute = Math.floor(at.getTime() / 60_000)
    if (minute !== this.minute) this.counts.clear()
    this.minute = minute
    const count = (this.counts.get(tenantId) ?? 0) + 1
    this.counts.set(tenantId, count)
    return count <= this.most
  }
}
