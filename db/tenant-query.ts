// Statements and the setting that row-level security asks for, in one exchange with PostgreSQL: what is executed
// between two Sync messages is one transaction (PostgreSQL, protocol flow, pipelining), so BEGIN and COMMIT, with an
// answer each, are saved. `pg` sends a Sync behind each of its queries; this query brings the setting along.
import pg from 'pg'

// What comes behind it is asked all the time: a plan that is made anew for each value costs more than the statement
const SET_TENANT = {
  name: 'set_tenant',
  text: "select set_config('app.tenant', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true)"
}

/** What of pg's connection is used here; its types leave it out. */
interface Wire {
  parsedStatements: Record<string, string | undefined>
  submittedNamedStatements: Record<string, string | undefined>
  parse(config: { name: string; text: string }): void
  bind(config: { statement: string; values: readonly (string | null)[] }): void
  execute(config: { portal: string }): void
  sync(): void
}

interface QueryInternals {
  readonly name: string
  readonly text: string
  requiresPreparation(): boolean
  prepare(connection: Wire): void
  handleRowDescription(message: unknown): void
  handleDataRow(message: { fields: Fields }): void
  handleCommandComplete(message: unknown, connection: Wire): void
}
type QueryClass = new (
  config: pg.QueryConfig | string,
  callback: (error: Error | null, result: pg.QueryResult) => void
) => QueryInternals & pg.Submittable

class TenantQuery extends (pg.Query as unknown as QueryClass) {
  private readonly tenantId: number
  private isTenantSet: boolean

  constructor(
    tenantId: number,
    config: pg.QueryConfig,
    callback: (error: Error | null, result: pg.QueryResult) => void
  ) {
    super(config, callback)
    this.tenantId = tenantId
    this.isTenantSet = false
  }

  override prepare(connection: Wire): void {
    connection.bind({ statement: SET_TENANT.name, values: [String(this.tenantId)] })
    connection.execute({ portal: '' })
    super.prepare(connection)
  }

  /** The setting's row is nobody's. */
  override handleDataRow(message: { fields: Fields }): void {
    if (this.isTenantSet) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.isTenantSet) super.handleCommandComplete(message, connection)
    else this.isTenantSet = true
  }
}

/** Sends a statement's text ahead of what uses it, once for each connection. */
class Preparation extends (pg.Query as unknown as QueryClass) {
  override prepare(connection: Wire): void {
    connection.parse({ name: this.name, text: this.text })
    connection.submittedNamedStatements[this.name] = this.text
    connection.sync()
  }
}

/** @param failed is told why it could not be prepared, before what uses it fails */
function prepareOnce(
  client: pg.PoolClient,
  statement: { name: string; text: string },
  failed: (error: Error) => void = () => {}
): void {
  const { parsedStatements, submittedNamedStatements } = wireOf(client)
  if (statement.name in parsedStatements || statement.name in submittedNamedStatements) return
  client.query(new Preparation({ ...statement, values: [''] }, (error) => error && failed(error)))
}

const wireOf = (client: pg.PoolClient): Wire => (client as unknown as { connection: Wire }).connection

/** Runs a statement with at least one value, in a transaction of its own that sees one tenant's rows. */
export function queryAsTenant(
  client: pg.PoolClient,
  tenantId: number,
  config: pg.QueryConfig
): Promise<pg.QueryResult> {
  prepareOnce(client, SET_TENANT)
  return new Promise((resolve, reject) => {
    client.query(new TenantQuery(tenantId, config, (error, result) => (error ? reject(error) : resolve(result))))
  })
}

/** A row as it is sent: text or null, in the order of the select list. */
export type Fields = readonly (string | null)[]

/** Has a query answer rows in that form. */
export const AS_SENT = {
  rowMode: 'array' as const,
  types: { getTypeParser: () => (text: string) => text } as pg.CustomTypesConfig
}

/** A read of one tenant's rows that shares its exchange with others. */
export interface TenantRead {
  readonly tenantId: number
  readonly statement: { readonly name: string; readonly text: string; readonly values: readonly (string | null)[] }
  /** Is given each row as it comes. */
  take(fields: Fields): void
  /** After the last row. */
  done(): void
  failed(error: Error): void
}

class TenantReads extends (pg.Query as unknown as QueryClass) {
  private readonly reads: readonly TenantRead[]
  /** Which of them is being answered. */
  private at: number
  /** How many answers come before that one's: of the setting, where the tenant changes. */
  private settings: number

  constructor(reads: readonly TenantRead[], ended: (error: Error | null) => void) {
    // a text and no object, which would be copied
    super('', ended)
    this.reads = reads
    this.at = 0
    this.settings = this.settingsBefore(0)
  }

  override prepare(connection: Wire): void {
    this.reads.forEach(({ tenantId, statement }, index) => {
      if (this.settingsBefore(index) > 0) {
        connection.bind({ statement: SET_TENANT.name, values: [String(tenantId)] })
        connection.execute({ portal: '' })
      }
      connection.bind({ statement: statement.name, values: statement.values })
      connection.execute({ portal: '' })
    })
    connection.sync()
  }

  override requiresPreparation(): boolean {
    return true
  }

  private settingsBefore(index: number): number {
    return index > 0 && this.reads[index - 1]!.tenantId === this.reads[index]!.tenantId ? 0 : 1
  }

  override handleDataRow({ fields }: { fields: Fields }): void {
    // the setting's row is nobody's
    if (this.settings === 0) this.reads[this.at]!.take(fields)
  }

  override handleCommandComplete(): void {
    if (this.settings > 0) {
      this.settings--
      return
    }
    this.reads[this.at++]!.done()
    if (this.at < this.reads.length) this.settings = this.settingsBefore(this.at)
  }

  /** Fails the one that was being answered; with the connection all that have not been. */
  failWith(error: Error): Exchanged {
    const isLost = (error as { severity?: string }).severity !== 'ERROR'
    const end = isLost ? this.reads.length : this.at + 1
    for (const read of this.reads.slice(this.at, end)) read.failed(error)
    return { passedOver: this.reads.slice(end), isLost }
  }
}

export interface Exchanged {
  /** What was not run, because one before it failed: it can be asked again. */
  readonly passedOver: readonly TenantRead[]
  /** Whether the connection can be used no more. */
  readonly isLost: boolean
}

/**
 * Runs reads of one tenant or of several in one exchange: each of them sees its own tenant's rows. One that fails takes
 * no other along, unless the connection is lost.
 */
export function readAsTenants(client: pg.PoolClient, reads: readonly TenantRead[]): Promise<Exchanged> {
  let unprepared: Error | undefined
  prepareOnce(client, SET_TENANT)
  for (const { statement } of reads) {
    prepareOnce(client, statement, (error) => {
      unprepared = error
    })
  }
  return new Promise((resolve) => {
    const query: TenantReads = new TenantReads(reads, (error) =>
      resolve(error ? query.failWith(unprepared ?? error) : { passedOver: [], isLost: false })
    )
    client.query(query)
  })
}
