// Lets a connection of an identity provider have its own limits of the brake. Additive: the version before sets none.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // { percent?, people?, off? }: what differs from the tenant's settings
  await sql.raw(`alter table scim_connections add column brake jsonb not null default '{}'`).execute(db)
}
