// Frequent statements, whose texts are built once.
import { type CompiledQuery, type Expression, type RawBuilder, sql } from 'kysely'
import { type Db, driverOf, isCitus, readRowsInTenant, readStatement } from './connect.ts'
import { type ColumnTypes, columnSet, columnsOf, oneRow } from './rows.ts'
import type { Fields } from './tenant-query.ts'

class Placeholder {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** Stand for the values in a statement whose text is built before they are known. */
export type Placeholders<Values> = Record<keyof Values | 'tenantId', unknown>

/**
 * `readInTenant` for a frequent statement: its text is built once.
 * @param build receives a placeholder for each value: `({ id }) => sql\`select … where id = ${id}\``
 */
export function prepareRead<Row, Values extends Record<string, unknown>>(
  build: (placeholders: Placeholders<Values>) => RawBuilder<Row>
): (db: Db, tenantId: number, values: Values) => Promise<Row[]> {
  const prepared = prepare<Row>((placeholders) =>
    readStatement(new Placeholder('tenant'), build(placeholders as Placeholders<Values>))
  )
  // a setting made within a statement does not reach the nodes of a cluster
  const onCitus = prepareWrite<Row, Values>(build)
  return async (db, tenantId, values) => {
    if (isCitus(db)) return onCitus(db, tenantId, values)
    return (await db.executeQuery<Row>(prepared(db, { ...values, tenantId, tenant: String(tenantId) }))).rows
  }
}

/**
 * A look-up of one row that shares its exchange with other reads of the moment: for what a request waits for when it is
 * not in a cache. The row travels as JSON.
 * @param times the columns that are times: text in JSON, `Date` in the row
 */
export function prepareLookup<Row>(
  build: (db: Db, placeholders: Record<string, unknown>) => Expression<unknown>,
  times: readonly (keyof Row & string)[]
): (db: Db, tenantId: number, values: Record<string, string>) => Promise<Row | undefined> {
  let prepared: ReturnType<typeof prepare> | undefined
  return async (db, tenantId, values) => {
    prepared ??= prepare((p) => sql`select to_json(found)::text from (${build(db, p)}) as found`)
    let found: Row | undefined
    await readRowsInTenant(db, tenantId, prepared(db, { ...values, tenantId }), (row) => {
      const json = JSON.parse(row.fields()[0]!)
      for (const name of times) json[name] = json[name] && new Date(json[name])
      found = json
    })
    return found
  }
}

/**
 * One statement that changes one tenant's rows, in a transaction of its own and one round trip. A statement that fails
 * changes nothing. Its text is built once, as in prepareRead.
 */
export function prepareWrite<Row, Values extends Record<string, unknown>>(
  build: (placeholders: Placeholders<Values>) => RawBuilder<Row>
): (db: Db, tenantId: number, values: Values) => Promise<Row[]> {
  const prepared = prepare<Row>((placeholders) => build(placeholders as Placeholders<Values>))
  return async (db, tenantId, values) =>
    (await driverOf(db).writeAsTenant(tenantId, prepared(db, { ...values, tenantId }))) as Row[]
}

/**
 * Runs statements that change one tenant's rows in one round trip and one transaction (`prepare` makes them). If one
 * fails, nothing is changed. Each statement sees what others have committed by the time it runs.
 * @returns the rows of each, as sent by PostgreSQL
 */
export const writeTogether = (db: Db, tenantId: number, statements: readonly CompiledQuery[]): Promise<Fields[][]> =>
  driverOf(db).writeAllAsTenant(tenantId, statements)

/**
 * Fails the transaction (see isOutdated) if what it was computed from no longer holds.
 * @param holds a boolean expression
 */
export const requireCurrent = (holds: RawBuilder<unknown>): RawBuilder<unknown> => sql`select require_current(${holds})`

export const isOutdated = (error: unknown): boolean => (error as { code?: string } | undefined)?.code === 'MB409'

/** A statement whose text is built once, and whose values are filled in each time. */
export function prepare<Row>(build: (placeholders: Record<string, unknown>) => RawBuilder<Row>) {
  let compiled: CompiledQuery<Row> | undefined
  const placeholders = new Proxy({} as Record<string, unknown>, {
    get: (_, name) => new Placeholder(String(name))
  })
  return (db: Db, values: Record<string, unknown>): CompiledQuery<Row> => {
    compiled ??= build(placeholders).compile(db)
    const parameters = compiled.parameters.map((parameter) =>
      parameter instanceof Placeholder ? values[parameter.name] : parameter
    )
    return { ...compiled, parameters }
  }
}

/**
 * A statement on rows, in two forms: for one row, each value is a parameter, because unpacking arrays and joining with
 * their contents takes a fifth of such a statement's time.
 * @param build receives a function that gives the rows, under a name, as what follows `from`
 */
export function prepareForRows(
  types: ColumnTypes,
  build: (placeholders: Record<string, unknown>, rowsAs: (name: string) => RawBuilder<unknown>) => RawBuilder<unknown>
) {
  const many = prepare((p) => build(p, (name) => columnSet(name, types, p)))
  const one = prepare((p) => build(p, (name) => oneRow(name, types, p)))
  return (db: Db, values: Record<string, unknown>, rows: readonly Record<string, unknown>[]): CompiledQuery =>
    rows.length === 1 ? one(db, { ...rows[0], ...values }) : many(db, { ...values, ...columnsOf(types, rows) })
}
