// What may happen once, or has ended for good: kept until it would end anyway, and known to every process.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

/** Beside the rate limits, which the clean-up job empties by the same column. */
const stored = (key: string) => `once:${key}`

/** Whether `key` is used for the first time; across processes, also when it is tried twice at once. */
export async function useOnce(db: Db, key: string, expiresAt: Date): Promise<boolean> {
  const { rows } = await sql`
    insert into rate_limits (key, points, expire) values (${stored(key)}, 1, ${expiresAt.getTime()})
    on conflict (key) do nothing returning key`.execute(db)
  return rows.length === 1
}

/** Whether `useOnce` has used it. */
export async function isUsed(db: Db, key: string): Promise<boolean> {
  const row = await db.selectFrom('rate_limits').select('key').where('key', '=', stored(key)).executeTakeFirst()
  return row !== undefined
}
