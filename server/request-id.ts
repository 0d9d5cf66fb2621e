// Ids of requests: UUIDs of version 7. Randomness is fetched for many of them at once, because to ask the system for
// each costs more than all the rest of an id.
import { randomFillSync } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'

const BYTES = 16
const pool = Buffer.alloc(256 * BYTES)
let used = pool.length

export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + BYTES)
  used += BYTES
  return uuidv7({ random, msecs: Date.now() })
}
