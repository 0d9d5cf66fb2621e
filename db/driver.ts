// The driver of a Db: sends statements of one tenant alone, several in one transaction, or reads together.
import { CompiledQuery, type DatabaseConnection, type Driver, PostgresDriver } from 'kysely'
import type pg from 'pg'
import { preparedName, statementName } from './client.ts'
import { ReadGatherer, type TakeRow } from './gather-reads.ts'
import { WriteGatherer } from './gather-writes.ts'
import { toParameter } from './parameters.ts'
import { SentRow } from './sent-rows.ts'
import { AS_SENT, beginning, type ClientManners, type Fields, queryAsTenant } from './tenant-query.ts'
import { type TraceStatement, traced } from './trace.ts'

type Connection = Parameters<PostgresDriver['releaseConnection']>[0]

/** Runs a Db's statements on a pool, or in one transaction that is rolled back (sandbox.ts). */
export interface TenantDriver extends Driver {
  /** Begins a transaction that sees one tenant's rows; `commitTransaction` or `rollbackTransaction` ends it. */
  beginAsTenant(connection: DatabaseConnection, tenantId: number): void
  /** Runs one statement in a transaction of its own that sees one tenant's rows. @returns the rows */
  writeAsTenant(tenantId: number, query: CompiledQuery): Promise<unknown[]>
  /** The same for several statements, in one transaction. @returns the rows of each, as sent by PostgreSQL */
  writeAllAsTenant(tenantId: number, queries: readonly CompiledQuery[]): Promise<Fields[][]>
  /** The same for a statement that reads; may share an exchange with others. */
  readAsTenant(tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void>
  /** Lends a connection of `pg`, for reads that bypass Kysely. */
  connect(): Promise<pg.PoolClient>
  readonly trace?: TraceStatement
}

/** Whether String() is enough to send a value. */
const isPlain = (value: unknown) => value === null || ['string', 'number', 'boolean'].includes(typeof value)
const toText = (value: unknown) => (value === null ? null : String(value))

export class PipeliningDriver extends PostgresDriver implements TenantDriver {
  private readonly pool: pg.Pool
  private readonly manners: ClientManners
  readonly gatherer: ReadGatherer
  readonly writes: WriteGatherer

  constructor(pool: pg.Pool, manners: ClientManners) {
    super({ pool })
    this.pool = pool
    this.manners = manners
    this.gatherer = new ReadGatherer(pool)
    this.writes = new WriteGatherer(pool, !manners.setsLocally)
  }

  override async beginTransaction(connection: Connection, settings: Parameters<Driver['beginTransaction']>[1]) {
    if (settings.isolationLevel || settings.accessMode) return super.beginTransaction(connection, settings)
    sendAhead(connection, 'begin')
  }

  beginAsTenant(connection: DatabaseConnection, tenantId: number): void {
    for (const text of beginning(tenantId, this.manners)) sendAhead(connection, text)
  }

  async writeAsTenant(tenantId: number, query: CompiledQuery): Promise<unknown[]> {
    return this.runAsTenant(tenantId, query)
  }

  async writeAllAsTenant(tenantId: number, queries: readonly CompiledQuery[]): Promise<Fields[][]> {
    const statements = queries.map(({ sql: text, parameters }) => ({
      name: statementName(text),
      text,
      values: parameters.map(toParameter)
    }))
    return this.writes.write({ tenantId, statements })
  }

  async readAsTenant(tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void> {
    const { sql: text, parameters } = query
    const name = preparedName(text)
    if (name !== undefined && parameters.every(isPlain)) {
      const read = { tenantId, statement: { name, text, values: parameters.map(toText) }, take }
      return this.gatherer.isSlow(name) ? this.gatherer.readAlone(read) : this.gatherer.read(read)
    }
    for (const fields of await this.runAsTenant<Fields>(tenantId, query, AS_SENT)) take(SentRow.of(fields))
  }

  private async runAsTenant<Row>(
    tenantId: number,
    { sql: text, parameters }: CompiledQuery,
    options: Partial<typeof AS_SENT> = {}
  ): Promise<Row[]> {
    const client = await this.pool.connect()
    try {
      const query = { name: preparedName(text), text, values: [...parameters], ...options }
      return (await queryAsTenant(client, tenantId, query)).rows as Row[]
    } finally {
      client.release()
    }
  }

  connect(): Promise<pg.PoolClient> {
    return this.pool.connect()
  }
}

/** Also traces the statements whose form the tracing client does not recognise. */
export class TracingDriver extends PipeliningDriver {
  readonly trace: TraceStatement

  constructor(pool: pg.Pool, manners: ClientManners, trace: TraceStatement) {
    super(pool, manners)
    this.trace = trace
  }

  override readAsTenant(tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void> {
    return traced(this.trace, query.sql, () => super.readAsTenant(tenantId, query, take))
  }

  override writeAsTenant(tenantId: number, query: CompiledQuery): Promise<unknown[]> {
    return traced(this.trace, query.sql, () => super.writeAsTenant(tenantId, query))
  }

  override writeAllAsTenant(tenantId: number, queries: readonly CompiledQuery[]): Promise<Fields[][]> {
    const text = queries.map((query) => query.sql).join(';\n')
    return traced(this.trace, text, () => super.writeAllAsTenant(tenantId, queries))
  }
}

/** Sends a statement without awaiting its answer: the next one follows in the same write (`pg`'s pipeline mode). */
export function sendAhead(connection: DatabaseConnection, text: string): void {
  // a failure breaks the connection or the transaction, so the next statement reports it
  connection.executeQuery(CompiledQuery.raw(text)).catch(() => {})
}
