// The table of rate limits as rate-limiter-flexible writes to it; it belongs to no tenant.
import { CompiledQuery } from 'kysely'
import type { Db } from './connect.ts'

/** The part of `pg`'s client that the limiter calls, on our pool and with our prepared statements. */
interface RateLimitStore {
  query(query: { text: string; values: unknown[] }): Promise<{ rows: unknown[]; rowCount: number }>
}

export const rateLimitStore = (db: Db): RateLimitStore => ({
  async query({ text, values }) {
    const { rows, numAffectedRows } = await db.executeQuery(CompiledQuery.raw(text, values))
    return { rows, rowCount: Number(numAffectedRows ?? rows.length) }
  }
})
