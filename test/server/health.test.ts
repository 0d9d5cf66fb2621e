import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'

test('health', async (t) => {
  const { inject, query } = await startApp(t)
  t.test('/healthz and /readyz answer on any host', async (t) => {
    for (const host of ['', 'acme', 'elsewhere.test']) {
      for (const url of ['/healthz', '/readyz']) {
        t.equal((await inject(host, { url })).statusCode, 200, `${host}${url}`)
      }
    }
  })
  t.test('an unknown subdomain is 404 in the form of the path', async (t) => {
    const answer = await query('nobody', 'auth.me')
    t.equal(answer.status, 404)
    t.equal(answer.error?.reason, 'unknownTenant')
    t.equal((await query('', 'users.list', undefined, OPERATOR)).status, 404)
  })
})
