// Counts what is sent to PostgreSQL.
import pg from 'pg'

/**
 * The statements that `work` sends over any connection of this process, BEGIN and COMMIT included.
 * Nothing else may run meanwhile.
 */
export async function countStatements(work: () => Promise<unknown>): Promise<number> {
  const original = pg.Client.prototype.query
  let count = 0
  // biome-ignore lint/suspicious/noExplicitAny: pg's query has a dozen overloads, and each of them counts
  pg.Client.prototype.query = function (this: pg.Client, ...args: any[]) {
    count++
    return Reflect.apply(original, this, args)
  } as typeof original
  try {
    await work()
  } finally {
    pg.Client.prototype.query = original
  }
  return count
}
