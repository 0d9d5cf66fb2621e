// Connections to PostgreSQL: the pool, and the two ways in which a tenant's rows are reached.
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

/** A pool or a transaction: what every query function takes first. */
export type Db = Kysely<Database>
/** A transaction that may see one tenant's rows; made by `inTenant`. */
export type Trx = Transaction<Database>

interface ConnectOptions {
  /** postgres:// URL. */
  url: string
  /** Connections at most. */
  poolSize?: number
  /** Role to take on after connecting, so that the statements run with its rights alone. */
  role?: string
  applicationName?: string
  /** How long a connection is waited for, a free one too; milliseconds. */
  connectTimeoutMs?: number
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
  /** Set on each connection, beside what always is: `name=value`. */
  settings?: readonly string[]
  /** Is told of every statement. */
  trace?: TraceStatement
}

/** How much longer than a statement may run its answer is waited for: a database that is frozen cancels nothing. */
const ANSWER_GRACE_MS = 5_000

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
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {})
  // one that breaks in use fails its statements; pg-pool leaves its own event without a listener then
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

/** Else the nodes do not hear which tenant's rows are seen, and a plan for any tenant asks all of them. */
const CITUS_SETTINGS = ['citus.propagate_set_commands=local', 'plan_cache_mode=force_custom_plan']

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

/** How many rows a select has, of one tenant. */
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
