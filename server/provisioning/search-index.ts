// A job keeps the search index; whoever sees many names waiting to be indexed asks for one.
import { isIndexBehind } from '../../db/search-indexing.ts'
import type { Deps } from '../deps.ts'

/** Has names indexed where many wait; however often it is called, only one job waits. */
export async function askForIndex({ db, queue }: Pick<Deps, 'db' | 'queue'>, tenantId: number): Promise<void> {
  if (!(await isIndexBehind(db, tenantId))) return
  await queue.enqueue(db, 'index-names', [{ tenantId }], { keys: [String(tenantId)] })
}
