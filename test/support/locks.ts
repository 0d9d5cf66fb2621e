// Waits until a statement waits for a lock, so that a test can fix the order of events.
import { sql } from 'kysely'
import { type Db, isCitus } from '../../db/connect.ts'

/** Resolves once at least `count` statements of this database wait for a lock. */
export async function lockIsAwaited(owner: Db, count = 1): Promise<void> {
  // on a cluster they wait on a node, and each node reports only its own
  const activity = isCitus(owner) ? sql`citus_stat_activity` : sql`pg_stat_activity`
  for (;;) {
    const { rows } = await sql<{ waiting: number }>`
      select count(*)::int as waiting from ${activity}
      where datname = current_database() and wait_event_type = 'Lock'`.execute(owner)
    if (rows[0]!.waiting >= count) return
    await new Promise((done) => setTimeout(done, 5))
  }
}
