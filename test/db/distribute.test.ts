// What can be tested without Citus: the real migration in a database with functions that have the extension's names and
// record their calls, and that tables keep Citus' rules for keys. On a cluster other files run, see
// test/support/cluster.ts.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { test } from 'tap'
import { releaseAddresses, releaseAddressesOf } from '../../db/addresses.ts'
import { connect, type Db, inTenant, readInTenant } from '../../db/connect.ts'
import { planDistribution } from '../../db/distribute.ts'
import { startEmbedded } from '../../db/embedded.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { migrate, SERVER_ROLE } from '../../db/migrate.ts'
import { prepareWrite } from '../../db/prepared.ts'
import { TENANT_TABLES_LEAVES_FIRST } from '../../db/tenants.ts'
import { isOnCluster } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'
import { insertPeople } from '../support/people.ts'
import { noteStatements } from '../support/statements.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const TENANT_TABLES = [...TENANT_TABLES_LEAVES_FIRST, 'audit_events'].filter((table) => table !== 'addresses')

/** The extension's functions that the migration uses, in a schema that every session searches. */
async function pretendCitus(owner: Db): Promise<void> {
  await sql
    .raw(`
      create schema pretended;
      create table pretended.calls (at int generated always as identity, call text not null, was_forced boolean,
        foreign_keys int not null);
      create table pretended.functions (name text);
      create table pretended.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char");
      create function pretended.foreign_keys_of(table_name regclass) returns int language sql as $$
        select count(*)::int from pg_constraint where contype = 'f' and table_name in (conrelid, confrelid)
      $$;
      create function pretended.create_distributed_table(table_name regclass, distribution_column text,
          colocate_with text default 'default') returns void language sql as $$
        insert into pretended.calls (call, was_forced, foreign_keys)
          select format('%s by %s with %s', table_name, distribution_column, colocate_with), relforcerowsecurity,
            pretended.foreign_keys_of(table_name)
          from pg_class where oid = table_name;
        insert into pretended.pg_dist_partition values (table_name, 'h', 's')
      $$;
      create function pretended.create_reference_table(table_name regclass) returns void language sql as $$
        insert into pretended.calls (call, foreign_keys)
          values (table_name || ' everywhere', pretended.foreign_keys_of(table_name));
        insert into pretended.pg_dist_partition values (table_name, 'n', 't')
      $$;
      create table pretended.pg_dist_object (classid oid, objid oid);
      create function pretended.create_distributed_function(function_name regprocedure) returns void
          language sql as $$
        insert into pretended.pg_dist_object values ('pg_proc'::regclass, function_name);
        insert into pretended.functions values (function_name::text)
      $$;
      do $$ begin
        execute format('alter database %I set search_path = public, pretended, pg_catalog', current_database());
      end $$`)
    .execute(owner)
}

async function readForeignKeys(owner: Db): Promise<{ definition: string }[]> {
  const { rows } = await sql<{ definition: string }>`
    select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) as definition from pg_constraint
    where contype = 'f' and connamespace = 'public'::regnamespace order by 1`.execute(owner)
  return rows
}

const AS_ON_ONE_SERVER = `
  alter table audit_events drop column xid;
  alter table audit_events add column xid xid8 not null default pg_current_xact_id();
  create index audit_events_feed_idx on audit_events (tenant_id, xid, id)`

const insertStream = (owner: Db, tenantId: number) =>
  sql`
    insert into event_streams (tenant_id, id, kind, name, url, event_types, state, cursor_node, cursor_xid, cursor_id,
      created_at, updated_at)
    values (${tenantId}, ${crypto.randomUUID()}, 'webhook', 'x', 'https://a.test', '{}', 'enabled', '1.1', '7',
      ${crypto.randomUUID()}, ${NOW}, ${NOW})`.execute(owner)

test('the migration of a database with Citus', async (t) => {
  // a server of its own: roles belong to a server, and elsewhere the server's role may not sign in
  const folder = await mkdtemp(join(tmpdir(), 'muster-distribute-'))
  const { url, stop } = await startEmbedded(folder, { flags: ['-c', 'fsync=off'] })
  t.teardown(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  })
  const first = connect({ url, poolSize: 1 })
  await pretendCitus(first)
  await first.destroy()
  const owner = connect({ url, poolSize: 1 })
  t.teardown(() => owner.destroy())
  const calls = async () => {
    const { rows } = await sql<{ call: string; was_forced: boolean | null; foreign_keys: number }>`
      select call, was_forced, foreign_keys from pretended.calls order by at`.execute(owner)
    return rows
  }
  const results = await Promise.all([migrate(url), migrate(url)])

  t.test(
    'distributes each tenant’s table by its tenant once, even if two processes start at the same time',
    async (t) => {
      t.same(
        (await calls()).map(({ call }) => call).sort(),
        [
          'addresses by address_key with none',
          'tenants everywhere',
          ...TENANT_TABLES.map((table) => `${table} by tenant_id with ${table === 'users' ? 'none' : 'users'}`)
        ].sort()
      )
      t.same(
        results.map(({ isCitus }) => isCitus),
        [true, true]
      )
    }
  )

  t.test('begins with the tenants, on every node, and the table with which the others are colocated', async (t) => {
    const order = (await calls()).map(({ call }) => call.split(' ', 1)[0]!)
    t.same(order.slice(0, 2), ['tenants', 'users'])
  })

  t.test('drops foreign keys while a table is distributed, and restores them', async (t) => {
    t.same(
      (await calls()).filter(({ foreign_keys }) => foreign_keys > 0),
      []
    )
    const plain = await openDatabase(t)
    const keys = await readForeignKeys(owner)
    t.ok(keys.length > 20)
    t.same(keys, await readForeignKeys(plain.owner))
  })

  t.test('lets the coordinator sign in to the nodes as the server’s role', async (t) => {
    const { rows } = await sql`select rolcanlogin from pg_roles where rolname = ${SERVER_ROLE}`.execute(owner)
    t.same(rows, [{ rolcanlogin: true }])
  })

  t.test('copies rows past row-level security, and forces it again', async (t) => {
    t.notOk((await calls()).some(({ was_forced }) => was_forced))
    const { rows } = await sql`
      select relname from pg_class c where relnamespace = 'public'::regnamespace and relkind = 'r'
        and not relforcerowsecurity
        and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')`.execute(owner)
    t.same(rows, [])
  })

  t.test('numbers events by the node that writes them, and finds the place of earlier cursors', async (t) => {
    const { rows: columns } = await sql<{ how: string }>`
      select attgenerated::text || ' ' || pg_get_expr(adbin, adrelid) as how from pg_attribute
      join pg_attrdef on adrelid = attrelid and adnum = attnum
      where attrelid = 'audit_events'::regclass and attname = 'xid'`.execute(owner)
    t.same(columns, [{ how: 's writing_transaction(id)' }])
    const { rows: indexes } = await sql`
      select from pg_indexes where indexname = 'audit_events_feed_idx' and indexdef like '%(tenant_id, xid, id)'`.execute(
      owner
    )
    t.equal(indexes.length, 1)
    // as on a single PostgreSQL
    await sql.raw(AS_ON_ONE_SERVER).execute(owner)
    const tenantId = await insertTenant(owner, 'acme')
    await insertStream(owner, tenantId)
    await migrate(url)
    const standing = () => owner.selectFrom('event_streams').select(['cursor_node', 'cursor_xid']).execute()
    t.same(await standing(), [{ cursor_node: '', cursor_xid: '7' }])
    await owner.updateTable('event_streams').set({ cursor_node: '1.1' }).execute()
    await migrate(url)
    t.same(await standing(), [{ cursor_node: '1.1', cursor_xid: '7' }], 'once')
  })

  t.test('creates every function on the nodes once', async (t) => {
    const { rows: known } = await sql<{ name: string }>`select name from pretended.functions order by 1`.execute(owner)
    const { rows: ours } = await sql<{ name: string }>`
      select oid::regprocedure::text as name from pg_proc where pronamespace = 'public'::regnamespace order by 1`.execute(
      owner
    )
    t.ok(ours.length >= 10)
    t.same(known, ours)
  })

  t.test('lets the brake count the people that its function returns, not those it was given', async (t) => {
    const { rows } = await sql<{ definition: string }>`
      select pg_get_functiondef('take_brake_permits'::regproc) as definition`.execute(owner)
    t.match(
      rows[0]!.definition,
      /with noted as \(insert into brake_people[^;]*returning 1\) select count\(\*\) into counted/
    )
    t.notMatch(rows[0]!.definition, 'get diagnostics counted')
  })

  t.test('distributes only new tables when it runs again', async (t) => {
    const before = (await calls()).length
    await migrate(url)
    t.equal((await calls()).length, before)
    await sql`create table later (tenant_id int not null, id uuid not null, primary key (tenant_id, id))`.execute(owner)
    await migrate(url)
    t.equal((await calls()).at(-1)?.call, 'later by tenant_id with users')
  })
})

test('adds what a cluster with an older anchor lacks', async (t) => {
  const tables = ['mails', 'invitations', 'users', 'tenants'].map((name) => ({ name, hasTenant: name !== 'tenants' }))
  const plan = planDistribution(tables, new Set(['tenants', 'users']))
  t.same(
    plan.map(({ table }) => table),
    ['invitations', 'mails']
  )
})

test('a database without Citus is not distributed', { skip: isOnCluster }, async (t) => {
  const { url } = await openDatabase(t)
  t.equal((await migrate(url)).isCitus, false)
})

test('the rules of Citus for keys', async (t) => {
  const { owner } = await openDatabase(t)

  t.test('hold: every primary and unique key contains the distribution column', async (t) => {
    const { rows } = await sql<{ name: string; table: string; columns: string[] }>`
      select ic.relname as name, tc.relname as table,
        array(select a.attname::text from pg_attribute a where a.attrelid = tc.oid and a.attnum = any(i.indkey)) as columns
      from pg_index i join pg_class ic on ic.oid = i.indexrelid
      join pg_class tc on tc.oid = i.indrelid and tc.relnamespace = 'public'::regnamespace
      where i.indisunique and tc.relname = any(${[...TENANT_TABLES, 'addresses']})`.execute(owner)
    t.ok(rows.length >= TENANT_TABLES.length)
    for (const { name, table, columns } of rows) {
      t.ok(columns.includes(table === 'addresses' ? 'address_key' : 'tenant_id'), name)
    }
  })

  t.test('hold: each foreign key carries tenant_id on both sides, or refers to the tenants', async (t) => {
    const { rows } = await sql<{ name: string; from: string; to: string; carries: boolean }>`
      select con.conname as name, con.conrelid::regclass::text as from, con.confrelid::regclass::text as to,
        exists (select from unnest(con.conkey, con.confkey) as pair (here, there)
          join pg_attribute a on a.attrelid = con.conrelid and a.attnum = pair.here and a.attname = 'tenant_id'
          join pg_attribute b on b.attrelid = con.confrelid and b.attnum = pair.there and b.attname = 'tenant_id') as carries
      from pg_constraint con where con.contype = 'f' and con.connamespace = 'public'::regnamespace`.execute(owner)
    t.ok(rows.length > 20)
    for (const { name, from, to, carries } of rows) {
      t.ok(carries || to === 'tenants', name)
      t.notOk([from, to].includes('addresses'), `${name} does not tie addresses to a tenant’s node`)
    }
  })

  t.test('hold: no table has a trigger or a rule', async (t) => {
    const { rows } = await sql`
      select tgname from pg_trigger tg join pg_class c on c.oid = tg.tgrelid
      where not tg.tgisinternal and c.relnamespace = 'public'::regnamespace`.execute(owner)
    t.same(rows, [])
  })

  t.test(
    'hold: numbers over all tenants are bigint, which workers can share, and the tenants’ own is int',
    async (t) => {
      const { rows } = await sql<{ column: string; type: string }>`
      select c.relname || '.' || a.attname as column, format_type(a.atttypid, null) as type
      from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relnamespace = 'public'::regnamespace
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind = 'r' and (a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval%')`.execute(owner)
      const small = rows.filter(({ type }) => type !== 'bigint').map(({ column }) => column)
      t.same(small, ['tenants.id'], 'its numbers are taken on the coordinator')
      t.ok(rows.some(({ column }) => column === 'users.ordinal'))
    }
  )
})

test('a connection to Citus sets the tenant with SET LOCAL in a block around each statement', async (t) => {
  const { url, owner } = await openDatabase(t)
  const db = connect({ url, role: SERVER_ROLE, poolSize: 2, isCitus: true })
  t.teardown(() => db.destroy())
  const [acme, globex] = [await insertTenant(owner, 'acme'), await insertTenant(owner, 'globex')]
  const insertSchema = prepareWrite<{ urn: string }, { urn: string }>(
    (given) => sql`
      insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
      values (${given.tenantId}::int, ${given.urn}::text, 'User', '{}', '2027-01-01') returning urn`
  )
  const { rows } = await sql<{
    value: string
  }>`select current_setting('citus.propagate_set_commands') as value`.execute(db)
  t.same(rows, [{ value: 'local' }], 'which the workers are told of')
  const made = await Promise.all(
    ['a', 'b', 'c', 'd'].flatMap((name) => [
      insertSchema(db, acme, { urn: `urn:${name}` }),
      insertSchema(db, globex, { urn: `urn:${name}` })
    ])
  )
  t.equal(made.flat().length, 8)
  const again = await insertSchema(db, acme, { urn: 'urn:a' }).catch((error) => error)
  t.equal(violatedConstraint(again), 'scim_schemas_pkey')
  // an error of a node, as Citus 13 reports it
  const message = 'duplicate key value violates unique constraint "scim_schemas_pkey_102046"'
  t.equal(violatedConstraint({ code: '23505', constraint: undefined, message }), 'scim_schemas_pkey')
  for (const tenant of [acme, globex]) {
    const read = sql<{ tenant_id: number }>`select tenant_id from scim_schemas`
    t.same(new Set((await readInTenant(db, tenant, read)).map(({ tenant_id }) => tenant_id)), new Set([tenant]))
    t.equal((await inTenant(db, tenant, (trx) => trx.selectFrom('scim_schemas').select('urn').execute())).length, 4)
  }
  t.same(await db.selectFrom('scim_schemas').select('urn').execute(), [], 'and nothing is left of it')
})

test('addresses are released by their text on Citus, since it tells on which node they lie', async (t) => {
  const { url, owner } = await openDatabase(t)
  const db = connect({ url, role: SERVER_ROLE, poolSize: 1, isCitus: true })
  t.teardown(() => db.destroy())
  const acme = await insertTenant(owner, 'acme')
  const emails = ['ada@acme.test', 'ben@acme.test', 'cem@acme.test']
  const [ada, ben] = await insertPeople(
    owner,
    acme,
    emails.map((email) => ({ email }))
  )
  const statements = await noteStatements(() =>
    inTenant(db, acme, async (trx) => {
      await releaseAddresses(trx, acme, [{ id: ada!, email_key: 'ada@acme.test' }])
      await releaseAddressesOf(trx, acme, [ben!])
    })
  )
  const deleting = statements.filter(({ text }) => text.includes('delete from addresses'))
  t.ok(deleting.length > 0)
  for (const { text } of deleting) t.match(text, /address_key = any/)
  const left = await owner.selectFrom('addresses').select('address_key').where('tenant_id', '=', acme).execute()
  t.same(left, [{ address_key: 'cem@acme.test' }])
})
