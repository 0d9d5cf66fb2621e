// A tenant's rows, table by table, as text that another database takes. What tables and columns there are is read
// from the catalogue, so that a table or column which is added later travels too.
import { sql } from 'kysely'
import { type Db, isCitus, type Trx } from './connect.ts'
import { nodeOf } from './event-feed.ts'
import { insertUncopied } from './rows.ts'
import { SEARCH_TABLES } from './search-index.ts'
import { TENANT_TABLES_LEAVES_FIRST } from './tenants.ts'

interface TransferColumn {
  readonly name: string
  /** PostgreSQL's, such as `timestamp with time zone`. */
  readonly type: string
  readonly isNullable: boolean
  /** The sequence that numbers it; null for others. */
  readonly sequence: string | null
}

export interface TransferTable {
  readonly name: string
  /** All but tenant_id, what the database makes itself, and who is in the list of family names, which stays behind. */
  readonly columns: readonly TransferColumn[]
  /** The primary key's columns without tenant_id, in order. */
  readonly key: readonly string[]
  /** The tables that its rows refer to. */
  readonly parents: readonly string[]
  /**
   * Columns without a default that hold a transaction's number, which means something in its own database alone: there
   * the numbers of all that is imported are one, and the order is that of the ids.
   */
  readonly transactions: readonly string[]
}

/** What follows from the users, and is made anew. */
export const DERIVED_TABLES: ReadonlySet<string> = new Set([...SEARCH_TABLES, 'user_family_names'])

/** Every table with a tenant's rows, those first that others refer to. */
const TABLES = [...TENANT_TABLES_LEAVES_FIRST]
  .filter((table) => !DERIVED_TABLES.has(table))
  .reverse()
  .concat(['audit_events' as never]) as readonly string[]

const TRANSACTION = 'xid8'
/** Where a transaction was counted, which means something in its own database alone, too. */
const TRANSACTION_NODE = 'cursor_node'

/** A row as JSON whose values cast to their column's type: `{"id": "…", "version": 3, "doc": "{…}", "locked": false}`. */
export type TransferRow = Record<string, unknown>

/** @throws Error where a table of a tenant has no primary key */
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

/** A secret's hash or its sealed form, as our columns name them. */
const isCredential = ({ name }: TransferColumn) => /_(hash|sealed)$/.test(name)

/**
 * The same tables without passwords, tokens, links and what is sealed: such rows are left out, and what refers to them,
 * or such columns are null.
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

/** A row has a column that its table has not, or that another row has not. */
export class UnfitRow extends Error {}

/** These read as what they are in JSON; any other travels as PostgreSQL's text (json too: it is kept to the letter). */
const NATURAL_TYPES = new Set(['boolean', 'smallint', 'integer', 'text', 'uuid', 'timestamp with time zone', 'bytea'])

/**
 * Where a stream stands in the feed of events is a transaction's number and an id; without the number it is the newest id
 * that has been read, so that no event is sent twice. A number from where the events do not lie any more says nothing.
 */
const cursorId = (tenantId: number) => sql`coalesce((
  select e.id from audit_events e
  where e.tenant_id = ${tenantId} and (e.xid, e.id) <= (t.cursor_xid, t.cursor_id)
    and coalesce(t.cursor_node = ${nodeOf(sql`e.tableoid::bigint`)}, true)
  order by e.id desc limit 1
), t.cursor_id) as cursor_id`

const ROWS_AT_ONCE = 1_000

/** To be called first in a transaction that reads a tenant to write it out, and writes nothing. */
export async function beginSnapshot(trx: Trx, tenantId: number): Promise<void> {
  await readRepeatably(trx, tenantId, 'read only')
  // who reads may be slow
  await sql`set local idle_in_transaction_session_timeout = '10min'`.execute(trx)
  await sql`set local timezone = 'UTC'`.execute(trx)
}

/** To be called first in a transaction: what is read is what was there at its beginning, however long it takes. */
export async function readRepeatably(trx: Trx, tenantId: number, access: 'read only' | 'read write'): Promise<void> {
  await sql`set transaction isolation level repeatable read, ${sql.raw(access)}`.execute(trx)
  if (!isCitus(trx)) return
  // the moment of a node is that of the first statement on its connection, so that each is to have one alone
  await sql`set local citus.max_adaptive_executor_pool_size = 1`.execute(trx)
  await sql`select from users where tenant_id = ${tenantId} limit 1`.execute(trx)
  await sql`select from addresses where tenant_id = ${tenantId} limit 1`.execute(trx)
}

/** A table's rows in the order of its key, each as JSON text without a line break, up to 1,000 at once. */
export async function* readTransferRows(trx: Trx, tenantId: number, table: TransferTable): AsyncGenerator<string[]> {
  const { columns, key } = table
  const selected = columns.map(({ name, type }) => {
    if (table.name === 'event_streams' && name === 'cursor_id') return cursorId(tenantId)
    // the shadow stays behind, and its number may be another one's elsewhere
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
 * Inserts rows as they were read, in one statement.
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
  // on a cluster the numbers of events are their node's, and not known here: cursors are found again by ids
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

/** Numbers that are given next to others' rows begin above the ones that came along. */
const NUMBERS_AHEAD = 100_000

/** Moves the sequences of what was inserted, so that what is made from now on comes behind it. */
export async function raiseSequences(trx: Trx, tenantId: number, tables: readonly TransferTable[]): Promise<void> {
  for (const { name: table, columns } of tables) {
    for (const { name, sequence } of columns) {
      if (!sequence) continue
      // others take numbers meanwhile: the step is larger than what they can take before this statement ends
      const { rows } = await sql<{ max: string | null }>`
        select max(${sql.ref(name)})::text as max from ${sql.table(table)} where tenant_id = ${tenantId}`.execute(trx)
      // on a cluster it is the coordinator's, so not in the statement that asks a node
      await sql`
        select setval(${sequence}::regclass, ${rows[0]!.max}::bigint + ${NUMBERS_AHEAD})
        from ${sql.table(sequence)} where ${rows[0]!.max}::bigint >= last_value`.execute(trx)
    }
  }
}
