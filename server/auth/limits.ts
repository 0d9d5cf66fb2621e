// Limits how often something may be tried; counted in the database, so for all processes together.
import pLimit, { type LimitFunction } from 'p-limit'
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Db } from '../../db/connect.ts'
import { rateLimitStore } from '../../db/rate-limits.ts'
import type { Counters } from '../counters.ts'
import type { Deps } from '../deps.ts'
import { rateLimited, unavailable } from '../errors.ts'
import { hashToken } from '../secrets.ts'
import { networkOf } from './network.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE

/** The points that each key may spend in a period of so many seconds, which begins with the first one. */
const LIMITS = {
  /** Failed sign-ins of one address in one tenant from one network: a stranger elsewhere locks nobody out. */
  'sign-in-address': { points: 10, seconds: 15 * MINUTE },
  /** The same from all networks together, except from browsers that have signed in with the address before. */
  'sign-in-everywhere': { points: 100, seconds: 15 * MINUTE },
  /** The same from a browser that has signed in with the address before. */
  'sign-in-device': { points: 10, seconds: 15 * MINUTE },
  /** Failed sign-ins from one network address. */
  'sign-in-network': { points: 100, seconds: 15 * MINUTE },
  /** Wrong codes of one person's second factor, once the password was right. */
  'second-factor': { points: 10, seconds: HOUR },
  /** Reset mails asked for, by address and tenant. */
  'reset-address': { points: 5, seconds: HOUR },
  'reset-network': { points: 100, seconds: HOUR },
  /** Wrong link tokens and sign-in codes, by network address, which a whole office may share. */
  'token-network': { points: 300, seconds: 15 * MINUTE },
  /** Addresses invited: a call takes up to 1,000. */
  invitations: { points: 20_000, seconds: HOUR },
  /** Mails sent again for one invitation. */
  resend: { points: 5, seconds: HOUR }
} as const

type LimitName = keyof typeof LIMITS

/** What to count, and under which key. */
export interface Count {
  limit: LimitName
  key: string
  /** What success does to the count: takes this attempt back (default), or also forgets earlier failures. */
  onSuccess?: 'giveBack' | 'forget'
}

export interface Limits {
  /** @throws AppError rate_limited with the seconds to wait; then nothing is counted */
  spend(limit: LimitName, key: string, points?: number): Promise<void>
  /**
   * Counts failures of `work`. An attempt counts before it begins, so that many at once do not get through together,
   * and is taken back unless it fails. In this process at most a third of the points are tried at once for one key; the
   * rest wait their turn, so that attempts that succeed are not refused for their number.
   * @param isFailure which errors count; all by default
   * @throws AppError rate_limited before `work` begins, unavailable where too many wait, and whatever `work` throws
   */
  countFailures<T>(counts: Count[], work: () => Promise<T>, isFailure?: (error: unknown) => boolean): Promise<T>
}

export function createLimits(db: Db, counters: Counters): Limits {
  const storeClient = rateLimitStore(db)
  const limiters = Object.fromEntries(
    Object.entries(LIMITS).map(([name, { points, seconds }]) => [
      name,
      new RateLimiterPostgres({
        storeClient,
        storeType: 'client',
        tableName: 'rate_limits',
        tableCreated: true,
        // the clean-up job empties the table
        clearExpiredByTimeout: false,
        keyPrefix: name,
        points,
        duration: seconds
      } as ConstructorParameters<typeof RateLimiterPostgres>[0])
    ])
  ) as Record<LimitName, RateLimiterPostgres>

  async function spend(limit: LimitName, key: string, points = 1): Promise<void> {
    const limiter = limiters[limit]
    try {
      await limiter.consume(storedKey(key), points)
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error
      // a refused attempt does not prolong the wait, also not for others behind the same address
      await limiter.reward(storedKey(key), points)
      counters.noteRateLimit(limit)
      throw rateLimited(REFUSALS[limit], Math.max(1, Math.ceil(error.msBeforeNext / 1000)))
    }
  }

  const giveBack = (counts: Count[]) =>
    Promise.all(counts.map(({ limit, key }) => limiters[limit].reward(storedKey(key), 1)))

  async function spendAll(counts: Count[]): Promise<void> {
    const spent = await Promise.allSettled(counts.map(({ limit, key }) => spend(limit, key)))
    const refusal = spent.find((result) => result.status === 'rejected')
    if (!refusal) return
    await giveBack(counts.filter((_, index) => spent[index]!.status === 'fulfilled'))
    throw refusal.reason
  }

  async function attempt<T>(counts: Count[], work: () => Promise<T>, isFailure: (error: unknown) => boolean) {
    await spendAll(counts)
    let result: T
    try {
      result = await work()
    } catch (error) {
      if (!isFailure(error)) await giveBack(counts)
      throw error
    }
    await Promise.all([
      giveBack(counts.filter(({ onSuccess }) => onSuccess !== 'forget')),
      ...counts
        .filter(({ onSuccess }) => onSuccess === 'forget')
        .map(({ limit, key }) => limiters[limit].delete(storedKey(key)))
    ])
    return result
  }

  const turns = createTurns()
  return {
    spend,
    countFailures: (counts, work, isFailure = () => true) =>
      // everybody takes the first count's turn first, so that no two wait for each other
      counts.reduceRight(
        (next, { limit, key }) =>
          () =>
            turns(`${limit} ${key}`, Math.ceil(LIMITS[limit].points / 3), next),
        () => attempt(counts, work, isFailure)
      )()
  }
}

/** How many attempts may wait for one key. */
const MAX_WAITING = 500

/** Lets `atOnce` attempts of a key run at once, the rest in order of arrival. An unused key costs nothing. */
function createTurns() {
  const keys = new Map<string, { turn: LimitFunction; users: number }>()
  return async function inTurn<T>(key: string, atOnce: number, work: () => Promise<T>): Promise<T> {
    const of = keys.get(key) ?? { turn: pLimit(atOnce), users: 0 }
    if (of.turn.pendingCount >= MAX_WAITING) throw unavailable('Too many attempts are being made just now: try again')
    keys.set(key, of)
    of.users++
    try {
      return await of.turn(work)
    } finally {
      if (--of.users === 0) keys.delete(key)
    }
  }
}

/** Hashed, since keys hold e-mail and network addresses, which need not be read back, and have any length. */
const storedKey = (key: string) => hashToken(key).toString('base64url')

const REFUSALS: Record<LimitName, string> = {
  'sign-in-address': 'Too many failed sign-ins: wait a while, or reset the password',
  'sign-in-everywhere': 'Too many failed sign-ins: wait a while, or reset the password',
  'sign-in-device': 'Too many failed sign-ins: wait a while, or reset the password',
  'sign-in-network': 'Too many failed sign-ins from your network: wait a while',
  'second-factor': 'Too many wrong codes: wait a while, or ask an administrator',
  'reset-address': 'Too many reset mails were asked for: look into the mailbox, or wait a while',
  'reset-network': 'Too many reset mails were asked for from your network: wait a while',
  'token-network': 'Too many links from your network were not valid: wait a while',
  invitations: 'Too many people were invited within the hour: wait a while',
  resend: 'That invitation was sent again several times within the hour: wait a while'
}

/**
 * Counts addresses that are about to be invited.
 * @param key whom to count for: an inviter, or a tenant
 * @throws AppError rate_limited
 */
export const limitInvitations = (deps: Deps, key: string, addresses: number): Promise<void> =>
  deps.auth.limits.spend('invitations', key, addresses)

/** @throws AppError rate_limited where one invitation's mail is sent again too often */
export const limitResend = (deps: Deps, tenantId: number, invitationId: string): Promise<void> =>
  deps.auth.limits.spend('resend', `${tenantId} ${invitationId}`)

/**
 * For procedures that take a link's token: counts wrong ones for the caller's network address.
 * @param isWrong which errors say that the token was wrong
 * @throws AppError rate_limited, and whatever `work` throws
 */
export const limitWrongTokens = <T>(
  deps: Deps,
  ip: string,
  work: () => Promise<T>,
  isWrong: (error: unknown) => boolean
): Promise<T> => deps.auth.limits.countFailures([{ limit: 'token-network', key: networkOf(ip) }], work, isWrong)
