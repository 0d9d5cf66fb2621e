// Work that arrives at the same time is done in batches; these tests show which items share one.
import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { Gathering } from '../../server/provisioning/gathering.ts'

/** A gathering whose batches end when they are told to. */
function startGathering(patienceMs = 600_000) {
  const batches: { items: readonly string[]; end: () => void }[] = []
  const run = (items: readonly string[]) =>
    new Promise<{ value: string }[]>((resolve) =>
      batches.push({ items, end: () => resolve(items.map((value) => ({ value: `${value}!` }))) })
    )
  const gathering = new Gathering<string, string>(run, patienceMs)
  return {
    batches,
    sizes: () => batches.map(({ items }) => items.length),
    async add(...ids: string[]): Promise<Promise<string[]>[]> {
      const added = Promise.all(ids.map((id) => gathering.add('kind', id, id)))
      await settled()
      return [added]
    }
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

test('work of one kind', async (t) => {
  const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  t.test('is done together if it arrives together, and has an outcome for each item', async (t) => {
    const { add, batches, sizes } = startGathering()
    const [added] = await add(...ids('a', 8))
    t.same(sizes(), [8])
    batches[0]!.end()
    t.same(
      await added,
      ids('a', 8).map((id) => `${id}!`)
    )
  })

  t.test('waits beside a running batch until half of a crowd is there, or the batch has ended', async (t) => {
    const { add, batches, sizes } = startGathering()
    await add(...ids('a', 8))
    await add(...ids('b', 3))
    t.same(sizes(), [8], 'three are no half of eight')
    await add('b3')
    t.same(sizes(), [8, 4])
    batches[0]!.end()
    await settled()
    await add(...ids('c', 2))
    t.same(sizes(), [8, 4], 'nor are two of twelve')
    batches[1]!.end()
    await settled()
    t.same(sizes(), [8, 4, 2])
  })

  t.test('waits only a little for a slow batch', async (t) => {
    const { add, batches, sizes } = startGathering(1)
    await add(...ids('a', 8))
    await add('b')
    while (batches.length < 2) await settled()
    t.same(sizes(), [8, 1])
  })

  t.test('starts beside a running batch if few items arrive at once', async (t) => {
    const { add, sizes } = startGathering()
    await add('a')
    await add('b')
    t.same(sizes(), [1, 1])
  })

  t.test('waits while other work is done for the same id', async (t) => {
    const { add, batches, sizes } = startGathering()
    await add('a')
    await add('a', 'b')
    t.same(
      batches.map(({ items }) => items),
      [['a'], ['b']]
    )
    for (const { end } of batches) end()
    await settled()
    t.same(sizes(), [1, 1, 1])
  })
})
