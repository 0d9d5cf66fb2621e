// Citus: where the extension is there, every tenant's table is distributed by its tenant, so that all of a tenant's rows
// lie on one node; addresses, which span tenants, by the address; the tenants are on every node. What belongs to nobody
// (rate limits, the queue, the development mailbox) stays on the coordinator.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

export interface TableFacts {
  readonly name: string
  readonly hasTenant: boolean
  /** Tables that its foreign keys refer to. */
  readonly references: readonly string[]
}

/** On every node. */
const REFERENCE_TABLE = 'tenants'
/** All tables by tenant lie where this one's rows of the same tenant do. */
const ANCHOR = 'users'
const OWN_KEYS: Readonly<Record<string, string>> = { addresses: 'address_key' }

export interface Distribution {
  readonly table: string
  readonly statement: string
}

/**
 * What makes a cluster of the tables that are not distributed yet, in the order in which it has to run: a table comes
 * after those that it refers to.
 */
export function planDistribution(tables: readonly TableFacts[], done: ReadonlySet<string>): Distribution[] {
  const wanted = tables.filter(({ name, hasTenant }) => name === REFERENCE_TABLE || hasTenant)
  return inOrder(wanted)
    .filter(({ name }) => !done.has(name))
    .map(({ name }) => ({ table: name, statement: statementFor(name) }))
}

function statementFor(table: string): string {
  if (table === REFERENCE_TABLE) return `select create_reference_table('${table}')`
  const ownKey = OWN_KEYS[table]
  const isAlone = ownKey !== undefined || table === ANCHOR
  return `select create_distributed_table('${table}', '${ownKey ?? 'tenant_id'}', colocate_with => '${isAlone ? 'none' : ANCHOR}')`
}

/** Referred to first, the anchor before all others that could be; else by name. */
function inOrder(tables: readonly TableFacts[]): TableFacts[] {
  const byName = new Map(tables.map((table) => [table.name, table]))
  const ordered = new Set<TableFacts>()
  const visit = (table: TableFacts) => {
    if (ordered.has(table)) return
    for (const name of table.references) {
      const referred = byName.get(name)
      if (referred && referred !== table) visit(referred)
    }
    ordered.add(table)
  }
  const first = [REFERENCE_TABLE, ANCHOR].flatMap((name) => byName.get(name) ?? [])
  const rest = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  for (const table of [...first, ...rest]) visit(table)
  return [...ordered]
}

/** Whether the extension `citus` is there: it brings this function. */
export async function hasCitus(db: Db): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select exists (select from pg_proc where proname = 'create_distributed_table') as has`.execute(db)
  return rows[0]!.has
}

/** Processes that start together distribute one after the other. */
const LOCK = 4_726_001

/**
 * Distributes what is not distributed yet, each table in a transaction of its own, so that what was interrupted goes on
 * where it stopped. Run by the tables' owner, after the migrations.
 * @returns the tables that were distributed now
 */
export async function distribute(db: Db): Promise<string[]> {
  const tables = await readTables(db)
  const distributed: string[] = []
  for (const { table, statement } of planDistribution(tables, await readDistributed(db))) {
    const isNew = await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${LOCK})`.execute(trx)
      if ((await readDistributed(trx)).has(table)) return false
      const isForced = tables.some(({ name, hasTenant }) => name === table && hasTenant)
      // rows that are there are copied, and an owner whom row-level security holds would copy none of them
      if (isForced) await sql.raw(`alter table ${table} no force row level security`).execute(trx)
      await sql.raw(statement).execute(trx)
      if (isForced) await sql.raw(`alter table ${table} force row level security`).execute(trx)
      return true
    })
    if (isNew) distributed.push(table)
  }
  return distributed
}

export async function readTables(db: Db): Promise<TableFacts[]> {
  const { rows } = await sql<{ name: string; has_tenant: boolean; references: string[] }>`
    select c.relname as name,
      exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
        as has_tenant,
      array(select distinct r.relname::text from pg_constraint f join pg_class r on r.oid = f.confrelid
        where f.conrelid = c.oid and f.contype = 'f' order by 1) as references
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`.execute(db)
  return rows.map(({ name, has_tenant, references }) => ({ name, hasTenant: has_tenant, references }))
}

async function readDistributed(db: Db): Promise<Set<string>> {
  const { rows } = await sql<{
    name: string
  }>`select logicalrelid::regclass::text as name from pg_dist_partition`.execute(db)
  return new Set(rows.map(({ name }) => name))
}
