// Whose value counts for one user or group of a shadow, where both sides have changed one: the decision of an
// administrator, or null where the rest's holds. Additive: the version before goes by the rest's alone.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table shadow_users add column prefer text check (prefer in ('tenant', 'provider'));
      alter table shadow_groups add column prefer text check (prefer in ('tenant', 'provider'));`)
    .execute(db)
}
