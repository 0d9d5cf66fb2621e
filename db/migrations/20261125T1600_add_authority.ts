// Who has the say over what is kept of people and groups. Additive: the version before keeps nothing read-only.
//
// - users.authority, which is there already: by attribute, who has it where that is not users.connection_id: `person`,
//   `administrator`, or a connection's id. `*`: the connection that is gone and still has everything else.
// - groups.kept_by: the connection that is gone and still has the group.
// - past_connections: the name for people, when the connection was removed, and whether what it had stays read-only.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table groups add column kept_by uuid;
      alter table past_connections
        add column name text,
        add column removed_at timestamptz,
        add column is_kept boolean not null default false;`)
    .execute(db)
}
