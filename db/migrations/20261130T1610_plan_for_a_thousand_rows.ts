// Has statements planned for a tenant that holds a thousand rows of each table, whatever the table holds, or as much as
// the largest one where that is less. It was a hundredth of the table, which for one tenant of a thousand users are ten:
// so few are read whole instead of looked up. The tables of the search keep their own number. Tolerated by the version before.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(PLAN_FOR_A_THOUSAND).execute(db)
}

// A negative number is that of tenants for each row. A table that has no statistics gets them in time.
const PLAN_FOR_A_THOUSAND = `
  do $do$
  declare
    of_tenants record;
  begin
    for of_tenants in
      select c.oid::regclass as name, c.reltuples > 0 as is_known from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and a.attoptions = '{n_distinct=100}'
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    loop
      execute format('alter table %s alter column tenant_id set (n_distinct = -0.001)', of_tenants.name);
      if of_tenants.is_known then execute format('analyze %s', of_tenants.name); end if;
    end loop;
  end $do$`
