// Has statements planned for a tenant that holds a thousand rows of each table, whatever the table holds, or as much as the
// largest one where that is less. Plans are kept whatever the tenant; by the average of many small tenants, to look
// somebody up by id is to read all of their tenant, which takes a large one 45 ms. The tables of the search have a number
// of their own already. Tolerated by the version before.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(PLAN_FOR_A_THOUSAND).execute(db)
}

// A negative number is that of tenants for each row. Citus knows no such option of a column, and plans for the tenant at
// hand. A table that has no statistics gets them in time: those of an empty one would have it read from end to end once it
// is filled.
const PLAN_FOR_A_THOUSAND = `
  do $do$
  declare
    of_tenants record;
  begin
    if exists (select from pg_extension where extname = 'citus') then return; end if;
    for of_tenants in
      select c.oid::regclass as name, c.reltuples > 0 as is_known from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        and a.attoptions is null
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    loop
      execute format('alter table %s alter column tenant_id set (n_distinct = -0.001)', of_tenants.name);
      if of_tenants.is_known then execute format('analyze %s', of_tenants.name); end if;
    end loop;
  end $do$`
