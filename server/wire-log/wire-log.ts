// Records what identity providers sent and received: noted in memory, written in batches outside the requests.
import { violatedConstraint } from '../../db/failures.ts'
import { DEFAULT_WIRE_LOG_DAYS, insertWireBatch, type NewWireBatch } from '../../db/wire-log.ts'
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import type { Batch } from './batch.ts'
import { encodeEntry } from './encode.ts'
import type { Exchange } from './entry.ts'
import { Packer } from './pack.ts'
import { WaitingBatches } from './waiting.ts'

export interface WireLog {
  /** Whether the tenant's exchanges are recorded. */
  isOn(tenant: Pick<Tenant, 'settings'>): boolean
  /** Notes an exchange, at almost no cost to the request. */
  note(exchange: Exchange): void
  /** Writes what was noted for one tenant, or for all, and waits for it. */
  flush(tenantId?: number): Promise<void>
  /** Writes the rest and stops. */
  close(): Promise<void>
}

const TICK_MS = 250
/** A process writes about four batches a second; with many tenants, each one is written every 5 s. */
const MAX_AGE_MS = 5_000
/** Requests without a valid token must not fill the log: this many a minute are recorded for each tenant. */
const UNKNOWN_A_MINUTE = 60
/** Batches kept for another attempt while the database cannot take them. */
const MAX_UNSAVED = 100
const RETRY_MS = 2_000

export interface WireLogLimits {
  /** How many entries may wait in this process; beyond that the oldest are dropped. */
  readonly maxWaitingEntries?: number
}

export function createWireLog(deps: Pick<Deps, 'db' | 'log'>, limits: WireLogLimits = {}): WireLog {
  return new BatchedWireLog(deps, limits)
}

class BatchedWireLog implements WireLog {
  private readonly deps: Pick<Deps, 'db' | 'log'>
  private readonly waiting: WaitingBatches
  private readonly dropped = new Map<number, number>()
  private readonly packer = new Packer()
  private readonly unknown = new MinuteCounts(UNKNOWN_A_MINUTE)
  private readonly unsaved: { tenantId: number; batch: NewWireBatch }[] = []
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()
  /** Whether a write of full batches is scheduled. */
  private isHurrying = false
  private pausedUntilMs = 0
  private isClosed = false

  constructor(deps: Pick<Deps, 'db' | 'log'>, { maxWaitingEntries }: WireLogLimits) {
    this.deps = deps
    this.waiting = new WaitingBatches(maxWaitingEntries)
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
    const isFull = this.waiting.add(tenantId, encodeEntry(exchange))
    while (this.waiting.isTooMuch) this.drop(this.waiting.dropOldest(), 1)
    if (isFull) this.hurry()
    this.schedule()
  }

  async flush(tenantId?: number): Promise<void> {
    await this.afterwards(() => {
      this.pausedUntilMs = 0
      return this.write(tenantId === undefined ? this.waiting.tenantIds : [tenantId], 'all')
    })
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await this.flush()
    this.packer.close()
    const lost = this.waiting.count + this.unsaved.reduce((sum, { batch }) => sum + batch.exchanges, 0)
    if (lost > 0) this.deps.log.warn({ count: lost }, 'exchanges were not written to the wire log')
  }

  private drop(tenantId: number, count: number): void {
    this.dropped.set(tenantId, (this.dropped.get(tenantId) ?? 0) + count)
  }

  private schedule(): void {
    if (this.timer || this.isClosed) return
    this.timer = setTimeout(() => void this.tick(), TICK_MS)
    this.timer.unref()
  }

  private async tick(): Promise<void> {
    const ageMs = Math.min(MAX_AGE_MS, TICK_MS * this.waiting.tenantCount)
    const due = this.waiting.waitingSince(performance.now() - ageMs)
    await this.afterwards(() => this.write(due, 'all'))
    this.timer = undefined
    if (this.waiting.tenantCount > 0 || this.unsaved.length > 0) this.schedule()
    else this.waiting.rest()
  }

  /** Writes a full batch without waiting: it takes up memory, and soon leaves the processor's cache. */
  private hurry(): void {
    if (this.isHurrying) return
    this.isHurrying = true
    void this.afterwards(() => {
      this.isHurrying = false
      return this.write(this.waiting.full, 'full')
    })
  }

  /** One write at a time, so that a tenant's batches stay in order. */
  private afterwards(work: () => Promise<void>): Promise<void> {
    this.writing = this.writing
      .then(work)
      .catch((error) => this.deps.log.error({ err: error }, 'a batch of the wire log was lost'))
    return this.writing
  }

  /** After a failure all writes pause for a while. */
  private get isPaused(): boolean {
    return performance.now() < this.pausedUntilMs
  }

  private async write(tenantIds: readonly number[], which: 'all' | 'full'): Promise<void> {
    for (const { tenantId, batch } of this.unsaved.splice(0)) await this.save(tenantId, batch)
    for (const tenantId of tenantIds) {
      if (this.isPaused) return
      for (const batch of this.waiting.take(tenantId, which)) {
        const lost = this.dropped.get(tenantId) ?? 0
        this.dropped.delete(tenantId)
        await this.save(tenantId, await this.pack(batch, lost))
      }
    }
  }

  private async pack(batch: Batch, dropped: number): Promise<NewWireBatch> {
    const pieces = batch.where
    try {
      const entries = await this.packer.pack(pieces.map(({ slab, start, end }) => slab.bytes.subarray(start, end)))
      return batch.toRow(entries, dropped)
    } finally {
      this.waiting.release(pieces)
    }
  }

  /** A batch that cannot be saved now is retried with the same id, so that a lost confirmation creates no copy. */
  private async save(tenantId: number, batch: NewWireBatch): Promise<void> {
    try {
      if (!this.isPaused) {
        await insertWireBatch(this.deps.db, tenantId, batch)
        return
      }
    } catch (error) {
      // the tenant was removed, and its log with it
      if (violatedConstraint(error) === TENANT_KEY) return
      this.pausedUntilMs = performance.now() + RETRY_MS
      this.deps.log.warn({ err: error, tenantId, count: batch.exchanges }, 'the wire log waits for the database')
    }
    if (this.unsaved.length < MAX_UNSAVED) this.unsaved.push({ tenantId, batch })
    else this.drop(tenantId, batch.exchanges)
  }
}

const TENANT_KEY = 'wire_log_tenant_id_fkey'

/** Counts per tenant in the current minute. */
class MinuteCounts {
  private readonly most: number
  private readonly counts = new Map<number, number>()
  private minute = 0

  constructor(most: number) {
    this.most = most
  }

  /** @returns whether one more fits */
  take(tenantId: number, at: Date): boolean {
    const minute = Math.floor(at.getTime() / 60_000)
    if (minute !== this.minute) this.counts.clear()
    this.minute = minute
    const count = (this.counts.get(tenantId) ?? 0) + 1
    this.counts.set(tenantId, count)
    return count <= this.most
  }
}
