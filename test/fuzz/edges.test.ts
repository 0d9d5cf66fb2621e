// Fuzzes the edges with a database behind them: some requests in `npm test`, many in `npm run fuzz`.
import { test } from 'tap'
import { FUZZ_SEED } from '../support/fuzz.ts'
import { feedEdges } from './edges.ts'
import { startEdges } from './start.ts'

test('whatever is sent to SCIM or tRPC is answered, and never with 5xx', async (t) => {
  const edges = await startEdges(t)
  await feedEdges(edges, 1_500, FUZZ_SEED)
  t.equal((await edges.scim.get('/Users?count=1')).status, 200, 'and the service is as it was')
})
