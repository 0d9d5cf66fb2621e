import { EventEmitter } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import type { Listener } from '../../db/listen.ts'
import { createCache, createExpiring } from '../../server/cache.ts'

const listenerOf = (isConnected: boolean) =>
  Object.assign(new EventEmitter(), { isConnected, close: async () => {} }) as unknown as Listener

test('a cache', async (t) => {
  t.test('looks a value up once, even for calls at the same time, and counts', async (t) => {
    const cache = createCache<{ n: number }>({ max: 10, listener: listenerOf(true) })
    let loads = 0
    const load = async () => ({ n: ++loads })
    await Promise.all([cache.get('a', load), cache.get('a', load)])
    t.same(await cache.get('a', load), { n: 1 })
    t.same(cache.stats, { hits: 1, misses: 2 })
  })

  t.test('returns at once what it knows, and counts that', async (t) => {
    const cache = createCache<{ n: number }>({ max: 10, listener: listenerOf(true) })
    t.equal(cache.known('a'), undefined)
    await cache.get('a', async () => ({ n: 1 }))
    t.same(cache.known('a'), { n: 1 })
    t.same(cache.stats, { hits: 1, misses: 1 })
    cache.delete('a')
    t.equal(cache.known('a'), undefined)
  })

  t.test('does not remember that there is no value', async (t) => {
    const cache = createCache<{ n: number }>({ max: 10, listener: listenerOf(true) })
    t.equal(await cache.get('a', async () => undefined), undefined)
    t.same(await cache.get('a', async () => ({ n: 1 })), { n: 1 })
  })

  t.test(
    'forgets everything after a gap in notifications, and what was being read when it was told to forget',
    async (t) => {
      const listener = listenerOf(true)
      const cache = createCache<{ n: number }>({ max: 10, listener })
      let answer: (value: { n: number }) => void = () => {}
      const reading = cache.get('a', () => new Promise((done) => (answer = done)))
      cache.delete('a')
      answer({ n: 1 })
      t.same(await reading, { n: 1 }, 'the caller gets what was read')
      t.same(await cache.get('a', async () => ({ n: 2 })), { n: 2 }, 'the next one reads again')
      listener.emit('gap')
      t.same(await cache.get('a', async () => ({ n: 3 })), { n: 3 })
      cache.deleteWhere(({ n }) => n === 3)
      t.same(await cache.get('a', async () => ({ n: 4 })), { n: 4 })
    }
  )

  t.test('stays within its bound', async (t) => {
    const cache = createCache<{ n: number }>({ max: 2, listener: listenerOf(true) })
    let loads = 0
    const load = async () => ({ n: ++loads })
    for (const key of ['a', 'b', 'c', 'a']) await cache.get(key, load)
    t.equal(loads, 4)
  })
})

test('an entry past its time', async (t) => {
  const patience = AbortSignal.timeout(20_000)
  const until = async (holds: () => boolean) => {
    while (!holds() && !patience.aborted) await setTimeout(20)
    t.ok(holds())
  }

  t.test('is removed though nobody asks for it, and so are later ones', async (t) => {
    const entries = createExpiring<object>({ max: 10, ttlMs: 100, purgeEveryMs: 20 })
    for (const key of ['a', 'b']) {
      entries.set(key, {})
      t.equal(entries.size, 1)
      await until(() => entries.size === 0)
    }
  })

  t.test('is counted from its last use if so configured', async (t) => {
    const entries = createExpiring<object>({ max: 10, ttlMs: 60_000, isRenewedByUse: true })
    entries.set('used', {})
    entries.set('unused', {})
    await setTimeout(200)
    entries.get('used')
    t.ok(entries.getRemainingTTL('used') > entries.getRemainingTTL('unused'))
  })
})
