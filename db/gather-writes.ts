// Writes of several tenants that arrive together share an exchange with PostgreSQL, a transaction and its commit, which
// cost more than the rows of one tenant. Each tenant's statements run under that tenant's setting, and tenants in a
// fixed order, so that exchanges do not deadlock. No tenant suffers from another: if the statements of one fail, or
// wait for a lock, the others are sent again without them.
import type pg from 'pg'
import type { Fields } from './tenant-query.ts'
import { type FailedWrites, type TenantWrites, type WriteOutcome, writeAsTenants } from './tenant-writes.ts'

/** Maximum number of tenants in one exchange. */
const MAX_TENANTS = 16
/** How many exchanges are under way before further writes wait for the next one. */
const MAX_UNDER_WAY = 2
/** After waiting this long for the exchanges under way, another one begins beside them. */
const PATIENCE_MS = 20
/** How long a tenant that made others wait for a lock goes alone. */
const ALONE_MS = 5_000
const MAX_ALONE = 1_000
/** Errors of a statement that might succeed alone: lock_not_available, deadlock_detected. */
const HELD_UP = new Set(['55P03', '40P01'])

class Waiting implements TenantWrites {
  readonly tenantId: number
  readonly statements: TenantWrites['statements']
  readonly answered: Promise<Fields[][]>
  readonly done: (rows: Fields[][]) => void
  readonly failed: (error: unknown) => void

  constructor({ tenantId, statements }: TenantWrites) {
    this.tenantId = tenantId
    this.statements = statements
    const { promise, resolve, reject } = Promise.withResolvers<Fields[][]>()
    this.answered = promise
    this.done = resolve
    this.failed = reject
  }
}

export class WriteGatherer {
  private readonly pool: pg.Pool
  private readonly mayShare: boolean
  private waiting: Waiting[]
  private underWay: number
  private isScheduled: boolean
  private patience: NodeJS.Timeout | undefined
  /** Until when each tenant goes alone, by `performance.now()`. */
  private readonly alone: Map<number, number>

  /** @param mayShare whether one transaction may serve several tenants */
  constructor(pool: pg.Pool, mayShare: boolean) {
    this.pool = pool
    this.mayShare = mayShare
    this.waiting = []
    this.underWay = 0
    this.isScheduled = false
    this.alone = new Map()
  }

  /** How many writes have not been sent yet. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /**
   * Runs statements in one transaction.
   * @returns the rows of each
   * @throws PostgreSQL's error if one of them fails; nothing is changed then
   */
  write(writes: TenantWrites): Promise<Fields[][]> {
    const waiting = new Waiting(writes)
    if (!this.mayShare || this.isAlone(writes.tenantId)) {
      void this.send([waiting])
    } else {
      this.waiting.push(waiting)
      this.schedule()
    }
    return waiting.answered
  }

  private isAlone(tenantId: number): boolean {
    const until = this.alone.get(tenantId)
    if (until === undefined) return false
    if (performance.now() < until) return true
    this.alone.delete(tenantId)
    return false
  }

  private schedule(): void {
    if (this.isScheduled || this.waiting.length === 0) return
    if (this.underWay < MAX_UNDER_WAY) this.begin()
    else this.patience ??= setTimeout(() => this.begin(), PATIENCE_MS)
  }

  /** Begins an exchange once every request that has arrived by now has said what it writes. */
  private begin(): void {
    clearTimeout(this.patience)
    this.patience = undefined
    this.isScheduled = true
    setImmediate(async () => {
      this.isScheduled = false
      this.underWay++
      const sent = this.send(this.takeSome())
      this.schedule()
      await sent
      this.underWay--
      this.schedule()
    })
  }

  /** Takes one batch of each tenant, in the order in which all exchanges lock rows. */
  private takeSome(): Waiting[] {
    const taken = new Map<number, Waiting>()
    const left: Waiting[] = []
    for (const one of this.waiting) {
      if (taken.size === MAX_TENANTS || taken.has(one.tenantId)) left.push(one)
      else taken.set(one.tenantId, one)
    }
    this.waiting = left
    return [...taken.values()].sort((one, other) => one.tenantId - other.tenantId)
  }

  private async send(writes: readonly Waiting[]): Promise<void> {
    if (writes.length === 0) return
    let outcome: WriteOutcome
    try {
      const client = await this.pool.connect()
      outcome = await writeAsTenants(client, writes, { isBrief: writes.length > 1 })
      client.release('error' in outcome && outcome.isLost)
    } catch (error) {
      outcome = { error: error as Error, isLost: true, at: 0 }
    }
    if (!('error' in outcome)) {
      for (const [index, { done }] of writes.entries()) done(outcome.rows[index]!)
    } else if (outcome.isLost || writes.length === 1) {
      for (const { failed } of writes) failed(outcome.error)
    } else {
      await this.sendOthers(writes, outcome)
    }
  }

  /** Sends the writes again without the one that failed: the failed exchange changed nothing for any tenant. */
  private async sendOthers(writes: readonly Waiting[], { error, at }: FailedWrites): Promise<void> {
    const culprit = at === undefined ? undefined : writes[at]
    if (!culprit) {
      // the commit failed, which does not tell whose fault it is
      await Promise.all(writes.map((one) => this.send([one])))
      return
    }
    if (HELD_UP.has((error as { code?: string }).code ?? '')) {
      this.noteAlone(culprit.tenantId)
      void this.send([culprit])
    } else {
      culprit.failed(error)
    }
    await this.send(writes.filter((one) => one !== culprit))
  }

  private noteAlone(tenantId: number): void {
    if (this.alone.size === MAX_ALONE) this.alone.clear()
    this.alone.set(tenantId, performance.now() + ALONE_MS)
  }
}
