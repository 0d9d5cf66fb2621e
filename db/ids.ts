// Ids: UUIDs of version 7, in the order of time. Randomness is fetched for many of them at once, because to ask the
// system for each costs more than all the rest of an id.
import { randomFillSync } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'

const BYTES = 16
const pool = Buffer.alloc(256 * BYTES)
let used = pool.length

/** @param seq puts those of one millisecond in an order */
export function newId(msecs: number, seq?: number): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + BYTES)
  used += BYTES
  return uuidv7({ random, msecs, seq })
}
