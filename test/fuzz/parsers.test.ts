// A few seconds of `npm run fuzz` with a fixed seed: what passed passes again.
import { test } from 'tap'
import { FUZZ_SEED } from '../support/fuzz.ts'
import { inherited } from './hostile.ts'
import { feed, grow } from './run.ts'
import { TARGETS } from './targets.ts'

const INPUTS = 20_000

test('each input is parsed or refused, and poisons no prototype', async (t) => {
  const shares = TARGETS.reduce((sum, { share }) => sum + share, 0)
  for (const target of TARGETS) {
    t.test(target.name, async (t) => {
      feed(target, Math.ceil((INPUTS * target.share) / shares), FUZZ_SEED)
      t.pass(target.name)
    })
  }
})

test('a long text is parsed in time proportional to its length', async (t) => {
  for (const target of TARGETS.filter(({ growing }) => growing)) {
    t.test(target.name, async (t) => {
      grow(target, 500_000)
      t.pass(target.name)
    })
  }
})

test('the harness notices a poisoned prototype', async (t) => {
  const before = inherited()
  Object.assign(Object.prototype, { polluted: 'yes' })
  const after = inherited()
  delete (Object.prototype as Record<string, unknown>)['polluted']
  t.not(after, before)
  t.equal(inherited(), before)
})
