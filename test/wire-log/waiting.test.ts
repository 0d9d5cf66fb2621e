import { test } from 'tap'
import type { EncodedEntry } from '../../server/wire-log/encode.ts'
import { WaitingBatches } from '../../server/wire-log/waiting.ts'

const entry = (text: string): EncodedEntry => ({
  head: text,
  body: '',
  atMs: 0,
  status: 200,
  connectionId: null,
  resources: 0
})
type Batches = ReturnType<WaitingBatches['take']>
const textOf = (batches: Batches) =>
  batches.flatMap(({ where }) => where.map(({ slab, start, end }) => slab.bytes.toString('utf8', start, end))).join('')

test('exchanges that wait to be written', async (t) => {
  t.test('are taken when they fill a batch, and the rest when it is due', async (t) => {
    const waiting = new WaitingBatches()
    const full = Array.from({ length: 1_500 }, (_, i) => waiting.add(1, entry(`{"i":${i}`)))
    t.equal(full.indexOf(true), 999)
    t.equal(full.lastIndexOf(true), 999)
    t.strictSame(waiting.full, [1])
    t.strictSame(
      waiting.take(1, 'full').map(({ count }) => count),
      [1_000]
    )
    t.strictSame(waiting.full, [])
    t.equal(waiting.count, 500)
    t.strictSame(
      waiting.take(1, 'all').map(({ count }) => count),
      [500]
    )
    t.equal(waiting.tenantCount, 0)
  })

  t.test('stay in order, whichever others come between them, in memory that is used again', async (t) => {
    const waiting = new WaitingBatches()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 50; i++) waiting.add(1 + (i % 2), entry(`{"i":"${'x'.repeat(20_000)}${round}.${i}"`))
      for (const tenantId of [1, 2]) {
        const batches = waiting.take(tenantId, 'all')
        const numbers = Array.from({ length: 25 }, (_, i) => `${round}.${2 * i + tenantId - 1}`)
        t.strictSame(textOf(batches).match(/\d\.\d+/g), numbers)
        for (const { where } of batches) waiting.release(where)
      }
    }
  })

  t.test('are dropped one by one, beginning with the oldest of whoever has waited longest', async (t) => {
    const waiting = new WaitingBatches(3)
    for (const tenantId of [1, 1, 2, 2, 2]) waiting.add(tenantId, entry(`{"of":${tenantId}`))
    t.ok(waiting.isTooMuch)
    t.equal(waiting.dropOldest(), 1)
    t.equal(waiting.dropOldest(), 1)
    t.notOk(waiting.isTooMuch)
    t.strictSame(waiting.tenantIds, [2])
    t.equal(waiting.dropOldest(), 2)
    t.equal(textOf(waiting.take(2, 'all')), '{"of":2}\n{"of":2}\n')
  })
})
