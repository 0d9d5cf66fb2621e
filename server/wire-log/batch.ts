// Exchanges as rows.
import { v7 as uuidv7 } from 'uuid'
import type { WireBatch } from '../../db/wire-log.ts'
import { type EncodedEntry, packEntries } from './entry.ts'

/** A batch holds so many entries, of about so many bytes: enough for a row. */
export const MAX_ENTRIES = 250
const MAX_BYTES = 4 * 2 ** 20

/** The exchanges in their order, in parts that fit into a batch. */
export function chunksOf(entries: readonly EncodedEntry[]): EncodedEntry[][] {
  const chunks: EncodedEntry[][] = []
  let size = MAX_BYTES
  for (const entry of entries) {
    size += entry.bytes.length
    if (size > MAX_BYTES || chunks.at(-1)!.length >= MAX_ENTRIES) {
      chunks.push([])
      size = entry.bytes.length
    }
    chunks.at(-1)!.push(entry)
  }
  return chunks
}

/** Makes rows, one at a time. */
export class BatchMaker {
  /** Used again and again: fresh pages would cost as much as all the rest. */
  private scratch = Buffer.alloc(0)

  /** @param dropped exchanges before these that were not kept */
  async make(entries: readonly EncodedEntry[], dropped: number): Promise<WireBatch> {
    const size = entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (this.scratch.length < size) this.scratch = Buffer.alloc(Math.max(size, 2 * this.scratch.length))
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
      resource_ids: [...new Set(entries.flatMap(({ resourceIds }) => resourceIds))],
      request_ids: entries.map(({ requestId }) => requestId),
      entries: await packEntries(entries, this.scratch)
    }
  }
}
