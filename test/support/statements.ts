// Counts and notes statements that are sent to PostgreSQL.
import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'

/** Set in everything that counted work calls and awaits; it leaves out what earlier requests left to timers. */
const counted = new AsyncLocalStorage<true>()

/**
 * Counts the statements that `work` sends over any connection of this process, BEGIN and COMMIT included. Statements of
 * earlier work, such as the wire log's, do not count.
 */
export async function countStatements(work: () => Promise<unknown>): Promise<number> {
  const original = pg.Client.prototype.query
  let count = 0
  // biome-ignore lint/suspicious/noExplicitAny: pg's query has a dozen overloads, and each of them counts
  pg.Client.prototype.query = function (this: pg.Client, ...args: any[]) {
    // each connection prepares a statement once, whoever sends it first
    const isPreparation = (args[0] as object).constructor.name === 'Preparation'
    if (counted.getStore() && !isPreparation) count++
    return Reflect.apply(original, this, args)
  } as typeof original
  try {
    await counted.run(true, work)
  } finally {
    pg.Client.prototype.query = original
  }
  return count
}

export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/**
 * The distinct statements with values that `work` sends, each with the values of its first use. Nothing else may run
 * meanwhile.
 */
export async function noteStatements(work: () => Promise<unknown>): Promise<Statement[]> {
  const original = pg.Client.prototype.query
  const noted = new Map<string, Statement>()
  const note = ({ text, values }: Partial<Statement>) => {
    if (text && values && !noted.has(text)) noted.set(text, { text, values: [...values] })
  }
  // biome-ignore lint/suspicious/noExplicitAny: texts, configurations and queries of db/tenant-query.ts
  pg.Client.prototype.query = function (this: pg.Client, ...args: any[]) {
    const [query, values] = args
    if (typeof query === 'string') note({ text: query, values })
    else for (const { statement } of query.reads ?? [{ statement: query }]) note(statement)
    return Reflect.apply(original, this, args)
  } as typeof original
  try {
    await work()
  } finally {
    pg.Client.prototype.query = original
  }
  return [...noted.values()]
}
