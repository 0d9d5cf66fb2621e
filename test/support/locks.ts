// Seeing that a statement waits for a lock, so that a test can tell an order of events.
import { sql } from 'kysely'
import { type Db, isCitus } from '../../db/connect.ts'

/** Resolves once as many statements of this database as `count` wait for a lock. */
export async function lockIsAwaited(owner: Db, count = 1): Promise<void> {
  // on a cluster it is on a node that they wait, which tells of its own alone
  const activity = isCitus(owner) ? sql`citus_stat_activity` : sql`pg_stat_activity`
  for (;;) {
    const { rows } = await sql<{ waiting: number }>`
      select count(*)::int as waiting from ${activity}
      where datname = current_database() and wait_event_type = 'Lock'`.execute(owner)
    if (rows[0]!.waiting >= count) return
    await new Promise((done) => setTimeout(done, 5))
  }
}
