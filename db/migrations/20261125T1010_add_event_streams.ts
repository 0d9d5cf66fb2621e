// Events for other systems: where they go (streams), and each event that is on its way to one (deliveries). Additive.
//
// The audit log is the outbox: a change and its event commit together, and a relay copies events that streams want into
// deliveries, behind a cursor into the log's feed (db/event-feed.ts).
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      -- the relay looks at the tenants that have one
      alter table tenants add column event_stream_count int not null default 0;

      -- webhook: Standard Webhooks, signed with a secret that both sides know. set: security event tokens (RFC 9967)
      -- pushed by RFC 8935, signed with the tenant's key.
      create table event_streams (
        tenant_id int not null references tenants,
        id uuid not null,
        kind text not null check (kind in ('webhook', 'set')),
        name text not null,
        url text not null,
        -- 'user.created', 'user.*'; none for every event
        event_types text[] not null,
        audience text,
        authorization_sealed bytea,
        secret_sealed bytea,
        -- the secret before, which signs along until it has been replaced everywhere
        old_secret_sealed bytea,
        old_secret_until timestamptz,
        state text not null check (state in ('enabled', 'paused')),
        -- why the service itself paused it
        paused_because text,
        told_of_dead_at timestamptz,
        cursor_xid xid8 not null,
        cursor_id uuid not null,
        -- when the transaction began that moved the cursor last
        relayed_at timestamptz,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        constraint event_streams_pkey primary key (tenant_id, id)
      );
      create table event_deliveries (
        tenant_id int not null,
        id uuid not null,
        stream_id uuid not null,
        event_id uuid not null,
        state text not null check (state in ('queued', 'delivered', 'dead')),
        attempts int not null default 0,
        -- retries end three days after it
        queued_at timestamptz not null,
        attempted_at timestamptz,
        -- of the last attempt: what the receiver answered, or why none came
        status int,
        error text,
        constraint event_deliveries_stream_fkey foreign key (tenant_id, stream_id) references event_streams
          on delete cascade,
        constraint event_deliveries_event_key unique (tenant_id, stream_id, event_id)
      );
      create index event_deliveries_state_idx on event_deliveries (tenant_id, stream_id, state, id);
      alter table event_deliveries add constraint event_deliveries_pkey primary key (tenant_id, id);
      -- the tenant's own keys (ES256); the public halves are published as a JWK set (RFC 7517)
      create table signing_keys (
        tenant_id int not null references tenants,
        id uuid not null,
        private_jwk_sealed bytea not null,
        public_jwk jsonb not null,
        created_at timestamptz not null,
        constraint signing_keys_pkey primary key (tenant_id, id)
      );`)
    .execute(db)
  await isolateTenants(db, ['event_streams', 'event_deliveries', 'signing_keys'])
}
