// index-names: puts users whose names were written into the search index. Enqueued by a search that found many waiting,
// and by clean-up for tenants in which nobody searches.
import { indexNames } from '../../db/search-indexing.ts'
import type { Deps } from '../../server/deps.ts'
import { askForIndex } from '../../server/provisioning/search-index.ts'
import type { JobPayloads } from '../queue.ts'

/** After this many steps, it is the turn of other tenants. */
const STEPS_AT_ONCE = 10

export async function indexNoted(
  deps: Pick<Deps, 'db' | 'log' | 'queue'>,
  jobs: readonly { data: JobPayloads['index-names'] }[],
  signal: AbortSignal
): Promise<void> {
  for (const { data } of jobs) {
    const { tenantId } = data
    const count = await indexNames(deps.db, tenantId, signal, { steps: STEPS_AT_ONCE })
    deps.log.info({ job: 'index-names', tenantId, count }, 'index-names')
    if (!signal.aborted) await askForIndex(deps, tenantId)
  }
}
