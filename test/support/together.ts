// Runs test files in one process, one after the other: what they import is loaded and warm for all of them.
//   node test/support/together.ts FILE…   writes TAP; a comment names each file, another sums it up
import { once } from 'node:events'
import { resolve } from 'node:path'

const files = process.argv.slice(2)
// tap names the folders of fixtures after all of them
process.argv.length = 3
const { t } = await import('tap')

// a test that waits for nothing ends by its own timeout, not with the process and the files after it
const alive = setInterval(() => {}, 60_000)
for (const file of files) {
  t.comment(`file: ${file}`)
  // for each file anew
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
