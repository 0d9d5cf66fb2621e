// Retries of transactions that lost a race to another one: they start again and read again.
import { violatedConstraint } from './failures.ts'

/** Thrown within a transaction when what it has read is out of date. */
export class LostRace extends Error {
  constructor(what: string) {
    super(`${what} has changed meanwhile`)
    this.name = 'LostRace'
  }
}

const MAX_ATTEMPTS = 5
const RETRIED_CODES = new Set(['40P01', '40001']) // deadlock_detected, serialization_failure

/**
 * Runs a whole transaction again if it lost a race or was the victim of a deadlock.
 * @param work begins and ends its own transaction
 * @param constraints the unique keys that a faster transaction may have filled
 * @throws what the last attempt throws
 */
export async function retryRaces<T>(work: () => Promise<T>, constraints: readonly string[] = []): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isLostRace(error, constraints)) throw error
    }
  }
}

const isLostRace = (error: unknown, constraints: readonly string[]) =>
  error instanceof LostRace ||
  RETRIED_CODES.has((error as { code?: string } | undefined)?.code ?? '') ||
  constraints.includes(violatedConstraint(error) ?? '')
