// A long answer, put together as the bytes that are sent: text that is joined and then encoded is copied three times.
// The memory is used again once an answer has left: to have it collected costs more than to write the answer.

/** Grows as it is written to. */
export class LongBody {
  private bytes: Buffer
  private length: number

  /** @param capacity bytes that are expected */
  constructor(capacity: number) {
    this.bytes = take(capacity)
    this.length = 0
  }

  write(text: string): void {
    this.makeRoom(text.length * MAX_BYTES)
    this.length += this.bytes.write(text, this.length)
  }

  /** Writes what is between the first and the last character of a text, both ASCII, behind a comma. */
  writeInside(parts: readonly string[]): void {
    const start = this.length
    for (const part of parts) this.write(part)
    this.bytes[start] = COMMA
    this.length--
  }

  /** The bytes so far; nothing can be written then. Once they have been sent, `sent` lets others have the memory. */
  end(): { body: Buffer; sent: () => void } {
    const { bytes } = this
    return { body: bytes.subarray(0, this.length), sent: () => giveBack(bytes) }
  }

  private makeRoom(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    const larger = take(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    giveBack(this.bytes)
    this.bytes = larger
  }
}

const COMMA = 44
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
