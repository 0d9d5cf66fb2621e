// Plans that are made before there are statistics, and kept: those of a database that is just being filled.
import { sql } from 'kysely'
import { test } from 'tap'
import { openDatabase } from '../support/database.ts'
import { insertTenant, insertUsers } from '../support/groups.ts'

test('a foreign key is checked by the primary key that it refers to, also on a table without statistics', async (t) => {
  const { owner } = await openDatabase(t)
  const { rows: referenced } = await sql<{ table: string; columns: string; key: string; newest: string }>`
    select distinct c.relname as "table", k.relname as key,
      (select string_agg(format('%I = %L', a.attname, case a.atttypid when 'uuid'::regtype then
          '0190cafe-0000-7000-8000-000000000000' else '1' end), ' and ')
        from pg_attribute a where a.attrelid = c.oid and a.attnum = any(con.confkey)) as columns,
      (select i.indexrelid::regclass::text from pg_index i where i.indrelid = c.oid
        order by i.indexrelid desc limit 1) as newest
    from pg_constraint con
    join pg_class c on c.oid = con.confrelid and c.relnamespace = 'public'::regnamespace
    join pg_class k on k.oid = con.conindid
    where con.contype = 'f' and cardinality(con.confkey) > 1`.execute(owner)
  t.ok(referenced.length >= 4)
  const tenantId = await insertTenant(owner, 'acme')
  await insertUsers(owner, tenantId, 200)
  for (const { table, columns, key, newest } of referenced) {
    t.equal(newest, key, `${table}: its primary key is the newest index`)
    const { rows } = await sql<Record<string, string>>`
      explain select 1 from ${sql.table(table)} where ${sql.raw(columns)} for key share`.execute(owner)
    t.match(rows.map((row) => row['QUERY PLAN']).join('\n'), new RegExp(`using ${key} `), table)
  }
})

test('a search reads the names that wait in its own tenant alone, also where few tenants have written all of them', async (t) => {
  const { owner } = await openDatabase(t)
  for (const subdomain of ['acme', 'globex']) {
    const tenantId = await insertTenant(owner, subdomain)
    await sql`
      insert into search_pending (tenant_id, user_id)
      select ${tenantId}::int, gen_random_uuid() from generate_series(1, 20000)`.execute(owner)
  }
  await sql`analyze search_pending`.execute(owner)
  const plan = await owner.transaction().execute(async (trx) => {
    await sql`set local plan_cache_mode = force_generic_plan`.execute(trx)
    await sql`prepare waiting (int) as select user_id from search_pending where tenant_id = $1`.execute(trx)
    const { rows } = await sql<Record<string, string>>`explain execute waiting (1)`.execute(trx)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
  t.match(plan, /search_pending_pkey/)
  t.notMatch(plan, /Seq Scan/)
})
