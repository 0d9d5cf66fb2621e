// Adds which API token made an API token: the one that was made ends with its maker. The version before tolerates it.
// The primary key is made anew, because the key that others refer to must be the newest index (see create_tables).
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table api_tokens add column made_by uuid;
      create index api_tokens_made_by_idx on api_tokens (tenant_id, made_by);
      alter table api_tokens drop constraint api_tokens_pkey;
      alter table api_tokens add constraint api_tokens_pkey primary key (tenant_id, id);
      alter table api_tokens add constraint api_tokens_made_by_fkey
        foreign key (tenant_id, made_by) references api_tokens on delete cascade;`)
    .execute(db)
}
