// Has the policy that isolates tenants also hold shadows open where the log is written, and that in a form which runs on
// the nodes of a Citus cluster. Citus makes a permissive policy of a restrictive one there: any tenant could have written
// into any other's log. What is refused stays the same, so the version before runs beside it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(REQUIRE_OPEN).execute(db)
  await sql`
    alter policy tenant_isolation on audit_events
    with check (tenant_id = nullif(current_setting('app.tenant', true), '')::int
      and (tenant_id > 0 or require_open_shadow(tenant_id)))`.execute(db)
  await sql`drop policy shadow_is_open on audit_events`.execute(db)
}

// A node asks nobody in the middle of a statement, not even for what it has itself of the tenants: that is a table of
// its own name. Whoever closes a shadow waits there for `share`: their `for update` locks the coordinator's row alone.
const REQUIRE_OPEN = `
  create or replace function require_open_shadow(of_tenant int) returns boolean language plpgsql as $$
  declare
    own_tenants text;
    is_open boolean;
  begin
    if to_regclass('pg_catalog.pg_dist_shard') is not null then
      execute $q$select shard_name(logicalrelid, shardid) from pg_dist_shard where logicalrelid = 'tenants'::regclass$q$
        into own_tenants;
    end if;
    if own_tenants is null then
      perform from tenants t where t.id = of_tenant and t.state = 'active' for key share;
      is_open := found;
    else
      execute format('select true from %s where id = $1 and state = $2 for share', own_tenants)
        into is_open using of_tenant, 'active';
    end if;
    if is_open is not true then
      raise exception 'the shadow is closed' using errcode = '57P03';
    end if;
    return true;
  end $$`
