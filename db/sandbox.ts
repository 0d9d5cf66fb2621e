// A sandbox: a Db all of whose statements run on one connection, in one transaction that is always rolled back. What
// would be a transaction of its own is a savepoint in it, and what would run side by side runs one after the other.
//
// Until the end it holds the locks of all that it has changed, and whoever wants to change the same rows waits: the
// time is limited, and a sandbox that would itself have to wait for somebody gives up.
import { CompiledQuery, type DatabaseConnection, type QueryResult } from 'kysely'
import type pg from 'pg'
import { type Db, openBeside } from './connect.ts'
import { sendAhead, type TenantDriver } from './driver.ts'
import type { TakeRow } from './gather-reads.ts'
import { SentRow } from './sent-rows.ts'
import { AS_SENT, type Fields, mannersOf, setTenant } from './tenant-query.ts'

export interface SandboxLimits {
  /** For the whole of it; milliseconds. */
  readonly timeMs: number
  /** A statement that has to wait so long for somebody else's lock ends the sandbox; milliseconds. */
  readonly lockMs?: number
}

/** Whether the time was over, or somebody else held what was needed. Nothing was changed. */
export class SandboxEnded extends Error {
  readonly reason: 'time' | 'lock' | 'done'

  constructor(reason: SandboxEnded['reason'], options?: ErrorOptions) {
    super(`The sandbox has ended: ${reason}`, options)
    this.name = 'SandboxEnded'
    this.reason = reason
  }
}

/** Shorter than deadlock_timeout (1 s): in a deadlock it is mostly the sandbox that gives up, not who means it. */
const DEFAULT_LOCK_MS = 500
const LOCK_NOT_AVAILABLE = '55P03'
const QUERY_CANCELED = '57014'
/** Commands that count the rows which they change. */
const WRITES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/**
 * Runs `work` with a Db that remembers nothing afterwards. A transaction of it must not wait for a statement outside of
 * itself: the turn of that one does not come.
 * @param db the pool; the sandbox takes one connection of it
 * @throws SandboxEnded where a limit was met, whatever `work` made of its errors; else what `work` throws
 */
export async function inSandbox<T>(db: Db, limits: SandboxLimits, work: (sandboxed: Db) => Promise<T>): Promise<T> {
  let driver: SandboxDriver | undefined
  const sandboxed = openBeside(db, (pool) => {
    driver = new SandboxDriver(pool, limits)
    return driver
  })
  const sandbox = driver!
  try {
    // what runs on after the time is over finds the sandbox closed
    const result = await Promise.race([work(sandboxed), sandbox.whenEnded])
    sandbox.requireRunning()
    return result
  } catch (error) {
    sandbox.requireRunning()
    throw error
  } finally {
    await sandbox.destroy()
  }
}

const SAVEPOINT = 'muster_sandbox'
const beginning = ({ timeMs, lockMs = DEFAULT_LOCK_MS }: SandboxLimits) => [
  'begin',
  `set local statement_timeout = ${Math.ceil(timeMs)}`,
  `set local lock_timeout = ${Math.ceil(lockMs)}`
]
// Settings go alone: Citus repeats to its nodes the whole text that one stands in.
const RELEASE = `release savepoint ${SAVEPOINT}`
const ROLL_BACK = `rollback to savepoint ${SAVEPOINT}; ${RELEASE}`
/** Outside of a tenant's transaction no tenant's rows are seen. */
const SEE_NOBODY = "set local app.tenant = ''"

class SandboxDriver implements TenantDriver {
  readonly whenEnded: Promise<never>
  private readonly pool: pg.Pool
  private readonly limits: SandboxLimits
  private readonly timer: NodeJS.Timeout
  private readonly opened: Promise<pg.PoolClient>
  private readonly running = new Set<Promise<unknown>>()
  private failEnded: (error: SandboxEnded) => void
  /** The end of whoever holds the connection last. */
  private turn: Promise<void>
  private ended: SandboxEnded | undefined

  constructor(pool: pg.Pool, limits: SandboxLimits) {
    this.pool = pool
    this.limits = limits
    this.turn = Promise.resolve()
    this.failEnded = () => {}
    this.whenEnded = new Promise((_, reject) => {
      this.failEnded = reject
    })
    this.whenEnded.catch(() => {})
    this.timer = setTimeout(() => this.end(new SandboxEnded('time')), limits.timeMs)
    this.opened = this.open()
    this.opened.catch(() => {})
  }

  async init(): Promise<void> {}

  /** Waits for its turn. */
  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.turn
    let release = () => {}
    this.turn = new Promise((resolve) => {
      release = resolve
    })
    try {
      await before
      this.requireRunning()
      return new SandboxConnection(this, await this.opened, release)
    } catch (error) {
      release()
      throw error
    }
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    ;(connection as SandboxConnection).release()
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    ;(connection as SandboxConnection).begin()
  }

  beginAsTenant(connection: DatabaseConnection, tenantId: number): void {
    ;(connection as SandboxConnection).beginAsTenant(tenantId)
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as SandboxConnection).commit()
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return (connection as SandboxConnection).rollBack()
  }

  async writeAsTenant(tenantId: number, query: CompiledQuery): Promise<unknown[]> {
    const connection = (await this.acquireConnection()) as SandboxConnection
    try {
      connection.beginAsTenant(tenantId)
      const { rows } = await connection.executeQuery(query)
      await connection.commit()
      return rows
    } catch (error) {
      await connection.rollBack().catch(() => {})
      throw error
    } finally {
      connection.release()
    }
  }

  async writeAllAsTenant(tenantId: number, queries: readonly CompiledQuery[]): Promise<Fields[][]> {
    const connection = (await this.acquireConnection()) as SandboxConnection
    try {
      connection.beginAsTenant(tenantId)
      const client = await this.opened
      const all: Fields[][] = []
      for (const query of queries) all.push((await this.run<Fields>(client, query, AS_SENT)).rows)
      await connection.commit()
      return all
    } catch (error) {
      await connection.rollBack().catch(() => {})
      throw error
    } finally {
      connection.release()
    }
  }

  async readAsTenant(tenantId: number, query: CompiledQuery, take: TakeRow): Promise<void> {
    const connection = (await this.acquireConnection()) as SandboxConnection
    try {
      connection.beginAsTenant(tenantId)
      const { rows } = await this.run<Fields>(await this.opened, query, AS_SENT)
      for (const fields of rows) take(SentRow.of(fields))
    } finally {
      await connection.rollBack().catch(() => {})
      connection.release()
    }
  }

  /**
   * Whatever was done with the connection is taken back when it is released: it is lent for reads. Its `query` fails by
   * SandboxEnded once the sandbox has.
   */
  async connect(): Promise<pg.PoolClient> {
    const connection = (await this.acquireConnection()) as SandboxConnection
    const client = await this.opened
    connection.begin()
    const release = () => {
      connection
        .rollBack()
        .catch(() => {})
        .finally(connection.release)
    }
    const lent = {
      query: this.lendQuery(client),
      manners: { ...mannersOf(client), isInBlock: true },
      connection: (client as unknown as { connection: unknown }).connection
    }
    return { ...lent, release } as unknown as pg.PoolClient
  }

  /** Rolls back, and gives the connection back to the pool. */
  async destroy(): Promise<void> {
    clearTimeout(this.timer)
    this.ended ??= new SandboxEnded('done')
    const client = await this.opened.catch(() => undefined)
    if (!client) return
    await Promise.allSettled(this.running)
    // a connection that cannot be rolled back is closed, which has the same effect
    const failed = await client.query('rollback').then(
      () => undefined,
      (error: Error) => error
    )
    client.release(failed)
  }

  /** @throws SandboxEnded */
  requireRunning(): void {
    if (this.ended) throw this.ended
  }

  /** Runs a statement on the one connection. @throws SandboxEnded once a limit was met */
  async run<R>(
    client: pg.PoolClient,
    { sql: text, parameters }: CompiledQuery,
    options?: typeof AS_SENT
  ): Promise<QueryResult<R>> {
    const values = [...parameters]
    const { command, rowCount, rows } = await this.watch(
      (): Promise<pg.QueryResult> =>
        options ? client.query({ text, values, ...options } as pg.QueryConfig) : client.query(text, values)
    )
    return { rows: rows ?? [], numAffectedRows: WRITES.has(command) ? BigInt(rowCount ?? 0) : undefined }
  }

  /**
   * `query` of the one connection, for whoever sends one statement after the other and does not hear of the end: what they
   * sent then would run in the transaction of whom the pool has given the connection to.
   */
  private lendQuery(client: pg.PoolClient): pg.PoolClient['query'] {
    const send = client.query.bind(client) as (...args: unknown[]) => unknown
    const query = (...args: unknown[]) => {
      if (!isSubmittable(args[0])) return this.watch(() => send(...args) as Promise<unknown>)
      // it answers by its own callback, and the rollback comes behind it on the connection
      this.requireRunning()
      return send(...args)
    }
    return query as pg.PoolClient['query']
  }

  /** Sends a statement that `destroy` waits for. @throws SandboxEnded once a limit was met */
  private async watch<T>(send: () => Promise<T>): Promise<T> {
    this.requireRunning()
    const statement = send()
    this.running.add(statement)
    try {
      return await statement
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === LOCK_NOT_AVAILABLE) this.end(new SandboxEnded('lock', { cause: error }))
      if (code === QUERY_CANCELED) this.end(new SandboxEnded('time', { cause: error }))
      throw this.ended ?? error
    } finally {
      this.running.delete(statement)
    }
  }

  private end(error: SandboxEnded): void {
    if (this.ended) return
    this.ended = error
    this.failEnded(error)
  }

  private async open(): Promise<pg.PoolClient> {
    const client = await this.pool.connect()
    // what fails here fails the statement behind it
    for (const text of beginning(this.limits)) client.query(text).catch(() => {})
    return client
  }
}

const isSubmittable = (query: unknown): query is pg.Submittable =>
  typeof (query as Partial<pg.Submittable> | undefined)?.submit === 'function'

/** The one connection, as whoever's turn it is sees it. */
class SandboxConnection implements DatabaseConnection {
  readonly release: () => void
  private readonly sandbox: SandboxDriver
  private readonly client: pg.PoolClient
  private isInTransaction: boolean

  constructor(sandbox: SandboxDriver, client: pg.PoolClient, release: () => void) {
    this.sandbox = sandbox
    this.client = client
    this.release = release
    this.isInTransaction = false
  }

  begin(): void {
    this.isInTransaction = true
    sendAhead(this, `savepoint ${SAVEPOINT}`)
  }

  beginAsTenant(tenantId: number): void {
    this.begin()
    sendAhead(this, setTenant(tenantId, mannersOf(this.client)))
  }

  commit(): Promise<void> {
    return this.endBy(RELEASE)
  }

  rollBack(): Promise<void> {
    return this.endBy(ROLL_BACK)
  }

  private async endBy(command: string): Promise<void> {
    sendAhead(this, command)
    await this.executeQuery(CompiledQuery.raw(SEE_NOBODY))
    this.isInTransaction = false
  }

  /** A statement outside of a transaction is one of its own. */
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.isInTransaction) return this.sandbox.run<R>(this.client, query)
    this.begin()
    try {
      const result = await this.sandbox.run<R>(this.client, query)
      await this.commit()
      return result
    } catch (error) {
      await this.rollBack().catch(() => {})
      throw error
    }
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('A sandbox reads no streams')
  }
}
