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
  t.test('with METRICS_TOKEN, details are shown only to whoever has it', async (t) => {
    const token = 'm'.repeat(32)
    const guarded = await startApp(t, { env: { METRICS_TOKEN: token } })
    const ask = (url: string, authorization?: string) =>
      guarded.inject('acme', { url, headers: { ...(authorization && { authorization }) } })
    for (const wrong of [undefined, 'Bearer wrong', token, `Bearer ${OPERATOR.token}`]) {
      t.match(await ask('/metrics', wrong), { statusCode: 401 }, String(wrong))
      t.same((await ask('/readyz', wrong)).json(), { status: 'ready' }, 'a balancer needs no more')
    }
    t.match(await ask('/metrics', `Bearer ${token}`), { statusCode: 200, body: /process_resident_memory_bytes/ })
    const checks = { database: true, queue: true }
    t.same((await ask('/readyz', `Bearer ${token}`)).json(), { status: 'ready', checks })
    t.same((await inject('acme', { url: '/readyz' })).json(), { status: 'ready', checks }, 'without the setting')
  })
  t.test('an unknown subdomain is answered 404 in the form of the path', async (t) => {
    const answer = await query('nobody', 'auth.me')
    t.equal(answer.status, 404)
    t.equal(answer.error?.reason, 'unknownTenant')
    t.equal((await query('', 'users.list', undefined, OPERATOR)).status, 404)
  })
})
