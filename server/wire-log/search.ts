// Searches the wire log: opens batches that may contain a match, newest first, and reads them line by line.
import type { Db } from '../../db/connect.ts'
import { findWireBatch, listWireBatches, type WireBatch } from '../../db/wire-log.ts'
import { parseEntry, type WireEntry } from './entry.ts'
import { unpackLines } from './pack.ts'

export interface WireSearch {
  readonly connectionId?: string
  /** A user or a group that the exchange names. */
  readonly resourceId?: string
  readonly requestId?: string
  /** Found anywhere in the stored line (path, bodies, headers, caller's name, …), in any letter case. */
  readonly text?: string
  readonly status?: number | 'refused' | 'answered'
  /** At or after. */
  readonly from?: Date
  /** Before. */
  readonly to?: Date
}

/** An exchange with its id: the batch, a dot, the line. */
export interface FoundEntry {
  readonly id: string
  readonly entry: WireEntry
}

/** Where a search continues: the batch, and how many of its entries were seen. */
export interface WirePlace {
  readonly toAt: Date
  readonly batchId: string
  readonly seen: number
}

export interface WirePage {
  readonly items: readonly FoundEntry[]
  /** Undefined at the end of the log. A page may hold few entries, since each search reads a limited number. */
  readonly next: WirePlace | undefined
  /** Number of exchanges in between that were not kept. */
  readonly dropped: number
}

/** Batches read at once, and entries that one search looks through. */
const BATCHES = 20
const MAX_SEEN = 20_000

export async function searchWireLog(
  db: Db,
  tenantId: number,
  search: WireSearch,
  page: { limit: number; place?: WirePlace }
): Promise<WirePage> {
  const { connectionId, resourceId, requestId, status, from, to } = search
  const matches = matcherOf(search)
  const items: FoundEntry[] = []
  let { place } = page
  let seen = 0
  let dropped = 0
  for (;;) {
    const until = place && { toAt: place.toAt, id: place.batchId }
    const batches = await listWireBatches(db, tenantId, {
      ...{ connectionId, resourceId, requestId, status, from, to, until },
      limit: BATCHES + 1
    })
    for (const batch of batches.slice(0, BATCHES)) {
      const before = place?.batchId === batch.id ? place.seen : 0
      if (before === 0) dropped += batch.dropped
      const entries = await newestFirst(batch)
      for (let at = before; at < entries.length; at++) {
        if (items.length === page.limit) return { items, next: placeIn(batch, at), dropped }
        const { line, index } = entries[at]!
        const entry = matches(line)
        if (entry) items.push({ id: `${batch.id}.${index}`, entry })
      }
      seen += entries.length - before
      place = placeIn(batch, entries.length)
    }
    if (batches.length <= BATCHES) return { items, next: undefined, dropped }
    if (seen >= MAX_SEEN) return { items, next: place, dropped }
  }
}

/** @returns undefined where there is no such entry, or no longer */
export async function findWireEntry(db: Db, tenantId: number, id: string): Promise<WireEntry | undefined> {
  const [batchId, index] = id.split('.') as [string, string]
  const batch = await findWireBatch(db, tenantId, batchId)
  const line = batch && (await unpackLines(batch.entries))[Number(index)]
  return line === undefined ? undefined : parseEntry(line)
}

const placeIn = ({ id, to_at }: WireBatch, seen: number): WirePlace => ({ batchId: id, toAt: to_at, seen })

interface Line {
  readonly line: string
  /** In the batch. */
  readonly index: number
}

async function newestFirst({ entries }: WireBatch): Promise<Line[]> {
  const lines = await unpackLines(entries)
  // exchanges are noted as they are answered, so their order differs from that of the requests by a moment at most
  return lines.map((line, index) => ({ line, index })).reverse()
}

/** Checks the text before parsing it: parsing every line would take most of the time. */
function matcherOf(search: WireSearch): (line: string) => WireEntry | undefined {
  const { connectionId, resourceId, requestId, text, status, from, to } = search
  const ids = [connectionId, resourceId, requestId].filter((id) => id !== undefined)
  // a query may contain it percent-encoded
  const wanted = text === undefined ? [] : [text.toLowerCase(), encodeURIComponent(text).toLowerCase()]
  return (line) => {
    if (!ids.every((id) => line.includes(id))) return undefined
    if (wanted.length > 0) {
      const lower = line.toLowerCase()
      if (!wanted.some((part) => lower.includes(part))) return undefined
    }
    const entry = parseEntry(line)
    const fits =
      (connectionId === undefined || entry.connectionId === connectionId) &&
      (resourceId === undefined || entry.resourceIds.includes(resourceId)) &&
      (requestId === undefined || entry.requestId === requestId) &&
      (status === undefined || isStatus(entry.status, status)) &&
      (from === undefined || entry.at >= from.getTime()) &&
      (to === undefined || entry.at < to.getTime())
    return fits ? entry : undefined
  }
}

function isStatus(status: number, wanted: number | 'refused' | 'answered'): boolean {
  if (wanted === 'refused') return status >= 400
  if (wanted === 'answered') return status < 400
  return status === wanted
}
