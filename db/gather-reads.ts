// Quick reads that come in one moment share an exchange with PostgreSQL: a system call, the waking of a backend and a
// transaction for each of them would cost more than many of them do. Those of one kind that took long go alone, so
// that nobody waits behind them.
import type pg from 'pg'
import type { SentRow } from './sent-rows.ts'
import { type Exchanged, readAsTenants, type TenantRead } from './tenant-query.ts'

/** Is given each row as it comes, which is good until the next one comes. */
export type TakeRow = (row: SentRow) => void

export interface GatherableRead {
  readonly tenantId: number
  readonly statement: TenantRead['statement']
  readonly take: TakeRow
}

/** Milliseconds that the reads of one exchange may take together, as far as is known. */
const MAX_EXCHANGE_MS = 8
const MAX_GATHERED = 32
/** Exchanges under way at most; what comes meanwhile goes with the next one. */
const MAX_UNDER_WAY = 2
/** What a statement is taken to cost before it has run. */
const UNKNOWN_MS = 4
const MAX_NOTED_MS = 4 * MAX_EXCHANGE_MS
/** How much of a statement's cost is what it cost last. */
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

  /** What one read cannot use shall not harm those beside it. */
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

  /** Reads that have not been sent. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Whether a statement has been too slow to share an exchange. */
  isSlow(name: string): boolean {
    return this.costOf(name) > MAX_EXCHANGE_MS
  }

  /** Notes what a statement took; milliseconds. A pause of the whole machine is no reason to take it for slow. */
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

  /** For a slow one: on a connection of its own, so that nobody waits behind it. */
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

  /** Once every request that has arrived by now has asked for what it needs. */
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

  /** Each takes its share of what all took together. */
  private noteAll(reads: readonly Waiting[], ms: number): void {
    const expected = reads.map(({ statement }) => this.costOf(statement.name))
    const sum = expected.reduce((total, one) => total + one, 0)
    reads.forEach(({ statement }, index) => {
      this.note(statement.name, (ms * expected[index]!) / sum)
    })
  }
}
