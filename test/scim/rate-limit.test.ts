import { test } from 'tap'
import { createRateLimiter } from '../../server/scim/rate-limit.ts'

const START = Date.parse('2027-01-01T00:00:00Z')

/** How many of `count` requests at one moment pass. */
function passing(limiter: ReturnType<typeof createRateLimiter>, key: string, atMs: number, count: number): number {
  let passed = 0
  for (let index = 0; index < count; index++) {
    try {
      limiter.take(key, new Date(START + atMs))
      passed++
    } catch {
      // this one is refused
    }
  }
  return passed
}

test('a bucket contains a minute’s worth and fills steadily', async (t) => {
  const limiter = createRateLimiter(100)
  t.equal(passing(limiter, 'a', 0, 8_000), 6_000)
  t.equal(passing(limiter, 'a', 500, 8_000), 50)
  t.equal(passing(limiter, 'b', 500, 8_000), 6_000, 'each key has its own')
  t.equal(passing(limiter, 'a', 100_000, 8_000), 6_000, 'and never more than it holds')
})

test('a clock that is set back neither gives nor takes requests', async (t) => {
  const limiter = createRateLimiter(10)
  t.equal(passing(limiter, 'a', 0, 900), 600)
  t.equal(passing(limiter, 'a', -60_000, 200), 0)
  t.equal(passing(limiter, 'a', -59_000, 200), 10)
})

test('a refusal says when to come back', async (t) => {
  const limiter = createRateLimiter(2)
  passing(limiter, 'a', 0, 200)
  t.throws(() => limiter.take('a', new Date(START)), { code: 'rate_limited', retryAfterSeconds: 0.5 })
})

test('0 is no limit', async (t) => {
  t.equal(passing(createRateLimiter(0), 'a', 0, 10_000), 10_000)
})
