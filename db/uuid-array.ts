// A list of UUIDs in PostgreSQL's binary form (array_recv): as text, PostgreSQL takes longer to parse than to store
// them.

/** The number of dimensions, whether there are nulls, the element type; the dimension's length and lowest index. */
const HEADER_BYTES = 20
const UUID_OID = 2950
/** Each element is preceded by its length. */
const LENGTH_BYTES = 4
const UUID_BYTES = 16
const DASH = '-'.charCodeAt(0)

/** The values of hexadecimal digits by ASCII code. */
const DIGITS = new Uint8Array(128)
for (const digit of '0123456789abcdef') DIGITS[digit.charCodeAt(0)] = Number.parseInt(digit, 16)

export class UuidArray {
  private bytes: Buffer
  private count: number

  /** @param expected about how many will be added */
  constructor(expected: number) {
    this.bytes = Buffer.allocUnsafe(HEADER_BYTES + expected * (LENGTH_BYTES + UUID_BYTES))
    this.count = 0
  }

  /** @param text holds a uuid in ASCII and lower case from `start` on */
  add(text: Buffer, start: number): void {
    const at = this.end
    if (at + LENGTH_BYTES + UUID_BYTES > this.bytes.length)
      this.bytes = Buffer.concat([this.bytes], 2 * this.bytes.length)
    const { bytes } = this
    bytes.writeInt32BE(UUID_BYTES, at)
    let from = start
    for (let to = at + LENGTH_BYTES; to < at + LENGTH_BYTES + UUID_BYTES; to++) {
      if (text[from] === DASH) from++
      bytes[to] = (DIGITS[text[from]!]! << 4) | DIGITS[text[from + 1]!]!
      from += 2
    }
    this.count++
  }

  /** The list as the value of a parameter. */
  get value(): Buffer {
    const { bytes, count } = this
    bytes.writeInt32BE(count === 0 ? 0 : 1, 0)
    bytes.writeInt32BE(0, 4)
    bytes.writeInt32BE(UUID_OID, 8)
    // an empty list has no dimension
    if (count === 0) return bytes.subarray(0, 12)
    bytes.writeInt32BE(count, 12)
    bytes.writeInt32BE(1, 16)
    return bytes.subarray(0, this.end)
  }

  private get end(): number {
    return HEADER_BYTES + this.count * (LENGTH_BYTES + UUID_BYTES)
  }
}
