import { test } from 'tap'
import { type Piece, Slabs } from '../../server/wire-log/slabs.ts'

const textOf = ({ slab, start, end }: Piece) => slab.bytes.toString('utf8', start, end)

test('memory for lines that wait', async (t) => {
  t.test('keeps each line as it is, however long and in whatever script', async (t) => {
    const slabs = new Slabs()
    const lines = ['{"a":1}\n', 'ä€😀\n', 'x'.repeat(600_000), '€'.repeat(900_000), '{"b":2}\n']
    const slots = lines.map((line) => slabs.put(line))
    t.strictSame(slots.map(textOf), lines)
  })

  t.test('is used again once all of its lines are released, and not before', async (t) => {
    const slabs = new Slabs()
    const long = 'y'.repeat(300_000)
    const first = slabs.put('first')
    const second = slabs.put(long)
    const third = slabs.put(long)
    t.equal(second.slab, first.slab)
    t.not(third.slab, first.slab, 'there is no room for another long one')
    slabs.release(first)
    t.equal(textOf(second), long)
    slabs.release(second)
    t.equal(slabs.put(long).slab, first.slab)
    t.equal(textOf(third), long)
  })
})
