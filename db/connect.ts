// Connections to PostgreSQL: the pool, and the two ways to reach a tenant's rows (inTenant, readInTenant).
import {
  type Compilable,
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type DialectAdapter,
  type Expression,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresQueryCompiler,
  type QueryExecutor,
  type QueryResult,
  type RawBuilder,
  sql,
  Transaction
} from 'kysely'
import pg from 'pg'
import { watchAnswers } from './answers.ts'
import { clientWith, types } from './client.ts'
import { PipeliningDriver, type TenantDriver, TracingDriver } from './driver.ts'
import type { TakeRow } from './gather-reads.ts'
import type { Database } from './schema.ts'
import { rowSocket } from './sent-rows.ts'
import { serverAddress } from './server-address.ts'
import type { Fields } from './tenant-query.ts'
import type { TraceStatement } from './trace.ts'

/** A pool or a transaction: the first parameter of every query function. */
export type Db = Kysely<Database>
/** A transaction that may see one tenant's rows; made by `inTenant`. */
export type Trx = Transaction<Database>

interface ConnectOptions {
  /** postgres:// URL. */
  url: string
  /** Maximum number of connections. */
  poolSize?: number
  /** Role to take on after connecting, so that statements run with only its rights. */
  role?: string
  applicationName?: string
  /** How long to wait for a new connection, or for a free one of the pool; milliseconds. */
  connectTimeoutMs?: number
  /** A statement that runs longer is cancelled; milliseconds, 0 for none. */
  statementTimeoutMs?: number
  /**
   * Whether the URL leads to a pooler in transaction mode, such as PgBouncer. The server connection then changes with
   * each transaction, so nothing is set on it: role and timeouts are those of the URL's user (ALTER ROLE … SET).
   */
  isPooled?: boolean
  /** Whether to use named prepared statements: false behind a pooler without support for them. Default: true. */
  prepares?: boolean
  /** Whether tables are distributed by Citus. */
  isCitus?: boolean
  /** Further settings of each connection: `name=value`. */
  settings?: readonly string[]
  /** Receives every statement. */
  trace?: TraceStatement
}

/** How long to wait for an answer beyond the statement timeout: a frozen database cancels nothing. */
const ANSWER_GRACE_MS = 5_000

interface Internals {
  /** Each returns how many reads or writes are waiting to share an exchange. */
  readonly waiting: (() => number)[]
  driver: TenantDriver
  executor: QueryExecutor
  pool: pg.Pool
}
const internals = new WeakMap<object, Internals>()

/** Opens a pool, which connects with the first query. Close it with `db.destroy()`. */
export function connect(options: ConnectOptions): Db {
  const { statementTimeoutMs = 30_000, isCitus = false } = options
  const manners = { prepares: options.prepares ?? true, setsLocally: isCitus }
  const config: pg.PoolConfig & { pipeline: boolean } = {
    ...serverAddress(options.url),
    max: options.poolSize ?? 16,
    application_name: options.applicationName ?? 'muster',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
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
  // the pool replaces an idle connection that breaks; without a listener the error would end the process
  pool.on('error', () => {})
  // a connection that breaks in use fails its statements, but pg-pool leaves its error event without a listener
  pool.on('connect', (client) => client.on('error', () => {}))
  const driver = options.trace ? new TracingDriver(pool, manners, options.trace) : new PipeliningDriver(pool, manners)
  const db = openOn(driver, pool, isCitus ? new CitusAdapter() : new PostgresAdapter())
  countAsWaiting(db, () => driver.gatherer.waitingCount + driver.writes.waitingCount)
  return db
}

function sessionOptions({ role, isCitus, settings: given = [] }: ConnectOptions, statementTimeoutMs: number): string {
  const settings = [
    ...(role ? [`role=${role}`] : []),
    `statement_timeout=${statementTimeoutMs}`,
    'idle_in_transaction_session_timeout=30000',
    ...(isCitus ? CITUS_SETTINGS : []),
    ...given
  ]
  return settings.map((setting) => `-c ${setting}`).join(' ')
}

/** Without the first, `set local app.tenant` would not reach the nodes; a generic plan would query all of them. */
const CITUS_SETTINGS = ['citus.propagate_set_commands=local', 'plan_cache_mode=force_custom_plan']

/** Marks a pool and its transactions as those of a cluster. */
class CitusAdapter extends PostgresAdapter {}

/** Whether Citus distributes the tables, which needs some statements in another form. */
export const isCitus = (db: Db): boolean => db.getExecutor().adapter instanceof CitusAdapter

/** A Db whose statements run on `driver`; `db.destroy()` destroys the driver. */
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

/** A Db beside `db` whose statements all run on another driver, which shares the pool of `db`. */
export function openBeside(db: Db, driverOn: (pool: pg.Pool) => TenantDriver): Db {
  const { pool } = internalsOf(db)
  return openOn(driverOn(pool), pool, db.getExecutor().adapter)
}

/** The driver of a Db that is not a transaction. */
export const driverOf = (db: Db): TenantDriver => internalsOf(db).driver

/** The pool's size and use, for metrics; `waiting` includes what waits to share an exchange. */
export function poolStats(db: Db): { total: number; idle: number; waiting: number } {
  const { pool, waiting } = internalsOf(db)
  const gathered = waiting.reduce((sum, count) => sum + count(), 0)
  return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount + gathered }
}

/** Adds a queue of reads or writes to what poolStats counts as waiting. */
export const countAsWaiting = (db: Db, count: () => number): void => void internalsOf(db).waiting.push(count)

function internalsOf(db: Db): Internals {
  const found = internals.get(db)
  if (!found) throw new Error('This is a transaction, not the pool that connect() opened')
  return found
}

/**
 * Runs `work` in a transaction that sees only one tenant's rows (row-level security) and commits it.
 * BEGIN and the setting are sent with the first statement; statements that are started together (`Promise.all`)
 * are sent together. Rolls back and rethrows when `work` throws.
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
 * Remembers the first failure: when statements were started together, the later ones only report that the transaction
 * has failed, and the caller may receive any of the errors first.
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

// A transaction opens no connections of its own; only the type requires a dialect.
const unusedDialect = new PostgresDialect({ pool: async () => Promise.reject(new Error('not a pool')) })

/**
 * Reads one tenant's rows in one statement and one round trip: the statement itself makes the setting that row-level
 * security checks, before its lateral part runs. Safe behind a pooler in transaction mode.
 * @param query a select that also names the tenant in its own conditions
 */
export async function readInTenant<Row>(
  db: Db,
  tenantId: number,
  query: Compilable<Row> | RawBuilder<Row>
): Promise<Row[]> {
  // a setting made within a statement does not reach the nodes of a cluster
  if (isCitus(db)) return (await driverOf(db).writeAsTenant(tenantId, (query as RawBuilder<Row>).compile(db))) as Row[]
  const { rows } = await readStatement<Row>(String(tenantId), query as RawBuilder<Row>).execute(db)
  return rows
}

/** A select that sets the tenant itself. */
export const readStatement = <Row>(tenant: unknown, inner: RawBuilder<Row>): RawBuilder<Row> => sql<Row>`
  select u.* from (select set_config('app.tenant', ${tenant}, true) as s offset 0) t
  cross join lateral (select q.* from (${inner}) q where t.s is not null offset 0) u`

/**
 * `readInTenant` for rows that become text again: it parses nothing, because parsing would cost more than reading.
 * @param query a select with at least one parameter
 */
export async function readFieldsInTenant(db: Db, tenantId: number, query: RawBuilder<unknown>): Promise<Fields[]> {
  const rows: Fields[] = []
  await readRowsInTenant(db, tenantId, query.compile(db), (row) => rows.push(row.fields()))
  return rows
}

/** The same for rows whose bytes go into an answer. */
export const readRowsInTenant = (db: Db, tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void> =>
  driverOf(db).readAsTenant(tenantId, query, take)

/** How many of one tenant's rows a select returns. */
export async function countInTenant(db: Db, tenantId: number, query: Expression<unknown>): Promise<number> {
  const rows = sql<{ total: number }>`select count(*)::int as total from (${query}) as counted`
  const [row] = await readInTenant(db, tenantId, rows)
  return row!.total
}

/** The first row of `readInTenant`. */
export async function readOneInTenant<Row>(
  db: Db,
  tenantId: number,
  query: Compilable<Row> | RawBuilder<Row>
): Promise<Row | undefined> {
  return (await readInTenant(db, tenantId, query))[0]
}
