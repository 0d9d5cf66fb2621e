// A tenant's rows, table by table, as text that another database can import. Tables' columns are read from the
// catalogue, so that a column which is added later is transferred, too.
import { sql } from 'kysely'
import { type Db, isCitus, type Trx } from './connect.ts'
import { nodeOf } from './event-feed.ts'
import { insertUncopied } from './rows.ts'
import { SEARCH_TABLES } from './search-index.ts'
import { TENANT_TABLES_LEAVES_FIRST } from './tenants.ts'

interface TransferColumn {
  readonly name: string
  /** PostgreSQL's type, such as `timestamp with time zone`. */
  readonly type: string
  readonly isNullable: boolean
  /** The sequence that numbers the column; null if none does. */
  readonly sequence: string | null
}

export interface TransferTable {
  readonly name: string
  /** All but tenant_id, generated columns, numbers of transactions, and listed_family_name, whose list stays behind. */
  readonly columns: readonly TransferColumn[]
  /** The primary key's columns without tenant_id, in order. */
  readonly key: readonly string[]
  /** The tables that its rows refer to. */
  readonly parents: readonly string[]
  /**
   * Columns without a default that hold a transaction's number, which is meaningful only in its own database: all rows
   * of an import get the number of its transaction, so that they sort by id.
   */
  readonly transactions: readonly string[]
}

/** Tables that follow from the users and are built anew. */
export const DERIVED_TABLES: ReadonlySet<string> = new Set([...SEARCH_TABLES, 'user_family_names'])

/** Every table with a tenant's rows, referenced ones first. */
const TABLES = [...TENANT_TABLES_LEAVES_FIRST]
  .filter((table) => !DERIVED_TABLES.has(table))
  .reverse()
  .concat(['audit_events' as never]) as readonly string[]

const TRANSACTION = 'xid8'
/** Where a transaction was counted, which is also meaningful only in its own database. */
const TRANSACTION_NODE = 'cursor_node'

/** A row as JSON, whose values can be cast to the columns' types: `{"id": "…", "version": 3, "doc": "{…}"}`. */
export type TransferRow = Record<string, unknown>

/** @throws Error if a tenant's table is missing or has no primary key */
export async function readTransferTables(db: Db): Promise<TransferTable[]> {
  const { rows } = await sql<TransferColumn & { table: string; place: number | null; hasDefault: boolean }>`
    select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
      not a.attnotnull as "isNullable",
      substring(pg_get_expr(d.adbin, d.adrelid) from $$^nextval\\('([a-z_]+)'::regclass\\)$$) as sequence,
      array_position(i.indkey::int2[], a.attnum) as place, d.oid is not null as "hasDefault"
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_index i on i.indrelid = c.oid and i.indisprimary
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relname = any(${[...TABLES]}::name[])
      and a.attname <> all('{tenant_id, listed_family_name}') and a.attgenerated = ''
    order by c.relname, a.attnum`.execute(db)
  const { rows: references } = await sql<{ table: string; parent: string }>`
    select conrelid::regclass::text as table, confrelid::regclass::text as parent
    from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`.execute(db)
  const byTable = Map.groupBy(rows, ({ table }) => table)
  return TABLES.map((name) => {
    const found = byTable.get(name)
    if (!found) throw new Error(`The table ${name} is not there, or has no primary key`)
    const key = found.filter(({ place }) => place !== null).sort((a, b) => a.place! - b.place!)
    return {
      name,
      key: key.map((column) => column.name),
      columns: found
        .filter(({ name, type }) => type !== TRANSACTION && name !== TRANSACTION_NODE)
        .map(({ table: _, place: __, hasDefault: ___, ...column }) => column),
      transactions: found
        .filter(({ type, hasDefault, isNullable }) => type === TRANSACTION && !hasDefault && !isNullable)
        .map((column) => column.name),
      parents: references.filter(({ table }) => table === name).map(({ parent }) => parent)
    }
  })
}

/** Whether a column holds the hash or the sealed form of a secret, by our naming of columns. */
const isCredential = ({ name }: TransferColumn) => /_(hash|sealed)$/.test(name)

/**
 * The same without passwords, tokens, links and sealed values: leaves out tables with a required credential and tables
 * that refer to these; of other tables, only the columns with credentials.
 */
export function withoutCredentials(tables: readonly TransferTable[]): TransferTable[] {
  const left = new Set<string>()
  const kept: TransferTable[] = []
  for (const table of tables) {
    const isSecret = table.columns.some((column) => isCredential(column) && !column.isNullable)
    if (isSecret || table.parents.some((parent) => left.has(parent))) left.add(table.name)
    else kept.push({ ...table, columns: table.columns.filter((column) => !isCredential(column)) })
  }
  return kept
}

/** A row has a column that its table or another row lacks. */
export class UnfitRow extends Error {}

/** Types with a JSON form; any other is transferred as PostgreSQL's text (json, too, to keep it to the letter). */
const NATURAL_TYPES = new Set(['boolean', 'smallint', 'integer', 'text', 'uuid', 'timestamp with time zone', 'bytea'])

/**
 * A stream's position in the event feed is a transaction's number and an id. As the number is not transferred, the id
 * becomes the newest one that was read, so that no event is sent twice. A number counted elsewhere than where the
 * events lie now is ignored.
 */
const cursorId = (tenantId: number) => sql`coalesce((
  select e.id from audit_events e
  where e.tenant_id = ${tenantId} and (e.xid, e.id) <= (t.cursor_xid, t.cursor_id)
    and coalesce(t.cursor_node = ${nodeOf(sql`e.tableoid::bigint`)}, true)
  order by e.id desc limit 1
), t.cursor_id) as cursor_id`

const ROWS_AT_ONCE = 1_000

/** Call it first in a transaction that exports a tenant and writes nothing. */
export async function beginSnapshot(trx: Trx, tenantId: number): Promise<void> {
  await readRepeatably(trx, tenantId, 'read only')
  // the export's reader may be slow
  await sql`set local idle_in_transaction_session_timeout = '10min'`.execute(trx)
  await sql`set local timezone = 'UTC'`.execute(trx)
}

/** Call it first in a transaction: all its reads then see the data as of its beginning, however long it takes. */
export async function readRepeatably(trx: Trx, tenantId: number, access: 'read only' | 'read write'): Promise<void> {
  await sql`set transaction isolation level repeatable read, ${sql.raw(access)}`.execute(trx)
  if (!isCitus(trx)) return
  // a node's snapshot is taken by the first statement on a connection, so each node may have only one connection
  await sql`set local citus.max_adaptive_executor_pool_size = 1`.execute(trx)
  await sql`select from users where tenant_id = ${tenantId} limit 1`.execute(trx)
  await sql`select from addresses where tenant_id = ${tenantId} limit 1`.execute(trx)
}

/** A table's rows in the order of its key, each as JSON text without a line break; up to 1,000 at a time. */
export async function* readTransferRows(trx: Trx, tenantId: number, table: TransferTable): AsyncGenerator<string[]> {
  const { columns, key } = table
  const selected = columns.map(({ name, type }) => {
    if (table.name === 'event_streams' && name === 'cursor_id') return cursorId(tenantId)
    // the shadow stays behind, and another database may use its id for another one
    if (table.name === 'scim_shadows' && name === 'shadow_id') return sql`null::int as shadow_id`
    return NATURAL_TYPES.has(type) ? sql`t.${sql.ref(name)}` : sql`t.${sql.ref(name)}::text as ${sql.ref(name)}`
  })
  const names = sql.join(key.map((name) => sql`t.${sql.ref(name)}`))
  const types = key.map((name) => columns.find((column) => column.name === name)!.type)
  let last: (string | null)[] | undefined
  do {
    const after = last
      ? sql`(${names}) > (${sql.join(last.map((value, index) => sql`${value}::${sql.raw(types[index]!)}`))})`
      : sql`true`
    const { rows } = await sql<{ row: string; key: string[] }>`
      select row_to_json(q)::text as row, array[${sql.join(key.map((name) => sql`q.${sql.ref(name)}::text`))}] as key
      from (
        select ${sql.join(selected)} from ${sql.table(table.name)} t
        where tenant_id = ${tenantId} and ${after} order by ${names} limit ${ROWS_AT_ONCE}
      ) q`.execute(trx)
    if (rows.length > 0) yield rows.map(({ row }) => row)
    last = rows.length === ROWS_AT_ONCE ? rows.at(-1)!.key : undefined
  } while (last)
}

/**
 * Inserts rows as readTransferRows returned them, parsed, in one statement.
 * @throws UnfitRow
 */
export async function insertTransferRows(
  trx: Trx,
  tenantId: number,
  table: TransferTable,
  rows: readonly TransferRow[]
): Promise<void> {
  const names = Object.keys(rows[0] ?? {})
  const columns = names.map((name) => {
    const column = table.columns.find((one) => one.name === name)
    if (!column) throw new UnfitRow(`${table.name} has no column ${name}`)
    return column
  })
  const wanted = names.join()
  if (rows.some((row) => Object.keys(row).join() !== wanted))
    throw new UnfitRow(`Rows of ${table.name} differ in columns`)
  // on a cluster a node numbers its events, and the numbers are unknown here: cursors are resolved by ids
  const isFoundAgain = isCitus(trx) && table.transactions.length > 0
  const filled = [...names, ...table.transactions, ...(isFoundAgain ? [TRANSACTION_NODE] : [])]
  const values = [
    ...columns.map(({ name, type }) => sql`(r.value->>${sql.lit(name)})::${sql.raw(type)}`),
    ...table.transactions.map(() => sql`pg_current_xact_id()`),
    ...(isFoundAgain ? [sql`''`] : [])
  ]
  await insertUncopied(
    trx,
    sql`
    insert into ${sql.table(table.name)} (tenant_id, ${sql.join(filled.map((name) => sql.ref(name)))})
    select ${tenantId}::int, ${sql.join(values)}
    from unnest(${rows.map((row) => JSON.stringify(row))}::json[]) r (value)`
  )
}

/** How far above the highest imported number a sequence continues. */
const NUMBERS_AHEAD = 100_000

/** Raises the sequences of the inserted tables, so that new rows get higher numbers. */
export async function raiseSequences(trx: Trx, tenantId: number, tables: readonly TransferTable[]): Promise<void> {
  for (const { name: table, columns } of tables) {
    for (const { name, sequence } of columns) {
      if (!sequence) continue
      // others take numbers meanwhile, but fewer than the step before this statement ends
      const { rows } = await sql<{ max: string | null }>`
        select max(${sql.ref(name)})::text as max from ${sql.table(table)} where tenant_id = ${tenantId}`.execute(trx)
      // on a cluster the sequence is on the coordinator, so it is not read in the statement that goes to a node
      await sql`
        select setval(${sequence}::regclass, ${rows[0]!.max}::bigint + ${NUMBERS_AHEAD})
        from ${sql.table(sequence)} where ${rows[0]!.max}::bigint >= last_value`.execute(trx)
    }
  }
}
