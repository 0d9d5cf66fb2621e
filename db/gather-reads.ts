// Quick reads that arrive together share an exchange with PostgreSQL: a system call, the waking of a backend and a
// transaction for each would often cost more than the read. Statements that turned out slow go alone, so that nobody
// waits behind them.
import type pg from 'pg'
import type { SentRow } from './sent-rows.ts'
import { type Exchanged, readAsTenants, type TenantRead } from './tenant-query.ts'

/** Receives each row as it arrives; a row is valid only until the next one arrives. */
export type TakeRow = (row: SentRow) => void

export interface GatherableRead {
  readonly tenantId: number
  readonly statement: TenantRead['statement']
  readonly take: TakeRow
}

/** Milliseconds that the reads of one exchange are expected to take together at most. */
const MAX_EXCHANGE_MS = 8
const MAX_GATHERED = 32
/** Maximum number of exchanges under way; what arrives meanwhile goes with the next one. */
const MAX_UNDER_WAY = 2
/** The assumed cost of a statement that has not run yet. */
const UNKNOWN_MS = 4
const MAX_NOTED_MS = 4 * MAX_EXCHANGE_MS
/** The weight of the last measurement in a statement's cost. */
const WEIGHT = 0.2

class Waiting implements TenantRead {
  readonly tenantId: number
  readonly statement: TenantRead['statement']
  readonly answered: Promise<void>
  readonly failed: (error: Error) => void
  readonly done: () => void
  private readonly takeRow: TakeRow
  private isFailed: boolean

  constructor({ tenantId, statement, take }: GatherableRead) {
    this.tenantId = tenantId
    this.statement = statement
    this.takeRow = take
    this.isFailed = false
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.answered = promise
    this.failed = reject
    this.done = resolve
  }

  /** A row that one read cannot handle must not harm the other reads. */
  take(row: SentRow): void {
    if (this.isFailed) return
    try {
      this.takeRow(row)
    } catch (error) {
      this.isFailed = true
      this.failed(error as Error)
    }
  }
}

export class ReadGatherer {
  private readonly pool: pg.Pool
  private readonly costs: Map<string, number>
  private waiting: Waiting[]
  private underWay: number
  private isScheduled: boolean

  constructor(pool: pg.Pool) {
    this.pool = pool
    this.costs = new Map()
    this.waiting = []
    this.underWay = 0
    this.isScheduled = false
  }

  /** How many reads have not been sent yet. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Whether a statement is too slow to share an exchange. */
  isSlow(name: string): boolean {
    return this.costOf(name) > MAX_EXCHANGE_MS
  }

  /** Records a statement's time in milliseconds; capped, so that a pause of the machine makes no quick one slow. */
  private note(name: string, measuredMs: number): void {
    const known = this.costs.get(name)
    const ms = Math.min(measuredMs, MAX_NOTED_MS)
    this.costs.set(name, known === undefined ? ms : known + (ms - known) * WEIGHT)
  }

  read(read: GatherableRead): Promise<void> {
    const waiting = new Waiting(read)
    this.waiting.push(waiting)
    this.schedule()
    return waiting.answered
  }

  /** Runs a slow read in an exchange of its own, so that nobody waits behind it. */
  async readAlone(read: GatherableRead): Promise<void> {
    const waiting = new Waiting(read)
    const client = await this.pool.connect()
    const begun = performance.now()
    const { isLost } = await readAsTenants(client, [waiting])
    client.release(isLost)
    this.note(read.statement.name, performance.now() - begun)
    return waiting.answered
  }

  private costOf(name: string): number {
    return this.costs.get(name) ?? UNKNOWN_MS
  }

  /** Runs an exchange once every request that has arrived by now has asked for what it needs. */
  private schedule(): void {
    if (this.isScheduled || this.waiting.length === 0 || this.underWay >= MAX_UNDER_WAY) return
    this.isScheduled = true
    setImmediate(() => {
      this.isScheduled = false
      void this.run()
    })
  }

  private async run(): Promise<void> {
    this.underWay++
    let client: pg.PoolClient | undefined
    let reads: readonly Waiting[] | undefined
    try {
      client = await this.pool.connect()
      reads = this.takeSome()
      this.schedule()
      const begun = performance.now()
      const { passedOver, isLost }: Exchanged = await readAsTenants(client, reads)
      client.release(isLost)
      this.noteAll(reads, performance.now() - begun)
      this.waiting.unshift(...(passedOver as readonly Waiting[]))
    } catch (error) {
      client?.release(true)
      for (const read of reads ?? this.waiting.splice(0)) read.failed(error as Error)
    } finally {
      this.underWay--
      this.schedule()
    }
  }

  private takeSome(): Waiting[] {
    let count = 0
    let ms = 0
    for (const { statement } of this.waiting) {
      ms += this.costOf(statement.name)
      if (count > 0 && (ms > MAX_EXCHANGE_MS || count === MAX_GATHERED)) break
      count++
    }
    return this.waiting.splice(0, count)
  }

  /** Divides the time of an exchange among its statements in proportion to their expected costs. */
  private noteAll(reads: readonly Waiting[], ms: number): void {
    const expected = reads.map(({ statement }) => this.costOf(statement.name))
    const sum = expected.reduce((total, one) => total + one, 0)
    reads.forEach(({ statement }, index) => {
      this.note(statement.name, (ms * expected[index]!) / sum)
    })
  }
}
