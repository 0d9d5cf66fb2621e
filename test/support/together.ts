// Runs test files in one process, one after the other, so that what they import is loaded once and warm.
//   node test/support/together.ts FILE…   writes TAP; a comment names each file, another one sums it up
import { once } from 'node:events'
import { resolve } from 'node:path'

const files = process.argv.slice(2)
// tap names fixture folders after its arguments: leave only the first
process.argv.length = 3
const { t } = await import('tap')

// keeps the process alive: a test that waits in vain ends by its own timeout, and the files after it still run
const alive = setInterval(() => {}, 60_000)
for (const file of files) {
  t.comment(`file: ${file}`)
  // the timeout applies to each file
  t.setTimeout(Number(process.env.TAP_TIMEOUT) * 1_000)
  const began = performance.now()
  const before = { ...t.counts }
  const tests = t.count
  try {
    await import(resolve(file))
  } catch (error) {
    t.test('cannot be loaded', () => Promise.reject(error))
  }
  if (!t.idle) await once(t, 'idle')
  const [pass, fail] = [t.counts.pass - before.pass, t.counts.fail - before.fail]
  const ms = Math.round(performance.now() - began)
  t.comment(`{ tests: ${t.count - tests}, pass: ${pass}, fail: ${fail}, ms: ${ms} }`)
}
clearInterval(alive)
