// What an identity provider sent of somebody who may be here already, for administrators to decide. Additive: the
// version before answers 409 as it did, and notes nothing.
//
// - scim_conflicts: one row for each person whom a connection tries to make, however often it tries. subject: SHA-256 of
//   what names the person (userName, login address, externalId), with access or without: a decision is for that, and for
//   nothing else that the connection may send later. Who is in the way is looked up when somebody asks, since people come and go.
// - users.apart_key: the login address that a user's document names and another user has. It is not claimed, so nobody
//   signs in by it as this user; null for everybody else.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table users add column apart_key text collate "C";
      create table scim_conflicts (
        tenant_id int not null,
        id uuid not null,
        connection_id uuid not null,
        subject bytea not null,
        reason text not null,
        sent jsonb not null,
        user_name_key text collate "C" not null,
        email_key text collate "C",
        external_id text collate "C",
        -- e-mail addresses beside the login address
        other_keys text[] not null,
        first_at timestamptz not null,
        last_at timestamptz not null,
        tries int not null default 1,
        decision text check (decision in ('adopt', 'apart', 'ignore')),
        -- of adopt: which user
        adopt_id uuid,
        decided_at timestamptz,
        decided_by text,
        constraint scim_conflicts_pkey primary key (tenant_id, id),
        constraint scim_conflicts_subject_key unique (tenant_id, connection_id, subject),
        constraint scim_conflicts_connection_fkey foreign key (tenant_id, connection_id)
          references scim_connections on delete cascade
      );`)
    .execute(db)
  await isolateTenants(db, ['scim_conflicts'])
}
