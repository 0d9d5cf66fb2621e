// Which passwords are accepted: long enough, and not among the first that somebody would try.
import { createRequire } from 'node:module'
import type { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { invalid } from '../errors.ts'
import { MAX_PASSWORD_LENGTH } from './password.ts'

export const DEFAULT_MIN_LENGTH = 8
/** Longer ones are not estimated: the time grows with the square of the length, some 20 ms at this one. */
const MAX_ESTIMATED_LENGTH = 48
/** From this length on, much weaker passwords are accepted (`Passw0rd!Passw0rd!`): sign-in is rate limited. */
const PASSPHRASE_LENGTH = 16
/** The least number of guesses that an attacker who knows the usual words and tricks must need. */
const MIN_GUESSES = { short: 1_000_000, passphrase: 20_000 }

interface PasswordContext {
  /** Characters; the tenant's setting. */
  minLength?: number
  email?: string | null
  name?: string | null
  /** The tenant's name. */
  tenantName?: string
}

/**
 * Length is counted in characters, as people count; no kinds of characters are required (NIST SP 800-63B §3.1.1.2).
 * @throws AppError invalid `weakPassword`, saying what to do
 */
export function checkPassword(password: string, context: PasswordContext = {}): void {
  const minLength = context.minLength ?? DEFAULT_MIN_LENGTH
  const length = [...password].length
  if (length < minLength) throw weak(`Choose a password of at least ${minLength} characters`)
  if (password.length > MAX_PASSWORD_LENGTH)
    throw weak(`Choose a password of at most ${MAX_PASSWORD_LENGTH} characters`)
  if (length > MAX_ESTIMATED_LENGTH) return

  const { guesses } = estimator().check(password, wordsOf(context))
  if (guesses < (length < PASSPHRASE_LENGTH ? MIN_GUESSES.short : MIN_GUESSES.passphrase)) {
    throw weak('That password is easy to guess: choose another, such as four words that have nothing to do with you')
  }
}

export const weak = (detail: string) => invalid(detail, 'weakPassword')

/** What somebody who knows the person would try. */
const wordsOf = ({ email, name, tenantName }: PasswordContext): string[] =>
  [email, email?.split('@', 1)[0], name, ...(name?.split(/\s+/) ?? []), tenantName].filter((word) => word) as string[]

const require = createRequire(import.meta.url)
let made: ZxcvbnFactory | undefined
/** Loaded when it is first needed: its word lists take a tenth of a second, and memory. */
function estimator(): ZxcvbnFactory {
  if (!made) {
    const core = require('@zxcvbn-ts/core') as typeof import('@zxcvbn-ts/core')
    const words = require('@zxcvbn-ts/language-common') as typeof import('@zxcvbn-ts/language-common')
    made = new core.ZxcvbnFactory({ dictionary: words.dictionary, graphs: words.adjacencyGraphs })
  }
  return made
}
