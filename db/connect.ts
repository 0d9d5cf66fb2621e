// Connections to PostgreSQL: the pool, prepared statements, and the two ways in which a tenant's rows are reached.
import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import {
  type Compilable,
  CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type DialectAdapter,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresDriver,
  PostgresQueryCompiler,
  type QueryExecutor,
  type QueryResult,
  type RawBuilder,
  sql,
  Transaction
} from 'kysely'
import pg from 'pg'
import { watchAnswers } from './answers.ts'
import { ReadGatherer, type TakeRow } from './gather-reads.ts'
import { toParameter } from './parameters.ts'
import type { Database } from './schema.ts'
import { handOverRows, rowSocket, SentRow } from './sent-rows.ts'
import {
  AS_SENT,
  beginning,
  type ClientManners,
  type Fields,
  queryAsTenant,
  writeAsTenant as writeInOneExchange
} from './tenant-query.ts'
import { type TraceStatement, traced } from './trace.ts'

/** A pool or a transaction: what every query function takes first. */
export type Db = Kysely<Database>
/** A transaction that may see one tenant's rows; made by `inTenant`. */
export type Trx = Transaction<Database>

export interface ConnectOptions {
  /** postgres:// URL. */
  url: string
  /** Connections at most. */
  poolSize?: number
  /** Role to take on after connecting, so that the statements run with its rights alone. */
  role?: string
  applicationName?: string
  /** A statement that runs longer is cancelled; milliseconds, 0 for none. */
  statementTimeoutMs?: number
  /**
   * Whether the URL is that of a pooler in transaction mode, such as PgBouncer. Nothing is set on the connection then,
   * which is another one with each transaction: role and timeouts are those of the URL's user (ALTER ROLE … SET).
   */
  isPooled?: boolean
  /** Whether statements are prepared under a name: not behind a pooler that knows nothing of them. Default: true. */
  prepares?: boolean
  /** Whether tables are distributed by Citus. */
  isCitus?: boolean
  /** Is told of every statement. */
  trace?: TraceStatement
}

/** How much longer than a statement may run its answer is waited for: a database that is frozen cancels nothing. */
const ANSWER_GRACE_MS = 5_000

/** Statement texts kept prepared per connection; further ones (rare filters) are parsed each time. */
const PREPARED_LIMIT = 400

// json is sent to clients as it is stored: parsing it here would cost time for nothing.
const JSON_OID = 114
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === JSON_OID) return (text: string) => text
    return pg.types.getTypeParser(oid, format)
  }
} as pg.CustomTypesConfig

const preparedNames = new Map<string, string>()

/** The name under which a statement's text is prepared, or undefined once there are too many of them. */
const preparedName = (text: string): string | undefined =>
  preparedNames.has(text) || preparedNames.size < PREPARED_LIMIT ? statementName(text) : undefined

/** The name of a statement that is always prepared. */
export function statementName(text: string): string {
  const known = preparedNames.get(text)
  if (known) return known
  const name = createHash('sha256').update(text).digest('base64url').slice(0, 24)
  preparedNames.set(text, name)
  return name
}

/** What of pg's client is used here; its types leave it out. */
interface ClientInternals {
  readonly connection: Parameters<typeof handOverRows>[0] & { readonly stream: Writable }
  _getActiveQuery(): unknown
}

abstract class MusterClient extends pg.Client {
  abstract readonly manners: ClientManners

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const internals = this as unknown as ClientInternals
    handOverRows(internals.connection, () => internals._getActiveQuery())
  }

  // biome-ignore lint/suspicious/noExplicitAny: pg's query has a dozen overloads; only Kysely's form is touched
  override query(...args: any[]): any {
    const [text, values] = args
    this.writeTogether()
    if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0) {
      // @ts-expect-error passes every other form through
      return super.query(...args)
    }
    const name = this.manners.prepares ? preparedName(text) : undefined
    return super.query({ name, text, values } as pg.QueryConfig)
  }

  /** What is asked in one tick goes out in one write: each write is a system call, dearer than the statement in it. */
  private writeTogether(): void {
    const { stream } = (this as unknown as ClientInternals).connection
    stream.cork()
    process.nextTick(() => stream.uncork())
  }
}

/** @param trace is told of the statements that Kysely sends */
function clientWith(manners: ClientManners, trace: TraceStatement | undefined): typeof pg.Client {
  class Client extends MusterClient {
    readonly manners = manners
  }
  if (!trace) return Client as unknown as typeof pg.Client
  return class TracingClient extends Client {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    override query(...args: any[]): any {
      return typeof args[0] === 'string' ? traced(trace, args[0], () => super.query(...args)) : super.query(...args)
    }
  } as unknown as typeof pg.Client
}

type Connection = Parameters<PostgresDriver['releaseConnection']>[0]

/** What a Db is driven by: a pool, or one transaction that is rolled back (sandbox.ts). */
export interface TenantDriver extends Driver {
  /** Begins a transaction that sees one tenant's rows; `commitTransaction` or `rollbackTransaction` ends it. */
  beginAsTenant(connection: DatabaseConnection, tenantId: number): void
  /** Runs one statement in a transaction of its own that sees one tenant's rows. @returns the rows */
  writeAsTenant(tenantId: number, query: CompiledQuery): Promise<unknown[]>
  /** The same for several, in one transaction. @returns the rows of each as they were sent */
  writeAllAsTenant(tenantId: number, queries: readonly CompiledQuery[]): Promise<Fields[][]>
  /** The same for one that reads. */
  readAsTenant(tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void>
  /** Lends a connection of `pg`, for reads that Kysely knows nothing of. */
  connect(): Promise<pg.PoolClient>
  readonly trace?: TraceStatement
}

/** What needs no more than String() to be sent. */
const isPlain = (value: unknown) => value === null || ['string', 'number', 'boolean'].includes(typeof value)
const toText = (value: unknown) => (value === null ? null : String(value))

class PipeliningDriver extends PostgresDriver implements TenantDriver {
  private readonly pool: pg.Pool
  private readonly manners: ClientManners
  readonly gatherer: ReadGatherer

  constructor(pool: pg.Pool, manners: ClientManners) {
    super({ pool })
    this.pool = pool
    this.manners = manners
    this.gatherer = new ReadGatherer(pool)
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
    const client = await this.pool.connect()
    try {
      const statements = queries.map(({ sql: text, parameters }) => ({
        name: statementName(text),
        text,
        values: parameters.map(toParameter)
      }))
      return await writeInOneExchange(client, tenantId, statements)
    } finally {
      client.release()
    }
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

/** Tells a trace of what has no form that the client knows of. */
class TracingDriver extends PipeliningDriver {
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

/** Sends a statement whose answer nobody needs: the next one follows in the same write (`pg`'s pipeline mode). */
export function sendAhead(connection: DatabaseConnection, text: string): void {
  // A failure breaks the connection or the transaction, so the statement behind it reports it.
  connection.executeQuery(CompiledQuery.raw(text)).catch(() => {})
}

interface Internals {
  /** How many reads wait to share an exchange, each asked when somebody wants to know. */
  readonly waiting: (() => number)[]
  driver: TenantDriver
  executor: QueryExecutor
  pool: pg.Pool
}
const internals = new WeakMap<object, Internals>()

/** Opens a pool. Nothing is connected before the first query. Close it with `db.destroy()`. */
export function connect(options: ConnectOptions): Db {
  const { statementTimeoutMs = 30_000, isCitus = false } = options
  const manners = { prepares: options.prepares ?? true, setsLocally: isCitus }
  const config: pg.PoolConfig & { pipeline: boolean } = {
    connectionString: options.url,
    max: options.poolSize ?? 16,
    application_name: options.applicationName ?? 'muster',
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    pipeline: true,
    types,
    stream: rowSocket,
    options: options.isPooled ? undefined : sessionOptions(options, statementTimeoutMs),
    Client: clientWith(manners, options.trace)
  } as pg.PoolConfig & { pipeline: boolean }
  const pool = new pg.Pool(config)
  if (statementTimeoutMs > 0) watchAnswers(pool, statementTimeoutMs + ANSWER_GRACE_MS)
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {})
  // one that breaks in use fails its statements; pg-pool leaves its own event without a listener then
  pool.on('connect', (client) => client.on('error', () => {}))
  const driver = options.trace ? new TracingDriver(pool, manners, options.trace) : new PipeliningDriver(pool, manners)
  const db = openOn(driver, pool, isCitus ? new CitusAdapter() : new PostgresAdapter())
  countAsWaiting(db, () => driver.gatherer.waitingCount)
  return db
}

function sessionOptions({ role, isCitus }: ConnectOptions, statementTimeoutMs: number): string {
  const settings = [
    ...(role ? [`role=${role}`] : []),
    `statement_timeout=${statementTimeoutMs}`,
    'idle_in_transaction_session_timeout=30000',
    // else the workers do not hear which tenant's rows are seen
    ...(isCitus ? ['citus.propagate_set_commands=local'] : [])
  ]
  return settings.map((setting) => `-c ${setting}`).join(' ')
}

/** By it a pool and its transactions are known for those of a cluster. */
class CitusAdapter extends PostgresAdapter {}

/** Whether tables are distributed by Citus, where some statements have to be put otherwise. */
export const isCitus = (db: Db): boolean => db.getExecutor().adapter instanceof CitusAdapter

/** A Db whose statements go where `driver` has them go; `db.destroy()` destroys the driver. */
function openOn(driver: TenantDriver, pool: pg.Pool, adapter: DialectAdapter): Db {
  const initialised = driver.init()
  const executor = new DefaultQueryExecutor(
    new PostgresQueryCompiler(),
    adapter,
    {
      async provideConnection(consumer) {
        await initialised
        const connection = await driver.acquireConnection()
        try {
          return await consumer(connection)
        } finally {
          await driver.releaseConnection(connection)
        }
      }
    },
    []
  )
  const dialect = new PostgresDialect({ pool })
  const db = new Kysely<Database>({ config: { dialect }, driver, executor, dialect })
  internals.set(db, { waiting: [], driver, executor, pool })
  return db
}

/** A Db beside `db` whose statements all go through another driver, which is given the pool of `db`. */
export function openBeside(db: Db, driverOn: (pool: pg.Pool) => TenantDriver): Db {
  const { pool } = internalsOf(db)
  return openOn(driverOn(pool), pool, db.getExecutor().adapter)
}

/** What runs the statements of a Db that is no transaction. */
export const driverOf = (db: Db): TenantDriver => internalsOf(db).driver

/** The pool's size and use, for metrics; what waits for an exchange waits for a connection. */
export function poolStats(db: Db): { total: number; idle: number; waiting: number } {
  const { pool, waiting } = internalsOf(db)
  const gathered = waiting.reduce((sum, count) => sum + count(), 0)
  return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount + gathered }
}

/** Has reads that wait elsewhere counted among those that wait for a connection. */
export const countAsWaiting = (db: Db, count: () => number): void => void internalsOf(db).waiting.push(count)

function internalsOf(db: Db): Internals {
  const found = internals.get(db)
  if (!found) throw new Error('This is a transaction, not the pool that connect() opened')
  return found
}

/**
 * Runs `work` in a transaction that sees the rows of one tenant (row-level security) and commits it.
 * BEGIN and the setting travel with the first statement; statements that are started together (`Promise.all`)
 * travel together. Rolls back and rethrows when `work` throws.
 */
export async function inTenant<T>(db: Db, tenantId: number, work: (trx: Trx) => Promise<T>): Promise<T> {
  const { driver, executor } = internalsOf(db)
  const connection = await driver.acquireConnection()
  try {
    driver.beginAsTenant(connection, tenantId)
    const watched = new WatchedConnection(connection)
    const trx = new Transaction<Database>({
      config: { dialect: unusedDialect },
      driver,
      dialect: unusedDialect,
      executor: executor.withConnectionProvider({ provideConnection: (consumer) => consumer(watched) })
    })
    let result: T
    try {
      result = await work(trx)
    } catch (error) {
      await driver.rollbackTransaction(connection).catch(() => {})
      throw (error as { code?: string }).code === IN_FAILED_TRANSACTION ? (watched.firstError ?? error) : error
    }
    await driver.commitTransaction(connection)
    return result
  } finally {
    await driver.releaseConnection(connection)
  }
}

const IN_FAILED_TRANSACTION = '25P02'

/**
 * Remembers what failed first: of statements that were started together, those behind it only say that the transaction
 * has failed, and any of them may be heard first.
 */
class WatchedConnection implements DatabaseConnection {
  firstError: unknown
  private readonly connection: DatabaseConnection

  constructor(connection: DatabaseConnection) {
    this.connection = connection
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const answer = this.connection.executeQuery<R>(query)
    answer.catch((error) => {
      this.firstError ??= error
    })
    return answer
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.connection.streamQuery<R>(query, chunkSize)
  }
}

// A transaction never opens connections of its own, so its dialect is only there for the type.
const unusedDialect = new PostgresDialect({ pool: async () => Promise.reject(new Error('not a pool')) })

/**
 * Reads one tenant's rows in one statement and one round trip: the setting that row-level security asks for is made
 * by the statement itself, before the lateral part runs. Safe behind a pooler in transaction mode.
 * @param query a select that also names the tenant in its own conditions
 */
export async function readInTenant<Row>(
  db: Db,
  tenantId: number,
  query: Compilable<Row> | RawBuilder<Row>
): Promise<Row[]> {
  // the setting that a statement makes does not reach the nodes of a cluster
  if (isCitus(db)) return (await driverOf(db).writeAsTenant(tenantId, (query as RawBuilder<Row>).compile(db))) as Row[]
  const { rows } = await readStatement<Row>(String(tenantId), query as RawBuilder<Row>).execute(db)
  return rows
}

/** A select that makes the setting itself. */
export const readStatement = <Row>(tenant: unknown, inner: RawBuilder<Row>): RawBuilder<Row> => sql<Row>`
  select u.* from (select set_config('app.tenant', ${tenant}, true) as s offset 0) t
  cross join lateral (select q.* from (${inner}) q where t.s is not null offset 0) u`

/**
 * `readInTenant` for rows that become text again: nothing of them is parsed, which would cost more than to read them.
 * @param query a select with at least one value
 */
export async function readFieldsInTenant(db: Db, tenantId: number, query: RawBuilder<unknown>): Promise<Fields[]> {
  const rows: Fields[] = []
  await readRowsInTenant(db, tenantId, query.compile(db), (row) => rows.push(row.fields()))
  return rows
}

/** The same for rows that become bytes of an answer. */
export const readRowsInTenant = (db: Db, tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void> =>
  driverOf(db).readAsTenant(tenantId, query, take)

/** The first row of `readInTenant`. */
export async function readOneInTenant<Row>(
  db: Db,
  tenantId: number,
  query: Compilable<Row> | RawBuilder<Row>
): Promise<Row | undefined> {
  return (await readInTenant(db, tenantId, query))[0]
}

/** The constraint or unique index that a statement violated, or undefined for any other error. */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint, message } = (error ?? {}) as { code?: string; constraint?: string; message?: string }
  if (code !== '23505' && code !== '23503' && code !== '23514') return undefined
  return (constraint ?? NAMED_IN_MESSAGE.exec(message ?? '')?.[1])?.replace(SHARD_SUFFIX, '')
}

/** Of an error of a node, Citus hands on no more than the message. */
const NAMED_IN_MESSAGE = /constraint "([^"]+)"/
/** Citus names the constraint of the shard, `addresses_pkey_102046`; no name of ours ends like that. */
const SHARD_SUFFIX = /_\d{6,}$/

/** Whether an error says that the database can't be reached or can't serve just now (and may again soon). */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  if (code && UNAVAILABLE_CODES.has(code)) return true
  return UNAVAILABLE_MESSAGES.test(message ?? '')
}

// of pg and pg-pool, which give no codes, and of PgBouncer, which gives that of a protocol violation
const UNAVAILABLE_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|not queryable|not currently accepting|no more connections allowed|query_wait_timeout|server_login_retry|server conn(ection)? crashed|pgbouncer cannot connect/

const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout: ours was frozen, or the database was
  '25006', // read_only_sql_transaction: a replica, while another one takes over
  '53000', // insufficient_resources
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '58030', // io_error
  '08000',
  '08001',
  '08003',
  '08004',
  '08006'
])
