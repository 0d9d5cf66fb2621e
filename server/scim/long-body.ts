// A long answer, put together as the bytes that are sent: text that is joined and then encoded is copied three times.
// The memory is used again once an answer has left: to have it collected costs more than to write the answer.

/** Grows as it is written to. What it begins with may be written last. */
export class LongBody {
  /** Where the next byte is written to. */
  length: number
  private bytes: Buffer
  private readonly capacity: number

  /** @param capacity bytes that are expected; nothing is taken before something is written */
  constructor(capacity: number) {
    this.bytes = EMPTY
    this.capacity = capacity + BEGINNING_BYTES
    this.length = BEGINNING_BYTES
  }

  write(text: string): void {
    const bytes = this.room(text.length * MAX_BYTES)
    this.length += bytes.write(text, this.length)
  }

  copy(from: Buffer, start: number, end: number): void {
    const bytes = this.room(end - start)
    this.length += from.copy(bytes, this.length, start, end)
  }

  /** The bytes, of which at least so many can be written from `length` on; the next call may give others. */
  room(size: number): Buffer {
    const needed = this.length + size
    if (needed <= this.bytes.length) return this.bytes
    const larger = take(Math.max(needed, this.bytes.length * 2, this.capacity))
    this.bytes.copy(larger, 0, 0, this.length)
    this.discard()
    this.bytes = larger
    return larger
  }

  /** Writes what was written to another one. */
  copyFrom(other: LongBody, start: number, end: number): void {
    this.copy(other.bytes, start, end)
  }

  /** What was written up to `end`, behind a beginning. Nothing can be written then. */
  endWith(beginning: string, end: number, ending: string): LongAnswer {
    const size = Buffer.byteLength(beginning)
    if (size > BEGINNING_BYTES) return this.endElsewhere(beginning, end, ending)
    this.length = end
    this.write(ending)
    const { bytes } = this
    const start = BEGINNING_BYTES - size
    bytes.write(beginning, start)
    return { body: bytes.subarray(start, this.length), sent: () => giveBack(bytes) }
  }

  /** Lets others have the memory. */
  discard(): void {
    if (this.bytes.length > 0) giveBack(this.bytes)
    this.bytes = EMPTY
  }

  private endElsewhere(beginning: string, end: number, ending: string): LongAnswer {
    const body = Buffer.concat([Buffer.from(beginning), this.bytes.subarray(BEGINNING_BYTES, end), Buffer.from(ending)])
    this.discard()
    return { body, sent: () => {} }
  }
}

/** The bytes to be sent; once they have been, `sent` lets others have the memory. */
export interface LongAnswer {
  readonly body: Buffer
  readonly sent: () => void
}

const EMPTY = Buffer.alloc(0)
/** Kept free in front. */
const BEGINNING_BYTES = 1_024
/** Of a UTF-16 code unit in UTF-8. */
const MAX_BYTES = 3

const SMALLEST = 2 ** 14
const LARGEST = 2 ** 20
/** Of all sizes together. */
const MAX_SPARE = 8 * 2 ** 20

const spare = new Map<number, Buffer[]>()
let spareSize = 0

/** @returns at least so many bytes, with whatever is in them */
function take(capacity: number): Buffer {
  if (capacity > LARGEST) return Buffer.allocUnsafeSlow(capacity)
  const size = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(capacity)))
  const found = spare.get(size)?.pop()
  if (!found) return Buffer.allocUnsafeSlow(size)
  spareSize -= size
  return found
}

function giveBack(bytes: Buffer): void {
  if (bytes.length > LARGEST || spareSize + bytes.length > MAX_SPARE) return
  const ofSize = spare.get(bytes.length)
  if (ofSize) ofSize.push(bytes)
  else spare.set(bytes.length, [bytes])
  spareSize += bytes.length
}
