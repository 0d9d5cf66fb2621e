import { test } from 'tap'
import { Packer, unpackLines } from '../../server/wire-log/pack.ts'

const linesOf = (text: string) => Buffer.from(text)

test('packed lines', async (t) => {
  t.test('are the same when unpacked, whatever the packer packed before', async (t) => {
    const packer = new Packer()
    t.teardown(() => packer.close())
    const long = Array.from({ length: 5_000 }, (_, i) => `{"line":${i},"text":"${'ä€😀'.repeat(30)}"}`)
    const first = await packer.pack([linesOf('{"a":1}\n'), linesOf('{"b":2}\n')])
    const second = await packer.pack([linesOf(`${long.join('\n')}\n`)])
    const third = await packer.pack([linesOf('{"c":3}\n')])
    t.strictSame(await unpackLines(first), ['{"a":1}', '{"b":2}'])
    t.strictSame(await unpackLines(second), long)
    t.strictSame(await unpackLines(third), ['{"c":3}'])
    t.ok(second.length < 100_000, `${second.length} bytes for what repeats itself`)
  })

  t.test('can be packed again by a packer that was closed', async (t) => {
    const packer = new Packer()
    await packer.pack([linesOf('{"a":1}\n')])
    packer.close()
    t.strictSame(await unpackLines(await packer.pack([linesOf('{"b":2}\n')])), ['{"b":2}'])
    packer.close()
  })
})
