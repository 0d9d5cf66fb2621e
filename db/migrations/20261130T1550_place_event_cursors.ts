// Cursors into the feed of events say where their transaction was counted, and from which id on events are given at all
// (db/event-feed.ts). The version before runs beside it: both may be null, which means "here" and "from any".
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table event_streams add column cursor_node text, add column cursor_floor uuid').execute(db)
}
