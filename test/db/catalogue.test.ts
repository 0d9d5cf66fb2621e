// What PostgreSQL's catalogue says of every table, so that a table without its tenant fails here.
import { sql } from 'kysely'
import { test } from 'tap'
import { inTenant, readInTenant } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { TENANT_TABLES_LEAVES_FIRST } from '../../db/tenants.ts'
import { isOnCluster, letStatementsCross } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'
import { readNodes } from '../support/nodes.ts'
import { giveEverything, insertPerson } from '../support/people.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

/** Tables that belong to no tenant. */
const SHARED_TABLES = ['tenants', 'rate_limits', 'mailbox_messages', 'kysely_migration', 'kysely_migration_lock']

letStatementsCross()

test('the catalogue', async (t) => {
  const { db, owner } = await openDatabase(t)
  const { rows: tables } = await sql<{ name: string; has_tenant: boolean; enabled: boolean; forced: boolean }>`
    select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
      exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as has_tenant
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`.execute(owner)
  const tenantTables = tables.filter(({ has_tenant }) => has_tenant).map(({ name }) => name)
  const names = (rows: { name: string }[]) => rows.map(({ name }) => name).sort()

  t.test('has no table but tenants’ tables and those known to be shared', async (t) => {
    t.same(names(tables.filter(({ has_tenant }) => !has_tenant)), [...SHARED_TABLES].sort())
    t.ok(tenantTables.length > 20)
  })

  t.test('forces row-level security on every tenant’s table, with the same policy', async (t) => {
    for (const { name, enabled, forced } of tables.filter(({ has_tenant }) => has_tenant)) {
      t.ok(enabled && forced, name)
    }
    const { rows } = await sql<{ name: string; roles: string; cmd: string; qual: string; check: string; kind: string }>`
      select tablename as name, roles::text, cmd, qual, with_check as check, permissive as kind
      from pg_policies where schemaname = 'public'`.execute(owner)
    t.same(names(rows), [...tenantTables].sort(), 'one policy each')
    const condition = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::integer)"
    const isOpen = '((tenant_id > 0) OR require_open_shadow(tenant_id))'
    for (const { name, ...policy } of rows) {
      const check = name === 'audit_events' ? `(${condition} AND ${isOpen})` : condition
      // Citus makes restrictive policies permissive
      t.same(policy, { roles: '{public}', cmd: 'ALL', qual: condition, check, kind: 'PERMISSIVE' }, name)
    }
  })

  t.test(
    'has the same policies and rights on all nodes of a cluster as on the coordinator',
    { skip: !isOnCluster },
    async (t) => {
      const { coordinator, workers } = await readNodes(owner)
      t.ok(workers.length > 0)
      for (const worker of workers) t.same(worker, coordinator)
    }
  )

  t.test('has tenant_id first in primary, unique and foreign keys, and never null', async (t) => {
    const { rows: keys } = await sql<{ name: string; table: string; first: string }>`
      select ic.relname as name, tc.relname as table, a.attname as first
      from pg_index i
      join pg_class ic on ic.oid = i.indexrelid
      join pg_class tc on tc.oid = i.indrelid and tc.relnamespace = 'public'::regnamespace
      join pg_attribute a on a.attrelid = tc.oid and a.attnum = i.indkey[0]
      where i.indisunique
      union all
      select con.conname, tc.relname, a.attname
      from pg_constraint con
      join pg_class tc on tc.oid = con.conrelid and tc.relnamespace = 'public'::regnamespace
      join pg_attribute a on a.attrelid = tc.oid and a.attnum = con.conkey[1]
      where con.contype = 'f'`.execute(owner)
    const wrong = keys.filter(({ table, first }) => tenantTables.includes(table) && first !== 'tenant_id')
    t.same(
      wrong,
      [{ name: 'addresses_pkey', table: 'addresses', first: 'address_key' }],
      'but the addresses’, which span tenants'
    )
    const keyed = new Set(keys.map(({ table }) => table))
    for (const table of tenantTables) t.ok(keyed.has(table), `${table} has a key`)
    const { rows: nullable } = await sql<{ name: string }>`
      select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id'
        and not a.attnotnull`.execute(owner)
    t.same(names(nullable), [])
  })

  // Citus has no such option, and plans for the present tenant
  t.test('plans statements on every tenant’s table for a large tenant', { skip: isOnCluster }, async (t) => {
    const { rows } = await sql<{ name: string }>`
      select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        and not coalesce(a.attoptions::text ~ '^{n_distinct=(-0.001|1000)}$', false)`.execute(owner)
    t.same(names(rows), [], 'alter table … alter column tenant_id set (n_distinct = -0.001)')
  })

  t.test('has tenant_id first in every other index of a tenant’s table', async (t) => {
    const { rows } = await sql<{ name: string }>`
      select ic.relname as name from pg_index i
      join pg_class ic on ic.oid = i.indexrelid
      join pg_class tc on tc.oid = i.indrelid and tc.relnamespace = 'public'::regnamespace
      join pg_attribute a on a.attrelid = tc.oid and a.attnum = i.indkey[0]
      where not i.indisunique and a.attname <> 'tenant_id' and tc.relname = any(${tenantTables})`.execute(owner)
    t.same(names(rows), [])
  })

  t.test('has the tenant in foreign keys between tenants’ tables', async (t) => {
    const { rows } = await sql<{ name: string; from_columns: string[]; to_table: string; to_first: string }>`
      select con.conname as name, rc.relname as to_table, ra.attname as to_first
      from pg_constraint con
      join pg_class rc on rc.oid = con.confrelid
      join pg_attribute ra on ra.attrelid = rc.oid and ra.attnum = con.confkey[1]
      where con.contype = 'f' and con.connamespace = 'public'::regnamespace`.execute(owner)
    t.ok(rows.length > 15)
    for (const { name, to_table, to_first } of rows) {
      t.equal(to_first, to_table === 'tenants' ? 'id' : 'tenant_id', name)
    }
  })

  t.test('names every table for removing a tenant, referring ones first', async (t) => {
    t.same([...TENANT_TABLES_LEAVES_FIRST, 'audit_events'].sort(), [...tenantTables].sort())
    const { rows } = await sql<{ from: string; to: string }>`
      select con.conrelid::regclass::text as from, con.confrelid::regclass::text as to
      from pg_constraint con where con.contype = 'f' and con.connamespace = 'public'::regnamespace`.execute(owner)
    const place = (table: string) => (TENANT_TABLES_LEAVES_FIRST as readonly string[]).indexOf(table)
    for (const { from, to } of rows) {
      if (to === 'tenants' || from === to) continue
      t.ok(place(from) < place(to), `${from} goes before ${to}`)
    }
  })

  t.test('gives the server’s role no ownership, no superuser rights and no change of the audit log', async (t) => {
    const { rows: owned } = await sql<{ name: string }>`
      select relname as name from pg_class where relowner = ${SERVER_ROLE}::regrole`.execute(owner)
    t.same(owned, [])
    const { rows: role } = await sql`
      select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = ${SERVER_ROLE}`.execute(
      owner
    )
    t.same(role, [{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false }])
    const { rows: rights } = await sql<{ right: string; has: boolean }>`
      select right_name as right, has_table_privilege(${SERVER_ROLE}, 'audit_events', right_name) as has
      from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as right_name`.execute(owner)
    t.same(
      rights.filter(({ has }) => has).map(({ right }) => right),
      ['select', 'insert']
    )
    const { rows: definers } = await sql<{ name: string; config: string[] }>`
      select proname as name, proconfig as config from pg_proc
      where pronamespace = 'public'::regnamespace and prosecdef`.execute(owner)
    const known = ['remove_audit_events', 'remove_old_audit_events']
    t.same(names(definers), known, 'its ways around that: with a suspended tenant, and by the tenant’s own retention')
    for (const { name, config } of definers) t.match(config, [/^search_path=pg_catalog/], name)
  })

  t.test('protects the audit log of a tenant in service from being removed', async (t) => {
    const tenantId = await insertTenant(owner, 'audited')
    const count = () =>
      readInTenant<{ id: string }>(db, tenantId, sql<{ id: string }>`select id from audit_events`).then((r) => r.length)
    const event = { tenant_id: tenantId, id: '018f0000-0000-7000-8000-000000000001', at: NOW, action: 'user.locked' }
    const actor = { actor_kind: 'system' as const, actor_id: null, actor_name: null }
    const target = { target_type: 'user', target_id: null, target_name: null, request_id: null, ip: null }
    await inTenant(db, tenantId, (trx) =>
      trx
        .insertInto('audit_events')
        .values({ ...event, ...actor, ...target, before: null, after: null })
        .execute()
    )
    await inTenant(db, tenantId, (trx) => sql`select remove_audit_events(${tenantId})`.execute(trx))
    t.equal(await count(), 1)
    // Citus refuses any update of it before rights are checked, since the check in its policy is not constant
    const codes = {
      'update audit_events set action = $$x$$': isOnCluster ? '0A000' : '42501',
      'delete from audit_events': '42501'
    }
    for (const [statement, code] of Object.entries(codes)) {
      const refused = inTenant(db, tenantId, (trx) => sql.raw(statement).execute(trx))
      await t.rejects(refused, { code }, statement)
    }
  })
})

test('row-level security', async (t) => {
  const { db, owner } = await openDatabase(t)
  const [acme, globex] = [await insertTenant(owner, 'acme'), await insertTenant(owner, 'globex')]
  const adaId = await insertPerson(owner, acme, { email: 'ada@acme.test' })
  const benId = await insertPerson(owner, globex, { email: 'ben@globex.test' })
  await giveEverything(owner, acme, adaId)
  await giveEverything(owner, globex, benId)
  const tables = ['users', 'user_emails', 'addresses', 'sessions', 'api_tokens', 'invitations', 'mails'] as const

  t.test('shows a statement without a condition only its tenant’s rows', async (t) => {
    for (const table of tables) {
      const rows = await readInTenant<{ tenant_id: number }>(db, acme, db.selectFrom(table).select('tenant_id'))
      t.ok(rows.length > 0, table)
      t.ok(
        rows.every(({ tenant_id }) => tenant_id === acme),
        table
      )
    }
  })

  t.test('hides another tenant’s rows, whatever form the statement has', async (t) => {
    const shapes: Record<string, Parameters<typeof readInTenant>[2]> = {
      plain: db.selectFrom('users').selectAll().where('tenant_id', '=', globex),
      'by id': db.selectFrom('users').selectAll().where('id', '=', benId),
      either: sql`select id from users where tenant_id = ${globex} or true and id = ${benId}`,
      join: sql`select s.id from sessions s join users u on u.id = s.user_id where u.tenant_id = ${globex}`,
      'left join': sql`select u.id from tenants t left join users u on u.tenant_id = t.id
        where t.id = ${globex} and u.id is not null`,
      subquery: sql`select id from tenants t where exists (select from users u where u.tenant_id = ${globex})`,
      'common table': sql`with all_users as materialized (select * from users) select id from all_users where id = ${benId}`,
      union: sql`select id from users where tenant_id = ${globex} union all select id from sessions
        where tenant_id = ${globex}`,
      aggregate: sql`select 1 from users where tenant_id = ${globex} having count(*) > 0`,
      limited: sql`select id from users where tenant_id = ${globex} order by id desc limit 10`,
      lateral: sql`select u.id from tenants t cross join lateral (select * from users where tenant_id = t.id) u
        where t.id = ${globex}`,
      'another setting': sql`select id from users, (select set_config('app.other', ${String(globex)}, true)) s
        where tenant_id = ${globex}`
    }
    for (const [name, query] of Object.entries(shapes)) t.same(await readInTenant(db, acme, query), [], name)
  })

  t.test('shows the same rows in the right tenant', async (t) => {
    t.equal((await readInTenant(db, globex, db.selectFrom('users').selectAll().where('id', '=', benId))).length, 1)
  })

  t.test('does not mix reads at the same time on the same connections', async (t) => {
    const reads = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const tenantId = index % 2 ? acme : globex
        const rows = await readInTenant<{ id: string }>(db, tenantId, db.selectFrom('users').select('id'))
        return rows.length === 1 && rows[0]!.id === (tenantId === acme ? adaId : benId)
      })
    )
    t.ok(reads.every(Boolean))
  })

  t.test('shows nothing without a tenant, even after a connection has served one', async (t) => {
    await inTenant(db, acme, (trx) => trx.selectFrom('users').select('id').execute())
    for (const table of tables) t.same(await db.selectFrom(table).select('tenant_id').execute(), [], table)
  })

  t.test('refuses to write into another tenant', async (t) => {
    const insert = inTenant(db, acme, (trx) =>
      trx
        .insertInto('addresses')
        .values({ address_key: 'eve@globex.test', tenant_id: globex, user_id: benId })
        .execute()
    )
    await t.rejects(insert, { code: '42501' })
    const moved = inTenant(db, acme, (trx) =>
      trx.updateTable('addresses').set({ tenant_id: globex }).where('user_id', '=', adaId).execute()
    )
    await t.rejects(moved, { code: '42501' })
    await inTenant(db, acme, (trx) =>
      trx.updateTable('users').set({ state: 'removed' }).where('id', '=', benId).execute()
    )
    await inTenant(db, acme, (trx) => trx.deleteFrom('sessions').where('tenant_id', '=', globex).execute())
    const ben = await owner.selectFrom('users').select('state').where('id', '=', benId).executeTakeFirst()
    t.same(ben, { state: 'active' })
    t.equal((await owner.selectFrom('sessions').select('id').where('user_id', '=', benId).execute()).length, 1)
  })

  t.test('lets one person hold an address over all tenants, in any letter case', async (t) => {
    const claim = inTenant(db, globex, (trx) =>
      trx.insertInto('addresses').values({ address_key: 'ada@acme.test', tenant_id: globex, user_id: benId }).execute()
    )
    t.equal(violatedConstraint(await claim.catch((error) => error)), 'addresses_pkey')
  })
})
