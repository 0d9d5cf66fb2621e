import { test } from 'tap'
import { type Piece, Slabs } from '../../server/wire-log/slabs.ts'

const textOf = ({ slab, start, end }: Piece) => slab.bytes.toString('utf8', start, end)

test('memory for waiting lines', async (t) => {
  t.test('keeps each line as it is, however long and in any script', async (t) => {
    const slabs = new Slabs()
    const parts = [
      ['{"a":', '1'],
      ['ä€😀', ''],
      ['x'.repeat(600_000), 'y'],
      ['€'.repeat(900_000), 'ä'],
      ['{"b":', '"😀"']
    ] as const
    const slots = parts.map(([head, body]) => slabs.put(head, body))
    t.strictSame(
      slots.map(textOf),
      parts.map(([head, body]) => `${head}${body}}\n`)
    )
  })

  t.test('is used again once all of its lines are released, and not earlier', async (t) => {
    const slabs = new Slabs()
    const long = 'y'.repeat(300_000)
    const first = slabs.put('first', '')
    const second = slabs.put(long, '')
    const third = slabs.put(long, '')
    t.equal(second.slab, first.slab)
    t.not(third.slab, first.slab, 'there is no room for another long one')
    slabs.release(first)
    t.equal(textOf(second), `${long}}\n`)
    slabs.release(second)
    t.equal(slabs.put(long, '').slab, first.slab)
    t.equal(textOf(third), `${long}}\n`)
  })
})
