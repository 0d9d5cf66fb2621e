// Exchanges as rows.
import { v7 as uuidv7 } from 'uuid'
import type { WireBatch } from '../../db/wire-log.ts'
import { type EncodedEntry, packLines, requestIdOf, resourceIdsOf } from './entry.ts'
import type { Slot } from './slabs.ts'

/** An exchange that waits to be written. */
export type WaitingEntry = Slot & Omit<EncodedEntry, 'line'>

export const sizeOf = ({ start, end }: WaitingEntry): number => end - start

/** A batch holds so many entries, of about so many bytes: enough for a row. */
export const MAX_ENTRIES = 1_000
const MAX_BYTES = 4 * 2 ** 20

/** The exchanges in their order, in parts that fit into a batch. */
export function chunksOf(entries: readonly WaitingEntry[]): WaitingEntry[][] {
  const chunks: WaitingEntry[][] = []
  let chunk: WaitingEntry[] = []
  let size = 0
  for (const entry of entries) {
    if (chunk.length === 0 || chunk.length === MAX_ENTRIES || size + sizeOf(entry) > MAX_BYTES) {
      chunk = []
      chunks.push(chunk)
      size = 0
    }
    chunk.push(entry)
    size += sizeOf(entry)
  }
  return chunks
}

/** Makes rows, one at a time. */
export class BatchMaker {
  /** Used again and again: fresh pages would cost as much as all the rest. */
  private scratch = Buffer.alloc(0)

  /** @param dropped exchanges before these that were not kept */
  async make(entries: readonly WaitingEntry[], dropped: number): Promise<WireBatch> {
    const lines = this.gather(entries)
    const times = entries.map(({ atMs }) => atMs)
    const toMs = Math.max(...times)
    return {
      id: uuidv7({ msecs: toMs }),
      from_at: new Date(Math.min(...times)),
      to_at: new Date(toMs),
      exchanges: entries.length,
      dropped,
      statuses: [...new Set(entries.map(({ status }) => status))],
      connection_ids: [...new Set(entries.map(({ connectionId }) => connectionId))],
      resource_ids: [
        ...new Set(entries.flatMap((entry) => resourceIdsOf(entry.slab.bytes, entry.start, entry.resources)))
      ],
      request_ids: entries.map(({ slab, start }) => requestIdOf(slab.bytes, start)),
      entries: await packLines(lines)
    }
  }

  private gather(entries: readonly WaitingEntry[]): Buffer {
    const size = entries.reduce((sum, entry) => sum + sizeOf(entry), 0)
    if (this.scratch.length < size) this.scratch = Buffer.alloc(Math.max(size, 2 * this.scratch.length))
    let length = 0
    for (const { slab, start, end } of entries) length += slab.bytes.copy(this.scratch, length, start, end)
    return this.scratch.subarray(0, length)
  }
}
