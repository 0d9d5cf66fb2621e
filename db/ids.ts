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

/** Characters of an id. */
export const ID_LENGTH = 36
const DASH = '-'.charCodeAt(0)
/** Which codes in ASCII are hexadecimal digits, in lower case. */
const IS_DIGIT = new Uint8Array(128)
for (const digit of '0123456789abcdef') IS_DIGIT[digit.charCodeAt(0)] = 1

/** Whether a text is an id, as PostgreSQL writes it: ids are caseExact. */
export const isId = (text: string): boolean => text.length === ID_LENGTH && isIdAt(text, 0)

/** Whether an id stands there. By hand: each request asks it twice, and within a text no copy has to be made for it. */
export function isIdAt(text: string, start: number): boolean {
  if (start < 0 || start + ID_LENGTH > text.length) return false
  for (let at = 0; at < ID_LENGTH; at++) {
    const code = text.charCodeAt(start + at)
    const isRight = at === 8 || at === 13 || at === 18 || at === 23 ? code === DASH : IS_DIGIT[code] === 1
    if (!isRight) return false
  }
  return true
}
