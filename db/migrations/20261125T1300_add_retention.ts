// What a tenant's retention of the audit log stands on. Additive: the version before does not call it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      -- The server's role may not delete what was audited; this deletes, oldest first, what is older than the tenant's own
      -- setting, never anything younger than 30 days, and whatever time it is told, by the database's clock.
      create function remove_old_audit_events(of_tenant int, told timestamptz, up_to int) returns int
        language sql security definer set search_path = pg_catalog, public as $$
          with bound as (
            select least(told, now()) - greatest((settings ->> 'auditRetentionDays')::int, 30) * interval '1 day' as at
            from public.tenants where id = of_tenant and settings ->> 'auditRetentionDays' is not null
          ), gone as (
            delete from public.audit_events where tenant_id = of_tenant and id in (
              select e.id from public.audit_events e, bound b
              where e.tenant_id = of_tenant and e.at < b.at
                -- the ids begin with the time: the key finds the oldest ones
                and e.id < (lpad(to_hex((extract(epoch from b.at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
              order by e.id limit up_to)
            returning 1
          )
          select count(*)::int from gone
        $$;
      revoke execute on function remove_old_audit_events(int, timestamptz, int) from public;`)
    .execute(db)
}
