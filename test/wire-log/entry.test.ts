import { test } from 'tap'
import { parseEntry } from '../../server/wire-log/entry.ts'

test('an entry whose answer is no longer JSON is read all the same', (t) => {
  const head = { requestId: 'r', status: 201, request: { a: 1, response: { b: 2 } } }
  const text = JSON.stringify(head).slice(0, -1)
  const broken = '{"active":[redacted],"response":"x"}'
  t.strictSame(parseEntry(`${text},"response":${broken}}`), { ...head, response: broken })
  t.strictSame(parseEntry(`${text},"response":{"active":true}}`), { ...head, response: { active: true } })
  t.throws(() => parseEntry('{"requestId":'), /no JSON/)
  t.end()
})
