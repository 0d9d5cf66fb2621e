// Plans that are kept: those of a database without statistics, which is just being filled, and of tenants of all sizes.
import { type RawBuilder, sql } from 'kysely'
import { test } from 'tap'
import type { Db } from '../../db/connect.ts'
import { usersSought } from '../../db/gather.ts'
import { holdersOf } from '../../db/scim-users.ts'
import { compilePage } from '../../server/scim/list-statement.ts'
import { userSource } from '../../server/scim/users.ts'
import { openDatabase } from '../support/database.ts'
import { insertUsers } from '../support/groups.ts'
import { insertTenant } from '../support/tenants.ts'

test('a foreign key is checked with its primary key, even on a table without statistics', async (t) => {
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
    const check = sql`select 1 from ${sql.table(table)} where ${sql.raw(columns)} for key share`
    t.match(await planOf(owner, check), new RegExp(`using ${key} `), table)
  }
})

test('a search reads only the waiting names of its own tenant, even if few tenants have written all of them', async (t) => {
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

test('users of a large tenant are found by their keys, even among many small tenants', async (t) => {
  const { owner } = await openDatabase(t)
  const large = await insertTenant(owner, 'large')
  await insertUsers(owner, large, 4_000)
  await sql`
    insert into tenants (subdomain, name, state, created_at, updated_at)
    select 'small' || n, 'Small', 'active', now(), now() from generate_series(1, 1000) n`.execute(owner)
  await sql`
    insert into users (tenant_id, id, state, role, user_name, user_name_key, doc, created_at, updated_at)
    select t.id, gen_random_uuid(), 'active', 'responder', n, n, '{}', now(), now()
    from tenants t, generate_series(1, 4) n where t.name = 'Small'`.execute(owner)
  await sql`analyze users`.execute(owner)
  const tenant = sql`$1::int`
  const ids = sql`$2`
  const sought = await planOf(owner, sql`select users.doc from ${usersSought(tenant, ids, 'id', 'uuid')}`)
  t.match(sought, /Index Scan using users_pkey .*\n +Index Cond: .*id = sought.key/)
  const changed = await planOf(
    owner,
    sql`update users set locked = true from unnest(${ids}::uuid[]) as given (id)
      where users.tenant_id = ${tenant} and users.id = given.id`
  )
  t.match(changed, /Index Scan using users_pkey .*\n +Index Cond: .*id = given.id/)
})

test('users of the only tenant are found by their keys, even if it is small', async (t) => {
  const { owner } = await openDatabase(t)
  await insertUsers(owner, await insertTenant(owner, 'only'), 1_000)
  await sql`analyze users`.execute(owner)
  const tenant = sql`$1::int`
  const isVisible = sql<boolean>`not users.is_removed`
  const byId = usersSought(tenant, sql`$2`, 'id', 'uuid', isVisible)
  t.match(await planOf(owner, sql`select users.doc from ${byId}`), /Index Cond: .*id = sought.key/)
  const byName = usersSought(tenant, sql`$2`, 'user_name_key', 'text', isVisible)
  t.match(await planOf(owner, sql`select users.doc from ${byName}`), /Index Cond: .*user_name_key = sought.key/)
  const changed = sql`update users set locked = true from unnest($2::uuid[]) as given (id)
    where users.tenant_id = ${tenant} and users.id = given.id`
  t.match(await planOf(owner, changed), /Index Cond: .*id = given.id/)
})

test('lists by name read an index in its order, up to the page', async (t) => {
  const { owner } = await openDatabase(t)
  await insertUsers(owner, await insertTenant(owner, 'acme'), 2_000)
  await sql`update users set display_name_key = user_name_key, family_name_key = user_name_key,
    indexed_family_name = user_name_key`.execute(owner)
  await sql`
    insert into user_family_names (tenant_id, family_name_key, user_id) select tenant_id, id::text, id from users`.execute(
    owner
  )
  await sql`analyze users, user_family_names`.execute(owner)
  const view = { tenantId: 1, baseUrl: '', connectionId: undefined }
  const { columns } = userSource.sortLayout(view, undefined)
  for (const [name, index] of [
    ['name.familyName', 'users_indexed_family_name_idx'],
    ['displayName', 'users_display_name_key_idx']
  ] as const) {
    for (const after of [undefined, { key: 'm', ordinal: '1' }]) {
      const search = { source: userSource, withRelated: false, sort: columns[name], isDescending: false }
      const slice = { after, offset: 0, limit: 100, isBackward: false }
      const plan = await planOf(owner, sql.raw(compilePage(owner, search, view, undefined, slice).sql))
      const how = after
        ? `${index} .*\n +Index Cond: .* >= `
        : `Incremental Sort .*\n.*\n.*\n +-> +Index Scan using ${index} `
      t.match(plan, new RegExp(how), `${name} ${after ? 'from a place on' : 'from the beginning'}`)
      t.notMatch(plan, /Seq Scan on users/)
      if (name !== 'displayName')
        t.match(plan, /Incremental Sort .*(\n.*){4,6} using user_family_names_pkey /, 'and the list')
    }
  }
})

test('whoever is in a new user’s way is found by address, even if everybody belongs to a connection', async (t) => {
  const { owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  await sql`
    insert into users (tenant_id, id, state, role, user_name, user_name_key, email_key, external_id, connection_id, doc, created_at,
      updated_at)
    select ${tenantId}::int, gen_random_uuid(), 'active', 'responder', n, n, md5(n::text), md5((-n)::text), '0190cafe-0000-7000-8000-000000000000', '{}', now(), now()
    from generate_series(1, 20000) n`.execute(owner)
  await sql`analyze users`.execute(owner)
  const plan = () => planOf(owner, holdersOf(sql`$2` as unknown as number, sql`$1` as unknown as string[]))
  t.match(await plan(), /Index Scan using users_email_key_idx /)
  await sql`drop index users_email_key_idx`.execute(owner)
  t.notMatch(await plan(), /Index Cond: .*connection_id/, 'however cheap it looks to go by the connection')
})

/** The plan that is kept for any values. */
async function planOf(db: Db, statement: RawBuilder<unknown>): Promise<string> {
  const { rows } = await sql<Record<string, string>>`explain (generic_plan) ${statement}`.execute(db)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}
