// Citus: if the extension is installed, tables with a tenant are distributed by it, so that all of a tenant's rows lie
// on one node. Addresses, which span tenants, are distributed by address; the tenants are on every node. What belongs
// to no tenant (rate limits, the queue, the development mailbox) stays on the coordinator.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

export interface TableFacts {
  readonly name: string
  readonly hasTenant: boolean
}

/** Copied to every node. */
const REFERENCE_TABLE = 'tenants'
/** The other tables are colocated with this one: a tenant's rows of all tables lie on the same node. */
const ANCHOR = 'users'
const OWN_KEYS: Readonly<Record<string, string>> = { addresses: 'address_key' }

export interface Distribution {
  readonly table: string
  readonly hasTenant: boolean
  readonly statement: string
}

/** The statements that distribute the tables not distributed yet, in the order in which they have to run. */
export function planDistribution(tables: readonly TableFacts[], done: ReadonlySet<string>): Distribution[] {
  const places = [REFERENCE_TABLE, ANCHOR]
  const place = (name: string) => (places.includes(name) ? places.indexOf(name) : places.length)
  return tables
    .filter(({ name, hasTenant }) => (name === REFERENCE_TABLE || hasTenant) && !done.has(name))
    .sort((a, b) => place(a.name) - place(b.name) || (a.name < b.name ? -1 : 1))
    .map(({ name, hasTenant }) => ({ table: name, hasTenant, statement: statementFor(name) }))
}

function statementFor(table: string): string {
  if (table === REFERENCE_TABLE) return `select create_reference_table('${table}')`
  const ownKey = OWN_KEYS[table]
  const isAlone = ownKey !== undefined || table === ANCHOR
  return `select create_distributed_table('${table}', '${ownKey ?? 'tenant_id'}', colocate_with => '${isAlone ? 'none' : ANCHOR}')`
}

/** Whether the extension `citus` is installed: it brings this function. */
export async function hasCitus(db: Db): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select exists (select from pg_proc where proname = 'create_distributed_table') as has`.execute(db)
  return rows[0]!.has
}

/** Advisory lock: processes that start together distribute one after the other. */
const LOCK = 4_726_001

/**
 * Distributes everything not distributed yet, in one transaction. Run by the tables' owner, after the migrations.
 * @returns the tables that it distributed
 */
export function distribute(db: Db): Promise<string[]> {
  return db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${LOCK})`.execute(trx)
    // a transaction that touches the tenants, a table on every node, may touch shards only sequentially
    await sql`set local citus.multi_shard_modify_mode = 'sequential'`.execute(trx)
    const distributed = await distributeTables(trx)
    await distributeFunctions(trx)
    await numberEventsByNode(trx)
    await sql.raw(COUNT_PEOPLE_RETURNED).execute(trx)
    return distributed
  })
}

/**
 * Creates on the nodes the functions that are older than the extension: statements call them where the rows lie.
 * Functions of policies came with the tables; some name tables, so the tables go first; Citus propagates later ones.
 */
async function distributeFunctions(trx: Db): Promise<void> {
  const { rows } = await sql<{ name: string; is_kept: boolean }>`
    select p.oid::regprocedure::text as name,
      not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) where grantee = 0) as is_kept
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
      and not exists (select from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e')
      and not exists (select from pg_dist_object o where o.objid = p.oid and o.classid = 'pg_proc'::regclass)
    order by 1`.execute(trx)
  for (const { name, is_kept } of rows) {
    await sql`select create_distributed_function(${name}::regprocedure)`.execute(trx)
    // anybody may run a new function on a node: Citus propagates what was granted, but not what was revoked
    if (is_kept) await sql`revoke all on function ${sql.raw(name)} from public`.execute(trx)
  }
}

async function distributeTables(trx: Db): Promise<string[]> {
  const plan = planDistribution(await readTables(trx), await readDistributed(trx))
  if (plan.length === 0) return []
  const distributed = plan.map(({ table }) => table)
  // a table may not refer to one that lies elsewhere, not even for a moment
  const foreignKeys = await readForeignKeys(trx, distributed)
  for (const { table, name } of foreignKeys) {
    await sql`alter table ${sql.table(table)} drop constraint ${sql.ref(name)}`.execute(trx)
  }
  for (const { table, hasTenant, statement } of plan) {
    // existing rows are copied, and an owner who is subject to row-level security would copy none
    if (hasTenant) await sql`alter table ${sql.table(table)} no force row level security`.execute(trx)
    await sql.raw(statement).execute(trx)
    if (hasTenant) await sql`alter table ${sql.table(table)} force row level security`.execute(trx)
  }
  for (const { table, name, definition } of foreignKeys) {
    await sql`alter table ${sql.table(table)} add constraint ${sql.ref(name)} ${sql.raw(definition)}`.execute(trx)
  }
  return distributed
}

/**
 * Makes each node number its own events (db/event-feed.ts): the default of `audit_events.xid` is computed on the
 * coordinator, whose transactions end before those of the nodes. Only a generated column is computed on the node as the
 * row is written. Its function is declared immutable, which is untrue, but only writing the row calls it. Moving a
 * table generates its numbers anew.
 */
async function numberEventsByNode(trx: Db): Promise<void> {
  const { rows } = await sql`
    select 1 from pg_attribute
    where attrelid = 'audit_events'::regclass and attname = 'xid' and attgenerated = ''`.execute(trx)
  if (rows.length === 0) return
  for (const statement of NUMBER_BY_NODE) await sql.raw(statement).execute(trx)
}

const NUMBER_BY_NODE = [
  `create or replace function writing_transaction(of_event uuid) returns xid8 language plpgsql immutable as
    'begin return pg_current_xact_id(); end'`,
  'alter table audit_events drop column xid',
  'alter table audit_events add column xid xid8 not null generated always as (writing_transaction(id)) stored',
  'create index audit_events_feed_idx on audit_events (tenant_id, xid, id)',
  // cursors with the numbers from before are resolved by ids
  'alter table event_streams no force row level security',
  `update event_streams set cursor_node = ''`,
  'alter table event_streams force row level security'
]

/**
 * Makes the brake count the rows that its upsert returns. As the row count of an upsert, Citus reports how many rows it
 * was given, not how many it wrote: whoever was counted within the hour would be counted again.
 */
const COUNT_PEOPLE_RETURNED = `
  do $do$
  declare
    definition text := pg_get_functiondef('take_brake_permits'::regproc);
  begin
    if strpos(definition, 'get diagnostics counted') > 0 then
      definition := replace(definition, 'insert into brake_people', 'with noted as (insert into brake_people');
      definition := regexp_replace(definition, '(known[.]minute < excluded[.]minute - 60);\\s+get diagnostics counted = row_count',
        '\\1 returning 1) select count(*) into counted from noted');
      execute definition;
    end if;
  end $do$`

async function readTables(db: Db): Promise<TableFacts[]> {
  const { rows } = await sql<{ name: string; has_tenant: boolean }>`
    select c.relname as name,
      exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
        as has_tenant
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`.execute(db)
  return rows.map(({ name, has_tenant }) => ({ name, hasTenant: has_tenant }))
}

/** The foreign keys of `tables`, and those that refer to them. */
async function readForeignKeys(
  db: Db,
  tables: readonly string[]
): Promise<{ table: string; name: string; definition: string }[]> {
  const { rows } = await sql<{ table: string; name: string; definition: string }>`
    select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint
    where contype = 'f' and connamespace = 'public'::regnamespace and conparentid = 0
      and (conrelid::regclass::text = any(${tables}) or confrelid::regclass::text = any(${tables}))
    order by conname`.execute(db)
  return rows
}

/** Leaves out local tables that Citus lists because others refer to them (partmethod n, not copied to every node). */
async function readDistributed(db: Db): Promise<Set<string>> {
  const { rows } = await sql<{ name: string }>`
    select logicalrelid::regclass::text as name from pg_dist_partition
    where partmethod = 'h' or repmodel = 't'`.execute(db)
  return new Set(rows.map(({ name }) => name))
}
