// A long answer, put together as the bytes that are sent: text that is joined and then encoded is copied three times.

/** Grows as it is written to. */
export class LongBody {
  private bytes: Buffer
  private length: number

  /** @param capacity bytes that are expected */
  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(capacity)
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

  /** The bytes so far; nothing can be written then. */
  end(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  private makeRoom(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}

const COMMA = 44
/** Of a UTF-16 code unit in UTF-8. */
const MAX_BYTES = 3
