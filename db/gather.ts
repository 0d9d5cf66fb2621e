// Look-ups by key that arrive together are sent together: one exchange with PostgreSQL, with one statement for each
// tenant. A system call, a transaction and the start of a plan for each look-up would cost more than its row.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type pg from 'pg'
import { statementName } from './client.ts'
import { countAsWaiting, type Db, driverOf } from './connect.ts'
import { type Placeholders, prepare } from './prepared.ts'
import type { SentRow } from './sent-rows.ts'
import { type Fields, readAsTenants, type TenantRead } from './tenant-query.ts'
import { type TraceStatement, traced } from './trace.ts'

/** Maximum number of look-ups in one exchange. */
const MAX_GATHERED = 64
/** This many are sent without delay, so that PostgreSQL works on them while this process reads further requests. */
const ENOUGH = 8
/**
 * Maximum number of exchanges under way; what arrives meanwhile goes with the next one. With more of them each would
 * hold fewer look-ups, and its fixed cost, a third of the whole, would be paid more often.
 */
const MAX_UNDER_WAY = 2

/** Further values that all look-ups of a statement share. */
type Given = Readonly<Record<string, string>>
type Prepared = ReturnType<typeof prepare>

interface Lookup {
  readonly statement: Prepared
  readonly tenantId: number
  readonly given: Given
  readonly key: string
  found(fields: Fields | undefined): void
  failed(error: Error): void
}

/**
 * A look-up of one row by a key, for frequent use.
 * @param build the select for a list of keys (see usersSought); its first column is the key, as exactly the text that
 *   the caller passes
 * @param toRow makes a row from the column texts
 */
export function gatheredLookup<Row, Values extends Given>(
  build: (placeholders: Placeholders<Values & { keys: string }>) => RawBuilder<unknown>,
  toRow: (fields: Fields) => Row
): (db: Db, tenantId: number, given: Values, key: string) => Promise<Row | undefined> {
  const statement = prepare((placeholders) => build(placeholders as Placeholders<Values & { keys: string }>))
  return (db, tenantId, given, key) => {
    const gatherer = gathererOf(db)
    const ask = () =>
      new Promise<Row | undefined>((resolve, failed) => {
        const found = (fields: Fields | undefined) => resolve(fields && toRow(fields))
        gatherer.add({ statement, tenantId, given, key, found, failed })
      })
    return gatherer.trace ? traced(gatherer.trace, statement(db, {}).sql, ask) : ask()
  }
}

const gatherers = new WeakMap<Db, Gatherer>()

function gathererOf(db: Db): Gatherer {
  let gatherer = gatherers.get(db)
  if (!gatherer) {
    gatherer = new Gatherer(db)
    gatherers.set(db, gatherer)
  }
  return gatherer
}

class Gatherer {
  readonly trace: TraceStatement | undefined
  private readonly db: Db
  private waiting: Lookup[]
  private underWay: number
  private isScheduled: boolean

  constructor(db: Db) {
    this.db = db
    this.trace = driverOf(db).trace
    this.waiting = []
    this.underWay = 0
    this.isScheduled = false
    countAsWaiting(db, () => this.waiting.length)
  }

  add(lookup: Lookup): void {
    this.waiting.push(lookup)
    this.schedule()
  }

  /** Sends at once if enough wait; otherwise once every request that has arrived by now has asked for what it needs. */
  private schedule(): void {
    if (this.waiting.length === 0 || this.underWay >= MAX_UNDER_WAY) return
    if (this.waiting.length >= ENOUGH) {
      void this.run()
    } else if (!this.isScheduled) {
      this.isScheduled = true
      setImmediate(() => {
        this.isScheduled = false
        if (this.waiting.length > 0 && this.underWay < MAX_UNDER_WAY) void this.run()
      })
    }
  }

  private async run(): Promise<void> {
    // no look-up joins an exchange that was sent: it might miss what was written since
    const lookups = this.waiting.splice(0, MAX_GATHERED)
    let client: pg.PoolClient | undefined
    this.underWay++
    try {
      client = await driverOf(this.db).connect()
      const { passedOver, isLost } = await readAsTenants(client, gather(this.db, lookups))
      client.release(isLost)
      this.waiting.unshift(...(passedOver as readonly GatheredRead[]).flatMap((read) => read.lookups))
    } catch (error) {
      client?.release(true)
      for (const { failed } of lookups) failed(error as Error)
    } finally {
      this.underWay--
      this.schedule()
    }
  }
}

function gather(db: Db, lookups: readonly Lookup[]): GatheredRead[] {
  const groups: Lookup[][] = []
  for (const lookup of lookups) {
    const group = groups.find(([first]) => goTogether(lookup, first!))
    if (group) group.push(lookup)
    else groups.push([lookup])
  }
  return groups.map((group) => new GatheredRead(db, group))
}

const goTogether = (a: Lookup, b: Lookup): boolean =>
  a.tenantId === b.tenantId &&
  a.statement === b.statement &&
  Object.keys(a.given).every((name) => a.given[name] === b.given[name])

/** The look-ups of one tenant by one statement. */
class GatheredRead implements TenantRead {
  readonly tenantId: number
  readonly statement: TenantRead['statement']
  readonly lookups: readonly Lookup[]
  private readonly rows: Map<string | null, Fields>

  constructor(db: Db, lookups: readonly Lookup[]) {
    const { tenantId, statement, given } = lookups[0]!
    const keys = arrayText(lookups.map(({ key }) => key))
    const { sql: text, parameters } = statement(db, { ...given, tenantId, keys })
    this.tenantId = tenantId
    this.statement = { name: statementName(text), text, values: parameters.map(String) }
    this.lookups = lookups
    this.rows = new Map()
  }

  take(row: SentRow): void {
    const fields = row.fields()
    this.rows.set(fields[0]!, fields)
  }

  done(): void {
    for (const { key, found } of this.lookups) found(this.rows.get(key))
  }

  failed(error: Error): void {
    for (const { failed } of this.lookups) failed(error)
  }
}

/** An array of text in PostgreSQL's notation. */
const arrayText = (items: readonly string[]): string =>
  `{${items.map((item) => `"${item.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`

/**
 * What follows `from` in a look-up of users by keys (`sought.key`). It forces one index look-up per key: plans are
 * kept, and for a tenant of average size the planner may find it cheaper to read all users.
 * @param holds a condition on the user, which may determine the index
 */
export const usersSought = (
  tenantId: unknown,
  keys: unknown,
  column: 'id' | 'user_name_key',
  type: 'uuid' | 'text',
  holds: RawBuilder<SqlBool> = sql`true`
): RawBuilder<unknown> => sql`
  unnest(${keys}::${sql.raw(type)}[]) as sought (key)
  cross join lateral (
    select * from users where users.tenant_id = ${tenantId} and ${sql.ref(`users.${column}`)} = sought.key and ${holds}
    offset 0
  ) as users`
