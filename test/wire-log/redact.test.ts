import { test } from 'tap'
import { redactBody } from '../../server/wire-log/redact.ts'

test('a body is kept as it was sent where that is what its value would be written as', (t) => {
  const kept = (sent: string) => redactBody(JSON.parse(sent), sent, new Set()).text
  const plain = '{"userName":"ada","name":{"givenName":"Ada"},"emails":[],"title":"a\\"b"}'
  t.equal(kept(plain), plain)
  t.equal(kept('{"a":1, "b":2}'), '{"a":1, "b":2}')
  t.equal(kept('{"title":"R\\/D"}'), '{"title":"R/D"}', 'a slash that need not be escaped')
  t.equal(kept('{"active": false}'), '{"active":false}', 'space behind a name')
  t.equal(kept('{"active":\nfalse}'), '{"active":false}', 'several lines')
  t.equal(kept('{"n\\u0061me":1}'), '{"name":1}', 'letters that are escaped')
  t.equal(kept('{"p\\u0061ssword":"hunter2"}'), '{"password":"[redacted]"}')
  const ofLength = (length: number) => JSON.stringify({ title: 'x'.repeat(length) }).replace(':', ' :')
  const long = ofLength(5_000)
  t.equal(kept(long), JSON.stringify(JSON.parse(long)), 'a long one')
  const cut = ofLength(70_000)
  t.equal(kept(cut), cut, 'one of which the beginning alone is kept, as text')
  const hidden = `{"title":"${'x'.repeat(70_000)}","p\\u0061ssword":"hunter2"}`
  t.match(kept(hidden), /"password":"\[redacted\]"/, 'a secret behind what is kept')
  t.same(redactBody(JSON.parse(hidden), hidden, new Set()).secrets, ['hunter2'], 'an answer may quote it')
  t.end()
})
