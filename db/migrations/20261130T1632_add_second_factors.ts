// A second factor beside the password (time-based codes, RFC 6238), and when somebody has last proved who they are in a
// session. Additive: the version before asks for no codes, and takes the beginning of a session for its proof.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table sessions add column confirmed_at timestamptz;

      create table second_factors (
        tenant_id int not null,
        user_id uuid not null,
        secret_sealed bytea not null,
        -- null until a code has shown that the person's device has the secret
        confirmed_at timestamptz,
        -- of the code that was used last: none works twice
        last_step bigint not null default 0,
        -- SHA-256 of the codes for whoever has lost the device, each for once
        recovery_hashes bytea[] not null,
        created_at timestamptz not null,
        constraint second_factors_pkey primary key (tenant_id, user_id),
        constraint second_factors_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
      );`)
    .execute(db)
  await isolateTenants(db, ['second_factors'])
  // as every tenant's table (plan_for_a_thousand_rows)
  await sql
    .raw(`
      do $do$ begin
        if exists (select from pg_extension where extname = 'citus') then return; end if;
        alter table second_factors alter column tenant_id set (n_distinct = -0.001);
      end $do$`)
    .execute(db)
}
