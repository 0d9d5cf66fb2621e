// Creates the wire log. The version before does not know it, and runs on beside it; what it receives is not recorded.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(WIRE_LOG).execute(db)
  await isolateTenants(db, ['wire_log'])
}

// One row for each batch of exchanges, so that a busy tenant costs a few inserts a second. entries: one JSON object a
// line, compressed with zstd; the arrays beside it tell which batches a search has to open. What is compressed, or
// random, is stored as it is: PostgreSQL would only try in vain to make it smaller.
const WIRE_LOG = `
  create table wire_log (
    tenant_id int not null references tenants,
    id uuid not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    exchanges int not null,
    -- exchanges before these that were not kept, because more came in than could be written
    dropped int not null,
    statuses smallint[] not null,
    -- null within stands for exchanges without a connection
    connection_ids uuid[] not null,
    resource_ids uuid[] not null,
    request_ids uuid[] not null,
    entries bytea not null,
    constraint wire_log_pkey primary key (tenant_id, id)
  );
  alter table wire_log
    alter column connection_ids set storage external,
    alter column resource_ids set storage external,
    alter column request_ids set storage external,
    alter column entries set storage external;
  create index wire_log_to_at_idx on wire_log (tenant_id, to_at, id);`
