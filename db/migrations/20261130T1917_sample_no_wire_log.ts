// Keeps the wire log's lists of ids, and what it compresses, out of PostgreSQL's statistics. No plan depends on them, and
// each time that autovacuum renews the statistics of a busy log it would read and sort millions of ids: a third of a second
// of a processor for each million exchanges. Tolerated by the version before.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Citus does not take it for a table that it distributes
  const { rows } = await sql`select from pg_extension where extname = 'citus'`.execute(db)
  if (rows.length > 0) return
  await sql
    .raw(`
      alter table wire_log
        alter column statuses set statistics 0,
        alter column connection_ids set statistics 0,
        alter column resource_ids set statistics 0,
        alter column request_ids set statistics 0,
        alter column entries set statistics 0`)
    .execute(db)
}
