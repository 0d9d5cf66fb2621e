// Remembers from where SCIM tokens are used, and what was said about their end. Additive.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      -- how many days before the end administrators were warned last
      alter table scim_tokens add column warned_days int;
      create table scim_token_uses (
        tenant_id int not null,
        token_id uuid not null,
        address text not null,
        last_used_at timestamptz not null,
        constraint scim_token_uses_pkey primary key (tenant_id, token_id, address),
        constraint scim_token_uses_token_fkey foreign key (tenant_id, token_id) references scim_tokens on delete cascade
      );`)
    .execute(db)
  await isolateTenants(db, ['scim_token_uses'])
}
