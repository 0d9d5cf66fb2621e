// Exchanges that wait to be written, by tenant.
import { Batch } from './batch.ts'
import type { EncodedEntry } from './encode.ts'
import { type Piece, Slabs } from './slabs.ts'

/** Limits on what waits in this process. */
const MAX_LINES = 20_000
const MAX_BYTES = 32 * 2 ** 20

export class WaitingBatches {
  private readonly maxLines: number
  /** The tenant that has waited longest comes first; the last of its batches takes new lines. */
  private readonly byTenant: Map<number, Batch[]>
  private readonly slabs: Slabs
  private bytes: number
  count: number

  constructor(maxLines = MAX_LINES) {
    this.maxLines = maxLines
    this.byTenant = new Map()
    this.slabs = new Slabs()
    this.bytes = 0
    this.count = 0
  }

  get isTooMuch(): boolean {
    return this.count > this.maxLines || (this.bytes > MAX_BYTES && this.count > 1)
  }

  get tenantCount(): number {
    return this.byTenant.size
  }

  get tenantIds(): number[] {
    return [...this.byTenant.keys()]
  }

  /** @returns whether that filled a batch */
  add(tenantId: number, entry: EncodedEntry): boolean {
    const batch = this.batchFor(tenantId)
    const piece = this.slabs.put(entry.head, entry.body)
    batch.add(entry, piece)
    this.bytes += piece.end - piece.start
    this.count++
    return batch.isFull
  }

  /** Drops the oldest line of the tenant that has waited longest. @returns that tenant's id */
  dropOldest(): number {
    const [tenantId, batches] = this.byTenant.entries().next().value!
    const batch = batches[0]!
    const piece = batch.shift()
    this.count--
    this.bytes -= piece.end - piece.start
    this.slabs.release(piece)
    if (batch.count === 0) batches.shift()
    if (batches.length === 0) this.byTenant.delete(tenantId)
    return tenantId
  }

  /** Tenants whose oldest line came at that time or earlier. */
  waitingSince(sinceMs: number): number[] {
    return this.tenantIds.filter((tenantId) => this.byTenant.get(tenantId)![0]!.sinceMs <= sinceMs)
  }

  /** Tenants with a full batch. */
  get full(): number[] {
    return this.tenantIds.filter((tenantId) => this.byTenant.get(tenantId)![0]!.isFull)
  }

  /** Takes a tenant's batches, oldest first. Whoever writes them releases their memory. */
  take(tenantId: number, which: 'all' | 'full'): readonly Batch[] {
    const batches = this.byTenant.get(tenantId) ?? []
    const last = batches.at(-1)
    const left = which === 'full' && last && !last.isFull ? [last] : []
    const taken = batches.slice(0, batches.length - left.length)
    // what is left came last, so its tenant moves to the end
    this.byTenant.delete(tenantId)
    if (left.length > 0) this.byTenant.set(tenantId, left)
    for (const { count, bytes } of taken) {
      this.count -= count
      this.bytes -= bytes
    }
    return taken
  }

  release(pieces: readonly Piece[]): void {
    for (const piece of pieces) this.slabs.release(piece)
  }

  /** Releases what the last busy moment needed. */
  rest(): void {
    this.slabs.rest()
  }

  private batchFor(tenantId: number): Batch {
    let batches = this.byTenant.get(tenantId)
    if (!batches) {
      batches = []
      this.byTenant.set(tenantId, batches)
    }
    const last = batches.at(-1)
    if (last && !last.isFull) return last
    const batch = new Batch(performance.now())
    batches.push(batch)
    return batch
  }
}
