// Asks a list of breached passwords, as Have I Been Pwned keeps one, whether a password is in it. What is sent is the
// first five characters of its SHA-1; what comes back are the rest of some hundreds, among which it is looked for here.
import { hash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'

const TIMEOUT_MS = 3_000
const PREFIX_LENGTH = 5

export interface BreachedPasswords {
  /** False, too, where the list cannot be asked: nobody shall be kept out because it is away. */
  includes(password: string): Promise<boolean>
}

/** @param url to which the first characters are appended; undefined: nothing is asked */
export function createBreachedPasswords(url: string | undefined, log: FastifyBaseLogger): BreachedPasswords {
  if (url === undefined) return { includes: async () => false }
  return {
    async includes(password) {
      // such lists are of SHA-1 hashes: it protects nothing here
      const digest = hash('sha1', password.normalize('NFC')).toUpperCase()
      try {
        const answer = await fetch(url + digest.slice(0, PREFIX_LENGTH), {
          // answers of one length tell nobody on the way which one was asked for
          headers: { 'add-padding': 'true', 'user-agent': 'Muster' },
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS)
        })
        if (!answer.ok) throw new Error(`It answered ${answer.status}`)
        return isListed(await answer.text(), digest.slice(PREFIX_LENGTH))
      } catch (error) {
        log.warn({ err: error }, 'the list of breached passwords cannot be asked')
        return false
      }
    }
  }
}

/** Lines are `0018A45C4D1DEF81644B54AB7F969B88D65:3`, how often it was seen; padding was never. */
const isListed = (text: string, suffix: string) =>
  text.split('\n').some((line) => {
    const [listed, count] = line.trim().split(':')
    return listed?.toUpperCase() === suffix && Number(count) > 0
  })
