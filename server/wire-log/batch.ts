// Exchanges as rows: cut into batches, and encoded.
import { v7 as uuidv7 } from 'uuid'
import type { WireBatch } from '../../db/wire-log.ts'
import { type Exchange, encodeEntry, packEntries } from './entry.ts'

/** A batch holds so many entries, of about so many characters: enough for a row, and for one go of the event loop. */
export const MAX_ENTRIES = 250
const MAX_CHARACTERS = 4 * 2 ** 20
/** What an exchange takes beside its bodies. */
const ENTRY_CHARACTERS = 500

/** About how much memory an exchange takes while it waits; characters. */
export const sizeOf = ({ requestBody, responseBody, headers }: Exchange): number =>
  ENTRY_CHARACTERS +
  (responseBody?.length ?? 0) +
  // what was not read may be any length
  (requestBody === undefined ? 0 : Number(headers['content-length']) || 0)

/** The exchanges in their order, in parts that fit into a batch. */
export function chunksOf(exchanges: readonly Exchange[]): Exchange[][] {
  const chunks: Exchange[][] = []
  let size = MAX_CHARACTERS
  for (const exchange of exchanges) {
    size += sizeOf(exchange)
    if (size > MAX_CHARACTERS || chunks.at(-1)!.length >= MAX_ENTRIES) {
      chunks.push([])
      size = sizeOf(exchange)
    }
    chunks.at(-1)!.push(exchange)
  }
  return chunks
}

/** @param dropped exchanges before these that were not kept */
export async function toBatch(exchanges: readonly Exchange[], dropped: number): Promise<WireBatch> {
  const encoded = exchanges.map(encodeEntry)
  const times = exchanges.map(({ at }) => at.getTime())
  const to = new Date(Math.max(...times))
  return {
    id: uuidv7({ msecs: to.getTime() }),
    from_at: new Date(Math.min(...times)),
    to_at: to,
    exchanges: exchanges.length,
    dropped,
    statuses: [...new Set(exchanges.map(({ status }) => status))],
    connection_ids: [...new Set(exchanges.map(({ connectionId }) => connectionId))],
    resource_ids: [...new Set(encoded.flatMap(({ resourceIds }) => resourceIds))],
    request_ids: exchanges.map(({ requestId }) => requestId),
    entries: await packEntries(encoded.map(({ line }) => line))
  }
}
