// The index of the search is kept by a job, of which whoever sees that many names wait for it asks.
import { isIndexBehind } from '../../db/search-indexing.ts'
import type { Deps } from '../deps.ts'

/** Has names put into the index where many wait; however often it is asked for, one job waits for it. */
export async function askForIndex({ db, queue }: Pick<Deps, 'db' | 'queue'>, tenantId: number): Promise<void> {
  if (!(await isIndexBehind(db, tenantId))) return
  await queue.enqueue(db, 'index-names', [{ tenantId }], { keys: [String(tenantId)] })
}
