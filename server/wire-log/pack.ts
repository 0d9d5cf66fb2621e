// Lines as they are stored: compressed with zstd, a frame for each batch.
import { promisify } from 'node:util'
import { createZstdCompress, type ZstdCompress, constants as zlib, zstdDecompress } from 'node:zlib'

const PARAMS = {
  /** Faster than the usual level, and hardly larger for what repeats itself so much. */
  [zlib.ZSTD_c_compressionLevel]: 1,
  /** Bytes (a power of two) in which repetitions are looked for: what fits into the processor's cache. */
  [zlib.ZSTD_c_windowLog]: 18,
  /** A table of 16 kB (a power of two, entries of four bytes) and long matches: a tenth faster for these lines. */
  [zlib.ZSTD_c_hashLog]: 12,
  [zlib.ZSTD_c_minMatch]: 7
}
/** Mostly enough for the whole: each chunk is a walk to another thread and back. */
const CHUNK_BYTES = 2 ** 18

/** Compresses one batch after the other, in the memory of the first: fresh memory for each costs as much as the work. */
export class Packer {
  private stream: ZstdCompress | undefined
  private parts: Buffer[]

  constructor() {
    this.stream = undefined
    this.parts = []
  }

  /** @param pieces of lines in UTF-8, left alone until they are packed; one call at a time */
  async pack(pieces: readonly Buffer[]): Promise<Buffer> {
    this.stream ??= this.open()
    const { stream } = this
    this.parts = []
    await new Promise<void>((done, failed) => {
      stream.once('error', failed)
      for (const piece of pieces) stream.write(piece)
      stream.flush(zlib.ZSTD_e_end, () => {
        stream.off('error', failed)
        done()
      })
    }).catch((error: unknown) => {
      this.close()
      throw error
    })
    return Buffer.concat(this.parts)
  }

  close(): void {
    this.stream?.destroy()
    this.stream = undefined
  }

  private open(): ZstdCompress {
    const stream = createZstdCompress({ params: PARAMS, chunkSize: CHUNK_BYTES })
    stream.on('data', (part: Buffer) => this.parts.push(part))
    return stream
  }
}

const decompress = promisify(zstdDecompress)

/** One line for each entry, in the order in which they were packed. */
export async function unpackLines(packed: Buffer): Promise<string[]> {
  // the last line is ended, too
  return (await decompress(packed)).toString('utf8').split('\n').slice(0, -1)
}
