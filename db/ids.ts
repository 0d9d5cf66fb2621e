// Ids: UUIDs of version 7, sorted by time. Random bytes are fetched for many ids at once, because a system call for
// each would cost more than the rest of making an id.
import { randomFillSync } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'

const BYTES = 16
const pool = Buffer.alloc(256 * BYTES)
let used = pool.length

/** @param seq orders the ids of one millisecond */
export function newId(msecs: number, seq?: number): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + BYTES)
  used += BYTES
  return uuidv7({ random, msecs, seq })
}

/** Characters of an id. */
export const ID_LENGTH = 36
const DASH = '-'.charCodeAt(0)
/** Which ASCII codes are lower-case hexadecimal digits. */
const IS_DIGIT = new Uint8Array(128)
for (const digit of '0123456789abcdef') IS_DIGIT[digit.charCodeAt(0)] = 1

/** Whether a text is an id, as PostgreSQL writes it: ids are caseExact. */
export const isId = (text: string): boolean => text.length === ID_LENGTH && isIdAt(text, 0)

/** Whether an id stands at `start`. Written by hand, without copying a substring: each request asks it twice. */
export function isIdAt(text: string, start: number): boolean {
  if (start < 0 || start + ID_LENGTH > text.length) return false
  for (let at = 0; at < ID_LENGTH; at++) {
    const code = text.charCodeAt(start + at)
    const isRight = at === 8 || at === 13 || at === 18 || at === 23 ? code === DASH : IS_DIGIT[code] === 1
    if (!isRight) return false
  }
  return true
}
