import { test } from 'tap'
import { LongBody } from '../../server/scim/long-body.ts'

const wholeOf = (body: LongBody, beginning = '', ending = '') => body.endWith(beginning, body.length, ending)

test('a long body', async (t) => {
  t.test('contains what was written, however much more than expected', async (t) => {
    const parts = Array.from({ length: 3_000 }, (_, index) => `${index} é 😀 ${'x'.repeat(index % 700)}`)
    const body = new LongBody(10)
    for (const part of parts) body.write(part)
    t.equal(wholeOf(body).body.toString(), parts.join(''))
  })

  t.test('takes bytes as they are, including those of another body', async (t) => {
    const other = new LongBody(10)
    const start = other.length
    other.copy(Buffer.from('?é!'), 1, 3)
    const body = new LongBody(10)
    body.write('a')
    body.copyFrom(other, start, other.length)
    t.equal(wholeOf(body).body.toString(), 'aé')
  })

  t.test('gets its beginning last, and may lose its end', async (t) => {
    for (const beginning of ['', 'é[', 'b'.repeat(1_024), 'b'.repeat(1_025), 'é'.repeat(40_000)]) {
      const body = new LongBody(10)
      body.write('one')
      const end = body.length
      body.write(',two')
      t.equal(body.endWith(beginning, end, 'ö]').body.toString(), `${beginning}oneö]`)
    }
    t.equal(wholeOf(new LongBody(10), '[', ']').body.toString(), '[]', 'nothing between')
  })

  t.test('shares its memory with no body that has not been sent', async (t) => {
    const bodies = Array.from({ length: 5 }, (_, index) => {
      const body = new LongBody(20_000)
      body.write(String(index).repeat(15_000))
      return wholeOf(body)
    })
    bodies[0]!.sent()
    const next = new LongBody(20_000)
    next.write('n'.repeat(15_000))
    for (const [index, { body }] of bodies.entries()) {
      if (index > 0) t.equal(body.toString(), String(index).repeat(15_000))
    }
    t.equal(wholeOf(next).body.toString(), 'n'.repeat(15_000))
  })
})
