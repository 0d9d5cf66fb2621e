// Exchanges that will become one row.
import { v7 as uuidv7 } from 'uuid'
import { ID_LENGTH } from '../../db/ids.ts'
import { UuidArray } from '../../db/uuid-array.ts'
import type { NewWireBatch } from '../../db/wire-log.ts'
import { type EncodedEntry, requestIdAt, resourceIdAt } from './encode.ts'
import type { Piece } from './slabs.ts'

/** A batch with this many lines, or bytes of them, is full: enough for a row. */
const MAX_LINES = 1_000
const MAX_BYTES = 4 * 2 ** 20

/** One tenant's lines in order, with what is known of them as a whole; no object is kept per line. */
export class Batch {
  readonly sinceMs: number
  bytes: number
  /** Each grows while further lines directly follow it. */
  private readonly pieces: { slab: Piece['slab']; start: number; end: number }[]
  private readonly lengths: number[]
  /** How many resources each line names. */
  private readonly resources: number[]
  private readonly statuses: Set<number>
  private readonly connectionIds: Set<string | null>
  private fromMs: number
  private toMs: number

  /** @param sinceMs when its first line came, in milliseconds of the process */
  constructor(sinceMs: number) {
    this.sinceMs = sinceMs
    this.bytes = 0
    this.pieces = []
    this.lengths = []
    this.resources = []
    this.statuses = new Set()
    this.connectionIds = new Set()
    this.fromMs = Number.MAX_SAFE_INTEGER
    this.toMs = 0
  }

  get count(): number {
    return this.lengths.length
  }

  get isFull(): boolean {
    return this.count >= MAX_LINES || this.bytes >= MAX_BYTES
  }

  add({ atMs, status, connectionId, resources }: EncodedEntry, { slab, start, end }: Piece): void {
    const last = this.pieces.at(-1)
    if (last?.slab === slab && last.end === start) last.end = end
    else this.pieces.push({ slab, start, end })
    this.bytes += end - start
    this.lengths.push(end - start)
    this.resources.push(resources)
    this.statuses.add(status)
    this.connectionIds.add(connectionId)
    this.fromMs = Math.min(this.fromMs, atMs)
    this.toMs = Math.max(this.toMs, atMs)
  }

  /** Removes the oldest line. @returns where it is */
  shift(): Piece {
    const [{ slab, start, end }] = this.pieces as [Piece]
    const length = this.lengths.shift()!
    this.resources.shift()
    this.bytes -= length
    if (start + length === end) this.pieces.shift()
    else this.pieces[0] = { slab, start: start + length, end }
    return { slab, start, end: start + length }
  }

  /** Where its lines are, adjacent ones joined. */
  get where(): readonly Piece[] {
    return this.pieces
  }

  /**
   * @param entries its lines, packed
   * @param dropped number of exchanges before these that were not kept
   */
  toRow(entries: Buffer, dropped: number): NewWireBatch {
    return {
      id: uuidv7({ msecs: this.toMs }),
      from_at: new Date(this.fromMs),
      to_at: new Date(this.toMs),
      exchanges: this.count,
      dropped,
      statuses: [...this.statuses],
      connection_ids: [...this.connectionIds],
      ...this.ids(),
      entries
    }
  }

  /** Read from the lines only now: collecting them earlier would have cost more. */
  private ids(): Pick<NewWireBatch, 'request_ids' | 'resource_ids'> {
    const requestIds = new UuidArray(this.count)
    const resourceIds = new UuidArray(this.count)
    const known = new Set<string>()
    let line = 0
    for (const { slab, start, end } of this.pieces) {
      const { bytes } = slab
      for (let at = start; at < end; at += this.lengths[line++]!) {
        requestIds.add(bytes, requestIdAt(at))
        for (let index = 0; index < this.resources[line]!; index++) {
          const idAt = resourceIdAt(at, index)
          const { size } = known
          if (known.add(bytes.toString('latin1', idAt, idAt + ID_LENGTH)).size > size) resourceIds.add(bytes, idAt)
        }
      }
    }
    return { request_ids: requestIds.value, resource_ids: resourceIds.value }
  }
}
