// How lines are stored: compressed with zstd, one frame per batch.
import { promisify } from 'node:util'
import { createZstdCompress, type ZstdCompress, constants as zlib, zstdDecompress } from 'node:zlib'

const PARAMS = {
  /** Faster than the default level, and hardly larger for such repetitive data. */
  [zlib.ZSTD_c_compressionLevel]: 1,
  /** log2 of the bytes in which repetitions are searched for: fits into the processor's cache. */
  [zlib.ZSTD_c_windowLog]: 18,
  /** A table of 16 kB (log2 of its four-byte entries) and long matches: a tenth faster for these lines. */
  [zlib.ZSTD_c_hashLog]: 12,
  [zlib.ZSTD_c_minMatch]: 7
}
/** Usually holds the whole result: each chunk is a round trip to another thread. */
const CHUNK_BYTES = 2 ** 18

/** Compresses batches one by one in the same memory: fresh memory for each costs as much as the compression. */
export class Packer {
  private stream: ZstdCompress | undefined
  private parts: Buffer[]

  constructor() {
    this.stream = undefined
    this.parts = []
  }

  /** @param pieces lines in UTF-8, not to be changed until they are packed; one call at a time */
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

/** Returns one line per entry, in the order in which they were packed. */
export async function unpackLines(packed: Buffer): Promise<string[]> {
  // the last line ends with a line feed as well
  return (await decompress(packed)).toString('utf8').split('\n').slice(0, -1)
}
