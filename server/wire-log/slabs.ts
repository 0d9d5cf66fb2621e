// Memory for lines that wait to be written: large pieces that are reused. A buffer per line would survive several
// garbage collections before it is garbage, which costs more than all other work on it. And V8 counts memory that is
// constantly taken and returned, and then collects everything.

interface Slab {
  readonly bytes: Buffer
  used: number
  /** Bytes of it still in use. */
  kept: number
}

/** Where a line is, or several adjacent ones. */
export interface Piece {
  readonly slab: Slab
  readonly start: number
  readonly end: number
}

const SLAB_BYTES = 2 ** 20
/** The most that UTF-8 takes for one of JavaScript's characters. */
const BYTES_PER_CHARACTER = 3
/** What follows the body, the last member of a line. */
const [BRACE, LINE_FEED] = Buffer.from('}\n') as unknown as [number, number]
const END_BYTES = 2
/** Unused slabs that are kept; more are released. */
const MAX_FREE = 8
/** Unused slabs kept at rest. */
const FREE_AT_REST = 1

const newSlab = (bytes: number): Slab => ({ bytes: Buffer.allocUnsafeSlow(bytes), used: 0, kept: 0 })

export class Slabs {
  private readonly free: Slab[] = []
  private current: Slab | undefined

  /** Stores a line, given in two parts, until it is released. */
  put(head: string, body: string): Piece {
    const slab = this.slabFor((head.length + body.length) * BYTES_PER_CHARACTER + END_BYTES)
    const { bytes, used: start } = slab
    let end = start + bytes.write(head, start)
    if (body !== '') end += bytes.write(body, end)
    // written directly: a call for two bytes takes as long as one for a hundred
    bytes[end++] = BRACE
    bytes[end++] = LINE_FEED
    slab.used = end
    slab.kept += end - start
    return { slab, start, end }
  }

  release({ slab, start, end }: Piece): void {
    slab.kept -= end - start
    if (slab.kept > 0) return
    slab.used = 0
    if (slab !== this.current && slab.bytes.length === SLAB_BYTES && this.free.length < MAX_FREE) this.free.push(slab)
  }

  /** Releases what the last busy moment needed. */
  rest(): void {
    this.free.splice(FREE_AT_REST)
  }

  private slabFor(bytes: number): Slab {
    if (this.current && this.current.bytes.length - this.current.used >= bytes) return this.current
    this.current = bytes > SLAB_BYTES ? newSlab(bytes) : (this.free.pop() ?? newSlab(SLAB_BYTES))
    return this.current
  }
}
