// Asks a list of breached passwords, like that of Have I Been Pwned, whether a password is in it. Only the first five
// characters of its SHA-1 are sent; the answer has the rest of some hundreds of hashes, which are compared here.
import { hash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'

const TIMEOUT_MS = 3_000
const PREFIX_LENGTH = 5

export interface BreachedPasswords {
  /** Also false where the list cannot be asked: its outage must keep nobody out. */
  includes(password: string): Promise<boolean>
}

/** @param url the first characters are appended to it; undefined: nothing is asked */
export function createBreachedPasswords(url: string | undefined, log: FastifyBaseLogger): BreachedPasswords {
  if (url === undefined) return { includes: async () => false }
  return {
    async includes(password) {
      // such lists hold SHA-1 hashes; it protects nothing here
      const digest = hash('sha1', password.normalize('NFC')).toUpperCase()
      try {
        const answer = await fetch(url + digest.slice(0, PREFIX_LENGTH), {
          // padded answers have one length, which does not tell an eavesdropper which one was asked for
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

/** A line is `0018A45C4D1DEF81644B54AB7F969B88D65:3`, with how often it was seen; padding has a count of 0. */
const isListed = (text: string, suffix: string) =>
  text.split('\n').some((line) => {
    const [listed, count] = line.trim().split(':')
    return listed?.toUpperCase() === suffix && Number(count) > 0
  })
