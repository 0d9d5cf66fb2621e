// A sandbox: a Db whose statements all run on one connection, in one transaction that is always rolled back. Each
// transaction becomes a savepoint in it, and what would run concurrently runs one after the other.
//
// The sandbox holds its row locks until it ends, and whoever wants to change the same rows waits. So its time is
// limited, and it gives up when it waits too long for a lock itself.
import { CompiledQuery, type DatabaseConnection, type QueryResult } from 'kysely'
import type pg from 'pg'
import { type Db, openBeside } from './connect.ts'
import { sendAhead, type TenantDriver } from './driver.ts'
import type { TakeRow } from './gather-reads.ts'
import { SentRow } from './sent-rows.ts'
import { AS_SENT, type Fields, mannersOf, setTenant } from './tenant-query.ts'

export interface SandboxLimits {
  /** For the whole sandbox; milliseconds. */
  readonly timeMs: number
  /** A statement that waits this long for a lock ends the sandbox; milliseconds, 500 by default. */
  readonly lockMs?: number
}

/** The sandbox has ended: out of time, blocked by another transaction's lock, or done. Nothing was changed. */
export class SandboxEnded extends Error {
  readonly reason: 'time' | 'lock' | 'done'

  constructor(reason: SandboxEnded['reason'], options?: ErrorOptions) {
    super(`The sandbox has ended: ${reason}`, options)
    this.name = 'SandboxEnded'
    this.reason = reason
  }
}

/** Shorter than deadlock_timeout (1 s), so that in a deadlock mostly the sandbox gives up, not a real transaction. */
const DEFAULT_LOCK_MS = 500
const LOCK_NOT_AVAILABLE = '55P03'
const QUERY_CANCELED = '57014'
/** Commands that report how many rows they changed. */
const WRITES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/**
 * Runs `work` with a Db whose changes are all rolled back. A transaction in it must not wait for a statement outside of
 * that transaction: both need the one connection, so they would deadlock.
 * @param db the pool; the sandbox takes one connection from it
 * @throws SandboxEnded if a limit was reached, even if `work` swallowed the error; else what `work` throws
 */
export async function inSandbox<T>(db: Db, limits: SandboxLimits, work: (sandboxed: Db) => Promise<T>): Promise<T> {
  let driver: SandboxDriver | undefined
  const sandboxed = openBeside(db, (pool) => {
    driver = new SandboxDriver(pool, limits)
    return driver
  })
  const sandbox = driver!
  try {
    // `work` may run on after the time is over, but every statement then fails
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
// Settings are sent as statements of their own: Citus repeats the whole text that holds one to its nodes.
const RELEASE = `release savepoint ${SAVEPOINT}`
const ROLL_BACK = `rollback to savepoint ${SAVEPOINT}; ${RELEASE}`
/** After a tenant's transaction no tenant's rows are visible. */
const SEE_NOBODY = "set local app.tenant = ''"

class SandboxDriver implements TenantDriver {
  readonly whenEnded: Promise<never>
  private readonly pool: pg.Pool
  private readonly limits: SandboxLimits
  private readonly timer: NodeJS.Timeout
  private readonly opened: Promise<pg.PoolClient>
  private readonly running = new Set<Promise<unknown>>()
  private failEnded: (error: SandboxEnded) => void
  /** Resolves when the last one in the queue for the connection has released it. */
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
   * Lends the connection for reads: whatever was done with it is rolled back when it is released. Its `query` throws
   * SandboxEnded once the sandbox has ended.
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

  /** Rolls back, and returns the connection to the pool. */
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

  /** Runs a statement on the one connection. @throws SandboxEnded once a limit was reached */
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
   * The connection's `query`, but failing once the sandbox has ended: a borrower who did not notice the end would
   * otherwise send statements into the transaction of the connection's next user.
   */
  private lendQuery(client: pg.PoolClient): pg.PoolClient['query'] {
    const send = client.query.bind(client) as (...args: unknown[]) => unknown
    const query = (...args: unknown[]) => {
      if (!isSubmittable(args[0])) return this.watch(() => send(...args) as Promise<unknown>)
      // a Submittable reports by its own callback; the rollback is queued behind it on the connection
      this.requireRunning()
      return send(...args)
    }
    return query as pg.PoolClient['query']
  }

  /** Sends a statement; `destroy` waits for it. @throws SandboxEnded once a limit was reached */
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
    // if one of these fails, the statement after it fails too
    for (const text of beginning(this.limits)) client.query(text).catch(() => {})
    return client
  }
}

const isSubmittable = (query: unknown): query is pg.Submittable =>
  typeof (query as Partial<pg.Submittable> | undefined)?.submit === 'function'

/** The one connection, for the one whose turn it is. */
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

  /** A statement outside of a transaction runs in a savepoint of its own. */
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
