// Rows as the bytes that PostgreSQL sent: what becomes bytes of an answer is not decoded to text in between, which
// would cost more than everything else done with it. A connection hands such rows over as they arrive, before `pg`
// parses them.
import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { Fields } from './tenant-query.ts'

const EMPTY = Buffer.alloc(0)

/** The columns of a row within the received bytes, as UTF-8 text; valid only until the next row arrives. */
export class SentRow {
  bytes: Buffer
  private count: number
  private readonly starts: number[]
  private readonly ends: number[]

  constructor() {
    this.bytes = EMPTY
    this.count = 0
    this.starts = []
    this.ends = []
  }

  /** A row whose columns are text already. */
  static of(fields: Fields): SentRow {
    const row = new SentRow()
    row.bytes = Buffer.from(fields.join(''))
    row.count = fields.length
    let at = 0
    for (const field of fields) {
      row.starts.push(at)
      at += Buffer.byteLength(field ?? '')
      row.ends.push(field === null ? NULL : at)
    }
    return row
  }

  /** @param at the position of the column count in a DataRow message (PostgreSQL, message formats) */
  read(bytes: Buffer, at: number): this {
    const { starts, ends } = this
    this.bytes = bytes
    this.count = bytes.readUInt16BE(at)
    let position = at + 2
    for (let column = 0; column < this.count; column++) {
      const length = bytes.readInt32BE(position)
      position += 4
      starts[column] = position
      ends[column] = length === -1 ? NULL : position + length
      if (length > 0) position += length
    }
    return this
  }

  isNull(column: number): boolean {
    return this.ends[column] === NULL
  }

  start(column: number): number {
    return this.starts[column]!
  }

  /** Where a column that is not null ends in `bytes`. */
  end(column: number): number {
    return this.ends[column]!
  }

  text(column: number): string | null {
    const end = this.ends[column]!
    return end === NULL ? null : this.bytes.toString('utf8', this.starts[column], end)
  }

  fields(): Fields {
    const fields: (string | null)[] = []
    for (let column = 0; column < this.count; column++) fields.push(this.text(column))
    return fields
  }
}

const NULL = -1

/** A query that takes its rows in this form; any other query gets them from `pg`. */
export interface RowTaker {
  takeRow(row: SentRow): void
}

const takesRows = (query: unknown): query is RowTaker =>
  typeof query === 'object' && query !== null && 'takeRow' in query

/** The internals of pg's connection that are used here; its types leave them out. */
interface Connection {
  attachListeners(stream: EventEmitter): void
}

/**
 * Makes a connection hand rows over to the query being answered if that is a RowTaker.
 * @param activeQuery returns the query being answered
 */
export function handOverRows(connection: Connection, activeQuery: () => unknown): void {
  const { attachListeners } = connection
  connection.attachListeners = (stream) => {
    const messages = new Messages(activeQuery)
    stream.on('data', (chunk: Buffer) => messages.take(chunk))
    attachListeners.call(connection, messages.others)
  }
}

// bytes are used as soon as they are read, so all connections share the buffer
const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** Makes the socket of a connection; without TLS it allocates nothing for what it reads. */
export const rowSocket = (connection?: { ssl?: unknown }): Socket =>
  connection?.ssl ? new Socket() : new Socket({ onread: { buffer: readBuffer, callback } })

function callback(this: Socket, length: number, bytes: Buffer): boolean {
  this.emit('data', bytes.subarray(0, length))
  return true
}

/** The message's type, and the length of the rest. */
const HEADER_BYTES = 5
const DATA_ROW = 'D'.charCodeAt(0)
/** Larger messages get memory that is freed afterwards. */
const MAX_SCRATCH = 2 ** 18

/** Splits what a connection reads into messages; pg's parser gets all except the rows handed over. */
class Messages {
  /** Emits bytes as a socket does: only whole messages, which are not used again afterwards. */
  readonly others = new EventEmitter()
  private readonly activeQuery: () => unknown
  private readonly row = new SentRow()
  /** The beginning of a message that is not complete yet. */
  private scratch = EMPTY
  private scratchLength = 0

  constructor(activeQuery: () => unknown) {
    this.activeQuery = activeQuery
  }

  take(chunk: Buffer): void {
    const begun = this.scratchLength > 0 ? this.complete(chunk) : 0
    const rest = this.handOver(chunk, begun)
    if (rest === chunk.length) return
    this.makeRoom(chunk.length - rest < HEADER_BYTES ? HEADER_BYTES : sizeAt(chunk, rest))
    this.keep(chunk, rest, chunk.length)
  }

  /** Completes a message that began in an earlier chunk. @returns where it ends in this one */
  private complete(chunk: Buffer): number {
    const missing = Math.max(0, HEADER_BYTES - this.scratchLength)
    const at = this.keep(chunk, 0, missing)
    if (this.scratchLength < HEADER_BYTES) return at
    const size = sizeAt(this.scratch, 0)
    this.makeRoom(size)
    const end = this.keep(chunk, at, at + size - this.scratchLength)
    if (this.scratchLength < size) return end
    const message = this.scratch.subarray(0, size)
    this.scratchLength = 0
    if (size > MAX_SCRATCH) this.scratch = EMPTY
    this.handOver(message, 0)
    return end
  }

  private makeRoom(size: number): void {
    if (size <= this.scratch.length) return
    const larger = Buffer.allocUnsafeSlow(size)
    this.scratch.copy(larger, 0, 0, this.scratchLength)
    this.scratch = larger
  }

  /** @returns the position after what was copied from the chunk */
  private keep(chunk: Buffer, from: number, to: number): number {
    this.scratchLength += chunk.copy(this.scratch, this.scratchLength, from, to)
    return Math.min(to, chunk.length)
  }

  /** Hands over or passes on all complete messages. @returns where the first incomplete one begins */
  private handOver(bytes: Buffer, begin: number): number {
    // the beginning of what was neither handed over nor passed on
    let from = begin
    let at = begin
    let taker: RowTaker | undefined
    let isTakerKnown = false
    while (at + HEADER_BYTES <= bytes.length) {
      const end = at + sizeAt(bytes, at)
      if (end > bytes.length) break
      if (bytes[at] !== DATA_ROW) {
        isTakerKnown = false
      } else {
        if (!isTakerKnown) {
          // pass on what comes before: it may end a query and begin the next one
          this.pass(bytes, from, at)
          from = at
          const query = this.activeQuery()
          taker = takesRows(query) ? query : undefined
          isTakerKnown = true
        }
        if (taker) {
          taker.takeRow(this.row.read(bytes, at + HEADER_BYTES))
          from = end
        }
      }
      at = end
    }
    this.pass(bytes, from, at)
    return at
  }

  private pass(bytes: Buffer, from: number, to: number): void {
    if (to > from) this.others.emit('data', bytes.subarray(from, to))
  }
}

const sizeAt = (bytes: Buffer, at: number): number => 1 + bytes.readUInt32BE(at + 1)
