// Puts functions in a form that also runs where tables are distributed by Citus: it hands on no parameter of a function
// in SQL, nor one of any function to the end of an `insert … on conflict`, nor one as what a `case` compares. What they
// do is the same, so the version before runs beside it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [TAKE, WAIT, REMOVE_ALL, REMOVE_OLD]) await sql.raw(statement).execute(db)
}

// the minute of the row that is refused is now_minute
const TAKE = `
  do $do$
  declare
    definition text := pg_get_functiondef('take_brake_permits'::regproc);
  begin
    definition := replace(definition, 'known.minute < now_minute - 60', 'known.minute < excluded.minute - 60');
    definition := replace(definition, 'case held_kind', 'case');
    execute regexp_replace(definition, $$when '([a-zA-Z]+)' then h[.]$$, $$when held_kind = '\\1' then h.$$, 'g');
  end $do$`

const WAIT = `
  create or replace function brake_wait_seconds(of_tenant int, of_connection uuid, now_minute int) returns int
    language plpgsql stable as $$
    begin
      return (
        select 60 * greatest(1, coalesce(min(s.last_minute - mod(s.last_minute - (place::int - 1), 61)), now_minute) + 61
          - now_minute)
        from brake_slots s, unnest(s.minutes) with ordinality as ring (taken, place)
        where s.tenant_id = of_tenant and s.connection_id = of_connection and taken > 0
          and s.last_minute - mod(s.last_minute - (place::int - 1), 61) >= now_minute - 60
      );
    end $$`

const REMOVE_ALL = `
  create or replace function remove_audit_events(of_tenant int) returns void
    language plpgsql security definer set search_path = pg_catalog, public as $$
    begin
      if exists (select from public.tenants where id = of_tenant and state = 'suspended') then
        delete from public.audit_events where tenant_id = of_tenant;
      end if;
    end $$`

const REMOVE_OLD = `
  create or replace function remove_old_audit_events(of_tenant int, told timestamptz, up_to int) returns int
    language plpgsql security definer set search_path = pg_catalog, public as $$
    declare
      older_than timestamptz;
      gone int;
    begin
      select least(told, now()) - greatest((settings ->> 'auditRetentionDays')::int, 30) * interval '1 day' into older_than
      from public.tenants where id = of_tenant and settings ->> 'auditRetentionDays' is not null;
      delete from public.audit_events where tenant_id = of_tenant and id in (
        select e.id from public.audit_events e
        where e.tenant_id = of_tenant and e.at < older_than
          -- the ids begin with the time: the key finds the oldest ones
          and e.id < (lpad(to_hex((extract(epoch from older_than) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
        order by e.id limit up_to);
      get diagnostics gone = row_count;
      return gone;
    end $$`
