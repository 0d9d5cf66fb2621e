// Does work of one kind that arrives at one moment together: many changes in a transaction cost little more than one.

/** What became of one item. */
export type Outcome<Result> = { readonly value: Result } | { readonly error: unknown }

/** How many batches of one kind run at once; what arrives meanwhile goes with the next one. */
const MAX_UNDER_WAY = 2
const MAX_ITEMS = 24
/** A batch that takes longer, because it waits for a lock, no longer holds up what could run beside it. */
const PATIENCE_MS = 20

interface Waiting<Item, Result> {
  readonly id: string
  readonly item: Item
  settle(outcome: Outcome<Result>): void
}

interface Kind<Item, Result> {
  waiting: Waiting<Item, Result>[]
  /** The ids that are being worked on: another item with the same id waits until that is done. */
  readonly busy: Set<string>
  underWay: number
  /** How many items there were at once lately. */
  crowd: number
  isScheduled: boolean
  /** Runs while few items wait beside a batch that is under way. */
  patience: NodeJS.Timeout | undefined
}

export class Gathering<Item, Result> {
  private readonly run: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>
  private readonly patienceMs: number
  private readonly kinds: Map<string, Kind<Item, Result>>

  /** @param run gets items of one kind, no two with the same id; returns the outcome of each, in order */
  constructor(run: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>, patienceMs = PATIENCE_MS) {
    this.run = run
    this.patienceMs = patienceMs
    this.kinds = new Map()
  }

  /** @throws the error that `run` returns for the item, or throws */
  add(name: string, id: string, item: Item): Promise<Result> {
    const kind = this.kinds.get(name) ?? newKind<Item, Result>()
    this.kinds.set(name, kind)
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome<Result>) => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value))
      kind.waiting.push({ id, item, settle })
      this.schedule(name, kind)
    })
  }

  /** Starts a batch once every request that has arrived by now has added its item. */
  private schedule(name: string, kind: Kind<Item, Result>): void {
    if (kind.isScheduled || kind.underWay >= MAX_UNDER_WAY) return
    if (kind.waiting.length === 0) {
      if (kind.underWay === 0) this.kinds.delete(name)
      return
    }
    // a batch has a high fixed cost: items that arrive together are spread over MAX_UNDER_WAY batches and no more
    if (kind.underWay > 0 && kind.waiting.length < kind.crowd / MAX_UNDER_WAY) {
      kind.patience ??= setTimeout(() => this.begin(name, kind), this.patienceMs)
    } else {
      this.begin(name, kind)
    }
  }

  private begin(name: string, kind: Kind<Item, Result>): void {
    clearTimeout(kind.patience)
    kind.patience = undefined
    kind.isScheduled = true
    setImmediate(() => {
      kind.isScheduled = false
      void this.runSome(name, kind)
    })
  }

  private async runSome(name: string, kind: Kind<Item, Result>): Promise<void> {
    const batch = takeSome(kind)
    if (batch.length === 0) return
    kind.crowd = Math.max(kind.busy.size + kind.waiting.length, kind.crowd - 1)
    kind.underWay++
    this.schedule(name, kind)
    const outcomes = await this.run(batch.map(({ item }) => item)).catch((error) => batch.map(() => ({ error })))
    kind.underWay--
    for (const { id } of batch) kind.busy.delete(id)
    this.schedule(name, kind)
    batch.forEach(({ settle }, index) => {
      settle(outcomes[index]!)
    })
  }
}

const newKind = <Item, Result>(): Kind<Item, Result> => ({
  waiting: [],
  busy: new Set(),
  underWay: 0,
  crowd: 0,
  isScheduled: false,
  patience: undefined
})

function takeSome<Item, Result>(kind: Kind<Item, Result>): Waiting<Item, Result>[] {
  const taken: Waiting<Item, Result>[] = []
  const left: Waiting<Item, Result>[] = []
  for (const one of kind.waiting) {
    if (taken.length === MAX_ITEMS || kind.busy.has(one.id)) {
      left.push(one)
      continue
    }
    kind.busy.add(one.id)
    taken.push(one)
  }
  kind.waiting = left
  return taken
}
