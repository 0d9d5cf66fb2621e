import { test } from 'tap'
import { LongBody } from '../../server/scim/long-body.ts'

test('a long body', async (t) => {
  t.test('holds what was written, however much more than expected', async (t) => {
    const parts = Array.from({ length: 3_000 }, (_, index) => `${index} é 😀 ${'x'.repeat(index % 700)}`)
    const body = new LongBody(10)
    for (const part of parts) body.write(part)
    t.equal(body.end().body.toString(), parts.join(''))
  })

  t.test('takes the members of an object in behind others', async (t) => {
    const body = new LongBody(100)
    body.write('{"id":1')
    body.writeInside(['{"a":', '"é"', '}'])
    body.write(',"z":2}')
    t.same(JSON.parse(body.end().body.toString()), { id: 1, a: 'é', z: 2 })
  })

  t.test('shares its memory with no other that has not been sent', async (t) => {
    const bodies = Array.from({ length: 5 }, (_, index) => {
      const body = new LongBody(20_000)
      body.write(String(index).repeat(15_000))
      return body.end()
    })
    bodies[0]!.sent()
    const next = new LongBody(20_000)
    next.write('n'.repeat(15_000))
    for (const [index, { body }] of bodies.entries()) {
      if (index > 0) t.equal(body.toString(), String(index).repeat(15_000))
    }
    t.equal(next.end().body.toString(), 'n'.repeat(15_000))
  })
})
