// A long answer, built directly as the bytes to send: joining text and then encoding it copies it three times. The
// memory is reused once an answer was sent, since collecting it costs more than writing the answer.

/** Grows as it is written to. Its beginning may be written last. */
export class LongBody {
  /** Where the next byte is written. */
  length: number
  private bytes: Buffer
  private readonly capacity: number

  /** @param capacity expected bytes; memory is taken at the first write */
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

  /** The buffer, with room for at least `size` bytes from `length` on; the next call may return another one. */
  room(size: number): Buffer {
    const needed = this.length + size
    if (needed <= this.bytes.length) return this.bytes
    const larger = take(Math.max(needed, this.bytes.length * 2, this.capacity))
    this.bytes.copy(larger, 0, 0, this.length)
    this.discard()
    this.bytes = larger
    return larger
  }

  /** Appends a part of another body. */
  copyFrom(other: LongBody, start: number, end: number): void {
    this.copy(other.bytes, start, end)
  }

  /** Completes the body: `beginning`, what was written up to `end`, and `ending`. Nothing can be written afterwards. */
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

  /** Releases the memory for reuse. */
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

/** The bytes to send. Calling `sent` afterwards releases their memory for reuse. */
export interface LongAnswer {
  readonly body: Buffer
  readonly sent: () => void
}

const EMPTY = Buffer.alloc(0)
/** Reserved at the front. */
const BEGINNING_BYTES = 1_024
/** Of a UTF-16 code unit in UTF-8. */
const MAX_BYTES = 3

const SMALLEST = 2 ** 14
const LARGEST = 2 ** 20
/** Bytes kept for reuse, over all sizes. */
const MAX_SPARE = 8 * 2 ** 20

const spare = new Map<number, Buffer[]>()
let spareSize = 0

/** @returns a buffer of at least this capacity, with arbitrary contents */
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
