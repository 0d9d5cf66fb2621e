// Many rows in one statement, whose text does not depend on their number, so that it is prepared once.
import { type RawBuilder, sql } from 'kysely'
import { type Db, isCitus } from './connect.ts'
import type { Database } from './schema.ts'

/** PostgreSQL's type of each column that is written, in order: `{ tenant_id: 'int', id: 'uuid' }`. */
export type ColumnTypes = Record<string, string>

/**
 * Rows as a set to select from or join with: `unnest($1::int[], $2::uuid[]) as name (tenant_id, id)`.
 * Each column travels as one parameter; json columns take text of JSON.stringify().
 */
export const rowSet = (name: string, types: ColumnTypes, rows: readonly object[]) =>
  columnSet(name, types, columnsOf(types, rows))

/** The values of rows by column, as columnSet takes them. */
export const columnsOf = (types: ColumnTypes, rows: readonly object[]): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(types).map(([column, type]) => {
      const values = (rows as readonly Record<string, unknown>[]).map((row) => row[column])
      return [
        column,
        type === 'json' ? values.map((text) => text ?? '').join(SEPARATOR) : values.map((value) => value ?? null)
      ]
    })
  )

/** As rowSet. @param columns from columnsOf, or placeholders for them */
export function columnSet(name: string, types: ColumnTypes, columns: Record<string, unknown>): RawBuilder<unknown> {
  const names = Object.keys(types)
  const arrays = names.map((column) =>
    types[column] === 'json'
      ? sql`string_to_array(${columns[column]}, E'\\x1e', '')::json[]`
      : sql`${columns[column]}::${sql.raw(types[column]!)}[]`
  )
  return sql`unnest(${sql.join(arrays)}) as ${sql.ref(name)} (${sql.join(names.map((column) => sql.ref(column)))})`
}

/** The assignments of an update from such rows: every column but the id. */
export const assignmentsFrom = (name: string, types: ColumnTypes): RawBuilder<unknown> =>
  sql.join(
    Object.keys(types)
      .filter((column) => column !== 'id')
      .map((column) => sql`${sql.ref(column)} = ${sql.ref(`${name}.${column}`)}`)
  )

/** One row as a set, each value a parameter of its own. @param row the row, or placeholders for its values */
export const oneRow = (name: string, types: ColumnTypes, row: Record<string, unknown>): RawBuilder<unknown> => {
  const values = Object.entries(types).map(
    ([column, type]) => sql`${row[column]}::${sql.raw(type)} as ${sql.ref(column)}`
  )
  return sql`(select ${sql.join(values)}) as ${sql.ref(name)}`
}

// JSON contains this character only escaped, so no document holds it; in an array literal every quote needs escaping
const SEPARATOR = '\x1e'

/** Inserts any number of rows; columns that `types` leaves out take their defaults. */
export async function insertRows(
  db: Db,
  table: keyof Database & string,
  types: ColumnTypes,
  rows: readonly Record<string, unknown>[]
): Promise<void> {
  await insertRowsAnd(sql``, db, table, types, rows)
}

/**
 * As insertRows.
 * @param ending what follows the rows: `on conflict …`, `returning …`
 * @returns the rows of its `returning`
 */
export async function insertRowsAnd<Returned>(
  ending: RawBuilder<unknown>,
  db: Db,
  table: keyof Database & string,
  types: ColumnTypes,
  rows: readonly Record<string, unknown>[]
): Promise<Returned[]> {
  if (rows.length === 0) return []
  const names = sql.join(Object.keys(types).map((column) => sql.ref(column)))
  const insert = async (what: RawBuilder<unknown>) => {
    const result = await sql<Returned>`insert into ${sql.table(table)} (${names}) ${what} ${ending}`.execute(db)
    return result.rows
  }
  if (!isCitus(db)) return insert(sql`select ${names} from ${rowSet('new_rows', types, rows)}`)
  // Citus would COPY the rows of a select that reads no distributed table, which row-level security refuses
  const atOnce = Math.floor(MAX_PARAMETERS / Object.keys(types).length)
  const returned: Returned[] = []
  for (let from = 0; from < rows.length; from += atOnce) {
    returned.push(...(await insert(valuesOf(types, rows.slice(from, from + atOnce)))))
  }
  return returned
}

/**
 * Runs an insert from a select that reads no distributed table. Without a `returning`, Citus would COPY its rows to
 * their node, which row-level security refuses.
 * @param insert with nothing after the select
 */
export async function insertUncopied(db: Db, insert: RawBuilder<unknown>): Promise<void> {
  await (isCitus(db) ? sql`with made as (${insert} returning 1) select count(*) from made` : insert).execute(db)
}

/** PostgreSQL's limit for one statement. */
const MAX_PARAMETERS = 65_535

function valuesOf(types: ColumnTypes, rows: readonly Record<string, unknown>[]): RawBuilder<unknown> {
  const cellOf = (row: Record<string, unknown>, column: string, type: string) =>
    sql`${row[column] ?? null}::${sql.raw(type)}`
  const columns = Object.entries(types)
  const values = rows.map((row) => sql`(${sql.join(columns.map(([column, type]) => cellOf(row, column, type)))})`)
  return sql`values ${sql.join(values)}`
}
