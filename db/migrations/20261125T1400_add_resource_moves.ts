// Counts how often users or groups came or went otherwise than as new ones behind all others, so that a place in a list
// can be known again. Additive: the version before counts nothing here; what it removes is noticed by the total.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table resource_counts add column moves int not null default 0`.execute(db)
}
