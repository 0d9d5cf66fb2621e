// What PostgreSQL's catalogue says of ways around row-level security, and of keys that would cross tenants.
import { sql } from 'kysely'
import { test } from 'tap'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { isOnCluster } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'

/** Schemas of ours, including the queue's. */
const OURS = sql.raw("not (n.nspname like 'pg\\_%' or n.nspname in ('information_schema', 'citus', 'citus_internal'))")

test('the catalogue has no way around row-level security', async (t) => {
  const { owner, db } = await openDatabase(t)
  const { rows: tables } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`.execute(owner)
  const tenantTables = tables.map(({ name }) => name)

  t.test('the server’s role owns nothing and is in no other role', async (t) => {
    const { rows: owned } = await sql`
      select classid::regclass::text as kind, objid from pg_shdepend
      where refclassid = 'pg_authid'::regclass and refobjid = ${SERVER_ROLE}::regrole and deptype = 'o'
        and dbid in (0, (select oid from pg_database where datname = current_database()))`.execute(owner)
    t.same(owned, [])
    const { rows: roles } = await sql`
      select roleid::regrole::text from pg_auth_members where member = ${SERVER_ROLE}::regrole`.execute(owner)
    t.same(roles, [])
    const { rows: able } = await sql`
      select rolname from pg_roles where rolname = ${SERVER_ROLE}
        and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
          or rolcanlogin and not ${isOnCluster})`.execute(owner)
    // on a cluster the coordinator signs in to the nodes with it
    t.same(able, [], 'nor may it sign in, or make roles, or pass policies by')
    t.same((await sql<{ role: string }>`select current_user as role`.execute(db)).rows, [{ role: SERVER_ROLE }])
  })

  t.test('the server’s role may read and write rows, and change no table', async (t) => {
    const { rows } = await sql<{ name: string; right: string }>`
      select c.oid::regclass::text as name, right_name as right
      from pg_class c join pg_namespace n on n.oid = c.relnamespace,
        unnest(array['truncate', 'references', 'trigger']) as right_name
      where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_table_privilege(${SERVER_ROLE}, c.oid, right_name)`.execute(owner)
    t.same(rows, [], 'truncate and references ask no policy')
    const { rows: creatable } = await sql`
      select nspname from pg_namespace n where ${OURS} and has_schema_privilege(${SERVER_ROLE}, oid, 'create')`.execute(
      owner
    )
    t.same(creatable, [])
    const { rows: database } = await sql<{ can: boolean }>`
      select has_database_privilege(${SERVER_ROLE}, current_database(), 'create') as can`.execute(owner)
    t.same(database, [{ can: false }])
  })

  t.test('nothing that runs with its owner’s rights reaches a tenant’s table', async (t) => {
    const { rows: views } = await sql`
      select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and c.relkind in ('v', 'm')
        and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
        and not coalesce(c.reloptions @> array['security_invoker=true'], false)`.execute(owner)
    t.same(views, [], 'no view but with its caller’s rights')
    const { rows: triggers } = await sql`
      select tgname from pg_trigger where not tgisinternal and tgrelid::regclass::text = any(${tenantTables})`.execute(
      owner
    )
    t.same(triggers, [])
    const { rows: rules } = await sql`
      select r.rulename from pg_rewrite r join pg_class c on c.oid = r.ev_class
      where c.relname = any(${tenantTables})`.execute(owner)
    t.same(rules, [])
    const { rows: definers } = await sql<{ name: string; can: boolean }>`
      select n.nspname || '.' || p.proname as name, has_function_privilege(${SERVER_ROLE}, p.oid, 'execute') as can
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where ${OURS} and p.prosecdef order by 1`.execute(owner)
    const known = ['remove_audit_events', 'remove_old_audit_events']
    t.same(
      definers,
      known.map((name) => ({ name: `public.${name}`, can: true })),
      'functions that take audit events away: of a removed tenant, and of those that are too old'
    )
    const { rows: open } = await sql`
      select 1 from pg_proc where proname = any(${known}) and has_function_privilege('public', oid, 'execute')`.execute(
      owner
    )
    t.same(open, [], 'which are not everybody’s')
  })

  t.test('every key of a tenant’s table contains tenant_id', async (t) => {
    const { rows } = await sql<{ name: string }>`
      select i.indexrelid::regclass::text as name from pg_index i join pg_class c on c.oid = i.indrelid
      where (i.indisunique or i.indisexclusion) and c.relname = any(${tenantTables})
        and not exists (
          select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
            and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
        )`.execute(owner)
    t.same(rows, [{ name: 'addresses_pkey' }], 'but the addresses’, which are distributed by address')
  })

  t.test('no foreign key leads from one tenant to another, or out of one', async (t) => {
    const { rows } = await sql<{ name: string; from: string; to: string; pairs: string[] }>`
      select con.conname as name, con.conrelid::regclass::text as "from", con.confrelid::regclass::text as "to",
        array(
          select f.attname || '=' || r.attname from unnest(con.conkey, con.confkey) as k(f, r)
          join pg_attribute f on f.attrelid = con.conrelid and f.attnum = k.f
          join pg_attribute r on r.attrelid = con.confrelid and r.attnum = k.r
        ) as pairs
      from pg_constraint con join pg_namespace n on n.oid = con.connamespace
      where con.contype = 'f' and ${OURS} and n.nspname = 'public'`.execute(owner)
    t.ok(rows.length > 15)
    for (const { name, from, to, pairs } of rows) {
      t.ok(tenantTables.includes(from), `${name} is a tenant’s`)
      if (to === 'tenants') t.same(pairs, ['tenant_id=id'], name)
      else t.ok(tenantTables.includes(to) && pairs.includes('tenant_id=tenant_id'), `${name}: ${pairs}`)
      t.not(to, 'addresses', 'nothing refers to what is distributed otherwise')
    }
    const { rows: ofAddresses } = await sql`
      select 1 from pg_constraint where contype = 'f' and conrelid = 'addresses'::regclass`.execute(owner)
    t.same(ofAddresses, [], 'nor does that refer to anything')
  })
})
