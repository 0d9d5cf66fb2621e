// What sign-in keeps for the whole process: password hashing, counts of failures, remembered sessions and tokens.
import type { Deps } from '../deps.ts'
import { type Background, createBackground } from './background.ts'
import { type BreachedPasswords, createBreachedPasswords } from './breached-passwords.ts'
import { createLimits, type Limits } from './limits.ts'
import { createPasswords, type Passwords } from './password.ts'
import { createPrincipals, type Principals } from './principals.ts'

export interface Auth {
  readonly passwords: Passwords
  readonly breachedPasswords: BreachedPasswords
  readonly limits: Limits
  readonly principals: Principals
  /** For work that an answer must not wait for, since its duration would tell who exists. */
  readonly background: Background
}

export function createAuth(given: Pick<Deps, 'config' | 'counters' | 'db' | 'listener' | 'log'>): Auth {
  const background = createBackground(given.log)
  return {
    passwords: createPasswords(given.config.bcryptCost),
    breachedPasswords: createBreachedPasswords(given.config.breachedPasswordsUrl, given.log),
    limits: createLimits(given.db, given.counters),
    principals: createPrincipals({ ...given, background }),
    background
  }
}
