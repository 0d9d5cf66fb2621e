// What identity providers were refused in the last day, as shown to administrators.
import { test } from 'tap'
import { type Caller, OPERATOR, startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

test('scimTokens.errors', async (t) => {
  const app = await startApp(t)
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  const errors = async (host = 'acme', caller: Caller = OPERATOR) => {
    const { data, error } = await app.query(host, 'scimTokens.errors', undefined, caller)
    return error?.reason ?? data.connections
  }
  /** Refusals are counted after the answer. */
  const untilCounted = async (count: number) => {
    for (;;) {
      const [connection] = await errors()
      if (connection?.count === count) return connection
      await new Promise((done) => setTimeout(done, 5))
    }
  }

  t.test('counts refusals, and keeps the newest with its reason', async (t) => {
    await scim.createUser({ userName: 'ada@acme.test' })
    t.same(await errors(), [], 'what went well is not counted')
    await scim.get('/Users?filter=nonsense')
    await untilCounted(1)
    t.equal((await scim.post('/Users', { schemas: [USER], userName: 'ADA@acme.test' })).status, 409)
    const { last } = await untilCounted(2)
    t.match(last, { status: 409, detail: /userName/ })
  })

  t.test('counts each of many at the same time', async (t) => {
    await Promise.all(Array.from({ length: 40 }, () => scim.get('/Users?filter=nonsense')))
    t.match(await untilCounted(42), { last: { status: 400 } })
  })

  t.test('does not count looking for what is gone, nor unknown tokens', async (t) => {
    await scim.get('/Users/01960000-0000-7000-8000-000000000000')
    await scim.ask('GET', '/Users', undefined, { authorization: 'Bearer mst_scim_wrong' })
    await scim.get('/Users?filter=nonsense')
    t.equal((await untilCounted(43)).count, 43)
  })

  t.test('is only for administrators of the tenant', async (t) => {
    await app.mutate('', 'tenants.create', { subdomain: 'globex', name: 'Globex' }, OPERATOR)
    t.same(await errors('globex'), [])
    t.equal(await errors('acme', {}), 'unauthenticated')
  })

  t.test('forgets after a day', async (t) => {
    app.clock.advance({ hours: 25 })
    t.same(await errors(), [])
    await scim.get('/Users?filter=nonsense')
    t.equal((await untilCounted(1)).count, 1)
    app.clock.advance({ hours: 72 })
    await scim.get('/Users?filter=nonsense')
    await untilCounted(1)
    const { count } = await app.owner
      .selectFrom('scim_errors')
      .select((of) => of.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow()
    t.equal(Number(count), 1, 'and keeps no more than two days')
  })
})
