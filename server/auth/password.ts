// Hashes and verifies passwords: bcrypt in libuv's threads, a few at a time.
import { createHmac, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import pLimit from 'p-limit'
import { unavailable } from '../errors.ts'
import { yieldToRequests } from './threads.ts'

/** Longer ones are refused before anything is computed from them. */
export const MAX_PASSWORD_LENGTH = 1_024
/** bcrypt reads no more bytes than this. */
const BCRYPT_BYTES = 72
const BCRYPT_HASH = /^\$2[ab]\$\d\d\$/
/** How many hashes may wait: at the default cost these are some 40 seconds of one core. */
const MAX_WAITING = 200

export interface Passwords {
  /** bcrypt's own form, `$2b$12$…`. @throws AppError unavailable where too many are being hashed already */
  hash(password: string): Promise<string>
  /**
   * Takes the same time without a bcrypt hash (the address is unknown, or has no password or another kind of hash) as
   * with one, even of a lower cost than today's. A hash of a higher cost takes longer.
   * @throws AppError unavailable where too many are being hashed already
   */
  verify(password: string, hash: string | undefined): Promise<boolean>
  /** Whether a hash was made at a lower cost than is asked for today. */
  isOutdated(hash: string): boolean
}

/** @param cost bcrypt's: each step doubles the time of a hash */
export function createPasswords(cost: number): Passwords {
  // libuv has four threads for everything (file system, DNS, crypto), and one core answers requests: one of each is
  // left, so that a crowd at the sign-in slows nobody else down
  const limit = pLimit(Math.max(1, Math.min(availableParallelism() - 1, 3)))
  // made at once, so that the first unknown address takes no longer than a later one
  const standIn = bcrypt.hash(randomBytes(32).toString('base64'), cost)
  standIn.then(yieldToRequests)

  function run<T>(work: () => Promise<T>): Promise<T> {
    if (limit.pendingCount >= MAX_WAITING) throw unavailable('Too many people are signing in just now: try again')
    return limit(work)
  }

  return {
    hash: async (password) => run(() => bcrypt.hash(bcryptInput(password), cost)),
    async verify(password, hash) {
      const known = hash !== undefined && BCRYPT_HASH.test(hash) ? hash : undefined
      const compared = known ?? (await standIn)
      const input = bcryptInput(password)
      const isRight = await run(async () => {
        const isSame = await bcrypt.compare(input, compared)
        // the comparison takes 2^c, hashing at c as long again, at c + 1 twice as long, and so on: 2^cost in all
        for (let c = bcrypt.getRounds(compared); c < cost; c++) await bcrypt.hash(input, c)
        return isSame
      })
      return isRight && known !== undefined
    },
    isOutdated: (hash) => bcrypt.getRounds(hash) < cost
  }
}

/**
 * What bcrypt is given. It cuts a password after 72 bytes, and in some versions at a NUL, so such ones are hashed
 * first: 64 characters of base64. The key keeps stolen lists of plain SHA hashes from being tried as passwords here.
 */
function bcryptInput(password: string): string {
  // one keyboard composes characters that another one does not
  const text = password.normalize('NFC')
  if (Buffer.byteLength(text) <= BCRYPT_BYTES && !text.includes('\0')) return text
  return createHmac('sha384', 'muster long password').update(text).digest('base64')
}
