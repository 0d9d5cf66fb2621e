// Statements and the setting that row-level security needs, in one round trip. PostgreSQL runs all that comes between
// two Sync messages as one transaction (PostgreSQL, protocol flow, pipelining), which saves BEGIN and COMMIT with their
// answers. `pg` sends a Sync after each of its queries; this query sends the setting along.
//
// Two kinds of databases differ: behind a pooler in transaction mode no statement stays prepared, so each statement's
// text is sent along; and Citus passes SET LOCAL on to its workers only in a transaction block.
import pg from 'pg'
import type { Parameter } from './parameters.ts'
import { type RowTaker, SentRow } from './sent-rows.ts'

// generic plans, because the statements after it run all the time, and planning one costs more than running it
export const SET_TENANT = {
  name: 'set_tenant',
  text: "select set_config('app.tenant', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true)"
}

/** What `connect` knows of the database that a client is connected to. */
export interface ClientManners {
  /** Whether statements stay prepared on the connection under their names. */
  readonly prepares: boolean
  /** Whether the tenant is set by SET LOCAL, in a transaction block around each statement. */
  readonly setsLocally: boolean
  /** Whether the client is already in a transaction block, which somebody else ends. */
  readonly isInBlock?: boolean
}

export const mannersOf = (client: pg.PoolClient) => (client as unknown as { manners: ClientManners }).manners

/**
 * SET LOCAL is not planned and returns no row, unlike a select of set_config(). Forces generic plans, because planning
 * such statements for each value takes longer than running them; not on Citus, whose generic plans ask every node.
 */
export function setTenant(tenantId: number, { setsLocally }: Pick<ClientManners, 'setsLocally'>): string {
  const tenant = `set local app.tenant = '${Number(tenantId)}'`
  return setsLocally ? tenant : `${tenant}; set local plan_cache_mode = force_generic_plan`
}

/** Begins a transaction that sees one tenant's rows. On Citus, which repeats a setting's text, `begin` is sent alone. */
export const beginning = (tenantId: number, manners: ClientManners): string[] =>
  manners.setsLocally ? ['begin', setTenant(tenantId, manners)] : [`begin; ${setTenant(tenantId, manners)}`]

/** What is used of pg's connection; its types leave it out. */
interface Wire {
  parsedStatements: Record<string, string | undefined>
  submittedNamedStatements: Record<string, string | undefined>
  parse(config: { name: string; text: string }): void
  bind(config: { statement: string; values: readonly Parameter[] }): void
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

/** Sends Bind and Execute for a statement, after a Parse if it is not prepared; the caller sends the Sync. */
function execute(
  connection: Wire,
  { name, text, values }: { name: string; text: string; values: readonly Parameter[] },
  isPrepared: boolean
): void {
  if (!isPrepared) connection.parse({ name: '', text })
  connection.bind({ statement: isPrepared ? name : '', values })
  connection.execute({ portal: '' })
}

class TenantQuery extends (pg.Query as unknown as QueryClass) {
  private readonly tenantId: number
  private readonly isPrepared: boolean
  private isTenantSet: boolean

  constructor(
    tenantId: number,
    config: pg.QueryConfig,
    isPrepared: boolean,
    callback: (error: Error | null, result: pg.QueryResult) => void
  ) {
    super(isPrepared ? config : { ...config, name: undefined }, callback)
    this.tenantId = tenantId
    this.isPrepared = isPrepared
    this.isTenantSet = false
  }

  override prepare(connection: Wire): void {
    execute(connection, { ...SET_TENANT, values: [String(this.tenantId)] }, this.isPrepared)
    super.prepare(connection)
  }

  /** Drops the row of the setting. */
  override handleDataRow(message: { fields: Fields }): void {
    if (this.isTenantSet) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.isTenantSet) super.handleCommandComplete(message, connection)
    else this.isTenantSet = true
  }
}

/** Prepares a statement ahead of the query that uses it, once for each connection. */
class Preparation extends (pg.Query as unknown as QueryClass) {
  override prepare(connection: Wire): void {
    connection.parse({ name: this.name, text: this.text })
    connection.submittedNamedStatements[this.name] = this.text
    connection.sync()
  }
}

/** @param failed gets the error if it could not be prepared, before the query that uses it fails */
export function prepareOnce(
  client: pg.PoolClient,
  statement: { name: string; text: string },
  failed: (error: Error) => void = () => {}
): void {
  if (!mannersOf(client).prepares) return
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
  const { prepares, setsLocally } = mannersOf(client)
  if (setsLocally) return queryInBlock(client, tenantId, prepares ? config : { ...config, name: undefined })
  prepareOnce(client, SET_TENANT)
  return new Promise((resolve, reject) => {
    const query = new TenantQuery(tenantId, config, prepares, (error, result) =>
      error ? reject(error) : resolve(result)
    )
    client.query(query)
  })
}

/** The same with BEGIN and COMMIT. If a statement that is sent ahead fails, the one after it fails too. */
async function queryInBlock(client: pg.PoolClient, tenantId: number, config: pg.QueryConfig): Promise<pg.QueryResult> {
  if (mannersOf(client).isInBlock) {
    client.query(setTenant(tenantId, mannersOf(client))).catch(() => {})
    return client.query(config)
  }
  for (const text of beginning(tenantId, mannersOf(client))) client.query(text).catch(() => {})
  try {
    const result = await client.query(config)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

/** A row as it is sent: text or null, in the order of the select list. */
export type Fields = readonly (string | null)[]

/** Query options that return rows in that form. */
export const AS_SENT = {
  rowMode: 'array' as const,
  types: { getTypeParser: () => (text: string) => text } as pg.CustomTypesConfig
}

/** A read of one tenant's rows that shares its round trip with others. */
export interface TenantRead {
  readonly tenantId: number
  readonly statement: { readonly name: string; readonly text: string; readonly values: readonly Parameter[] }
  /** Gets each row as it arrives; must not throw. */
  take(row: SentRow): void
  /** Called after the last row. */
  done(): void
  failed(error: Error): void
}

export class TenantReads extends (pg.Query as unknown as QueryClass) implements RowTaker {
  private readonly reads: readonly TenantRead[]
  /** The index of the read that is being answered. */
  private at: number
  /** How many results come before that read's: 1, the setting's, if the tenant changes; else 0. */
  private settings: number
  private readonly isPrepared: boolean
  private readonly setting: typeof SET_TENANT

  constructor(
    reads: readonly TenantRead[],
    { isPrepared, setting = SET_TENANT }: { isPrepared: boolean; setting?: typeof SET_TENANT },
    ended: (error: Error | null) => void
  ) {
    // a string, because pg would copy an object
    super('', ended)
    this.reads = reads
    this.isPrepared = isPrepared
    this.setting = setting
    this.at = 0
    this.settings = this.settingsBefore(0)
  }

  override prepare(connection: Wire): void {
    this.reads.forEach(({ tenantId, statement }, index) => {
      if (this.settingsBefore(index) > 0) {
        execute(connection, { ...this.setting, values: [String(tenantId)] }, this.isPrepared)
      }
      execute(connection, statement, this.isPrepared)
    })
    connection.sync()
  }

  override requiresPreparation(): boolean {
    return true
  }

  private settingsBefore(index: number): number {
    return index > 0 && this.reads[index - 1]!.tenantId === this.reads[index]!.tenantId ? 0 : 1
  }

  takeRow(row: SentRow): void {
    // drops the row of the setting
    if (this.settings === 0) this.reads[this.at]!.take(row)
  }

  override handleCommandComplete(): void {
    if (this.settings > 0) {
      this.settings--
      return
    }
    this.reads[this.at++]!.done()
    if (this.at < this.reads.length) this.settings = this.settingsBefore(this.at)
  }

  /** How many reads have been answered. */
  get answered(): number {
    return this.at
  }

  /** Fails the read that was being answered; if the connection is lost, all unanswered reads. */
  failWith(error: Error): Exchanged {
    const isLost = isLostBy(error)
    const end = isLost ? this.reads.length : this.at + 1
    for (const read of this.reads.slice(this.at, end)) read.failed(error)
    return { passedOver: this.reads.slice(end), isLost }
  }
}

export interface Exchanged {
  /** Reads that were not run because one before them failed: they can be sent again. */
  readonly passedOver: readonly TenantRead[]
  /** Whether the connection is lost. */
  readonly isLost: boolean
}

/**
 * Runs reads of one or several tenants in one round trip; each sees its own tenant's rows. If one fails, the others do
 * not, unless the connection is lost.
 */
export function readAsTenants(client: pg.PoolClient, reads: readonly TenantRead[]): Promise<Exchanged> {
  const { prepares, setsLocally } = mannersOf(client)
  if (setsLocally) return readInBlocks(client, reads)
  let unprepared: Error | undefined
  prepareOnce(client, SET_TENANT)
  for (const { statement } of reads) {
    prepareOnce(client, statement, (error) => {
      unprepared = error
    })
  }
  return new Promise((resolve) => {
    const query: TenantReads = new TenantReads(reads, { isPrepared: prepares }, (error) =>
      resolve(error ? query.failWith(unprepared ?? error) : { passedOver: [], isLost: false })
    )
    client.query(query)
  })
}

/** One after the other, each in a transaction of its own. */
async function readInBlocks(client: pg.PoolClient, reads: readonly TenantRead[]): Promise<Exchanged> {
  const { prepares } = mannersOf(client)
  for (const [index, read] of reads.entries()) {
    const { name, text, values } = read.statement
    const config = { name: prepares ? name : undefined, text, values: [...values], ...AS_SENT }
    try {
      const { rows } = await queryInBlock(client, read.tenantId, config)
      for (const row of rows as Fields[]) read.take(SentRow.of(row))
      read.done()
    } catch (error) {
      const isLost = isLostBy(error)
      const failed = isLost ? reads.slice(index) : [read]
      for (const each of failed) each.failed(error as Error)
      if (isLost) return { passedOver: [], isLost }
    }
  }
  return { passedOver: [], isLost: false }
}

/** Whether an error ends the connection. */
export const isLostBy = (error: unknown): boolean => (error as { severity?: string }).severity !== 'ERROR'
