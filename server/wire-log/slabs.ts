// Memory for lines that wait to be written: large pieces that are used again and again. A buffer for each line would
// survive several collections of garbage before it is one, which costs more than all else that is done with it.

interface Slab {
  readonly bytes: Buffer
  used: number
  /** Lines in it that are still needed. */
  lines: number
}

/** Where a line is. */
export interface Slot {
  readonly slab: Slab
  readonly start: number
  readonly end: number
}

const SLAB_BYTES = 2 ** 20
/** UTF-8 takes so many for each of JavaScript's characters, at most. */
const BYTES_PER_CHARACTER = 3
/** More that nobody needs just now are given back. */
const MAX_FREE = 4

const newSlab = (bytes: number): Slab => ({ bytes: Buffer.allocUnsafeSlow(bytes), used: 0, lines: 0 })

export class Slabs {
  private readonly free: Slab[] = []
  private current: Slab | undefined

  /** Keeps a line until it is released. */
  put(line: string): Slot {
    const slab = this.slabFor(line.length * BYTES_PER_CHARACTER)
    const start = slab.used
    slab.used += slab.bytes.write(line, start)
    slab.lines++
    return { slab, start, end: slab.used }
  }

  release({ slab }: Slot): void {
    slab.lines--
    if (slab.lines > 0) return
    slab.used = 0
    if (slab !== this.current && slab.bytes.length === SLAB_BYTES && this.free.length < MAX_FREE) this.free.push(slab)
  }

  private slabFor(bytes: number): Slab {
    if (this.current && this.current.bytes.length - this.current.used >= bytes) return this.current
    this.current = bytes > SLAB_BYTES ? newSlab(bytes) : (this.free.pop() ?? newSlab(SLAB_BYTES))
    return this.current
  }
}
