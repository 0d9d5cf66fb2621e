// Text that the command line writes for people.
import { test } from 'tap'
import { describeError, inLines } from '../../client/cli/output.ts'

test('inLines breaks a text between words', async (t) => {
  t.equal(inLines('short'), 'short')
  const sentence = 'somebody has changed it here since '.repeat(6).trimEnd()
  const lines = inLines(sentence).split('\n')
  t.ok(lines.length > 1 && lines.every((line) => line.length <= 80), 'a sentence is broken between words')
  t.equal(lines.join(' '), sentence, 'and nothing of it is lost')
  const address = `https://hooks.acme.test/${'x'.repeat(100)}`
  t.equal(inLines(address), address, 'what is copied stays whole')
  t.match(inLines(`see ${address}`), address)
})

test('describeError says why a service cannot be reached', async (t) => {
  const refused = (cause: object) => describeError(new Error('fetch failed', { cause: new TypeError('x', { cause }) }))
  t.match(refused({ code: 'ECONNREFUSED' }), /is it running/)
  t.match(refused(new Error('bad port')), /The service cannot be reached: bad port/)
  t.match(refused(new Error('self-signed certificate')), /self-signed certificate/)
})
