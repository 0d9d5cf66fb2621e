// Keys that may be used once, across all processes; each is kept until it would expire anyway.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

/** Stored among the rate limits, so that the clean-up job deletes both by the same column. */
const stored = (key: string) => `once:${key}`

/** Uses a key up. @returns whether this was its first use: of several concurrent tries, one gets true */
export async function useOnce(db: Db, key: string, expiresAt: Date): Promise<boolean> {
  const { rows } = await sql`
    insert into rate_limits (key, points, expire) values (${stored(key)}, 1, ${expiresAt.getTime()})
    on conflict (key) do nothing returning key`.execute(db)
  return rows.length === 1
}

/** Whether `useOnce` has used the key. */
export async function isUsed(db: Db, key: string): Promise<boolean> {
  const row = await db.selectFrom('rate_limits').select('key').where('key', '=', stored(key)).executeTakeFirst()
  return row !== undefined
}
