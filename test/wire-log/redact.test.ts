import { test } from 'tap'
import { redactAnswer, redactBody } from '../../server/wire-log/redact.ts'

test('a body is kept as it was sent if writing its value would give the same', (t) => {
  const kept = (sent: string) => redactBody(JSON.parse(sent), sent, new Set()).text
  const plain = '{"userName":"ada","name":{"givenName":"Ada"},"emails":[],"title":"a\\"b"}'
  t.equal(kept(plain), plain)
  t.equal(kept('{"a":1, "b":2}'), '{"a":1, "b":2}')
  t.equal(kept('{"title":"R\\/D"}'), '{"title":"R/D"}', 'a slash that need not be escaped')
  t.equal(kept('{"active": false}'), '{"active":false}', 'space behind a name')
  t.equal(kept('{"active":\nfalse}'), '{"active":false}', 'several lines')
  t.equal(kept('{"n\\u0061me":1}'), '{"name":1}', 'letters that are escaped')
  t.equal(kept('{"p\\u0061ssword":"hunter2"}'), '{"password":"[redacted]"}')
  const long = JSON.stringify({ title: 'x'.repeat(5_000) }).replace(':', ' :')
  t.equal(kept(long), JSON.stringify(JSON.parse(long)), 'a long one')
  t.end()
})

test('an answer loses what its request contains as a secret, and stays JSON', (t) => {
  const cases: readonly [answer: unknown, secret: string, redacted: unknown][] = [
    [{ active: true, title: 'it is true' }, 'true', { active: true, title: 'it is [redacted]' }],
    [{ count: 12345, title: '12345' }, '12345', { count: 12345, title: '[redacted]' }],
    [{ title: 'x\nabc1234' }, 'nabc1234', { title: 'x\nabc1234' }],
    [{ detail: 'not "p\\w\u0001"!' }, '"p\\w\u0001"', { detail: 'not [redacted]!' }],
    [{ a: '', b: '\\', c: ['hunter2', '"'] }, 'hunter2', { a: '', b: '\\', c: ['[redacted]', '"'] }]
  ]
  for (const [answer, secret, redacted] of cases) {
    t.strictSame(JSON.parse(redactAnswer(JSON.stringify(answer), [secret])), redacted, secret)
  }
  t.equal(redactAnswer('{"a":"pass: hunter2 an', ['hunter2']), '{"a":"pass: [redacted] an', 'one that is cut')
  t.equal(redactAnswer('{"a":"hunter2\\', ['hunter2']), '{"a":"[redacted]\\', 'within an escape')
  const long = JSON.stringify({ a: `${'\\"'.repeat(500_000)}hunter2` })
  t.notMatch(redactAnswer(long, ['hunter2']), /hunter2/, 'a long one')
  t.end()
})
