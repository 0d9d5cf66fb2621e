// Cross-site request forgery: what a browser sends for another site's page changes nothing.
import { test } from 'tap'
import { appRouter } from '../../server/admin/router.ts'
import { PASSWORD, startAcme } from './acme.ts'

test('requests from other sites', async (t) => {
  const acme = await startAcme(t)
  const { query, mutate, signIn, cookieOf } = acme
  const OWN = 'http://acme.muster.test'

  t.test('are refused with a session’s cookie, and change nothing', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    for (const origin of [
      'https://evil.test',
      'http://globex.muster.test',
      'http://muster.test',
      'https://acme.muster.test',
      'http://acme.muster.test:8080',
      'http://acme.muster.test.evil.test',
      'null',
      ''
    ]) {
      const answer = await mutate('acme', 'auth.signOut', {}, { cookie, headers: { origin } })
      t.match(answer, { status: 403, error: { reason: 'crossOrigin', code: 'FORBIDDEN' } }, origin)
    }
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).status, 200, 'the session goes on')
  })

  t.test('are refused by Sec-Fetch-Site if there is no Origin', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    for (const site of ['cross-site', 'same-site']) {
      const answer = await mutate('acme', 'auth.signOut', {}, { cookie, headers: { 'sec-fetch-site': site } })
      t.match(answer, { status: 403, error: { reason: 'crossOrigin' } }, site)
    }
    for (const site of ['same-origin', 'none']) {
      const { cookie } = await signIn('ada@acme.test', PASSWORD, { headers: { 'sec-fetch-site': site } })
      t.ok(cookie, site)
    }
  })

  t.test('sign nobody in, so that nobody acts in somebody else’s account unknowingly', async (t) => {
    const answer = await signIn('ada@acme.test', PASSWORD, { headers: { origin: 'https://evil.test' } })
    t.match(answer, { status: 403, cookie: undefined, error: { reason: 'crossOrigin' } })
    const reset = await mutate(
      'acme',
      'auth.resetPassword',
      { token: 'x', password: PASSWORD },
      { headers: { origin: 'https://evil.test' } }
    )
    t.match(reset, { status: 403, error: { reason: 'crossOrigin' } })
  })

  t.test('are told apart from those of the page itself, and of clients that are no browsers', async (t) => {
    const { cookie } = await signIn('ada@acme.test', PASSWORD, { headers: { origin: OWN } })
    t.ok(cookie)
    t.equal((await mutate('acme', 'auth.signOut', {}, { cookie, headers: { origin: OWN } })).status, 200)
    t.equal((await signIn('ada@acme.test')).status, 200)
  })

  t.test('are told apart from those of the page at a forwarded port', async (t) => {
    const headers = { host: 'acme.muster.test:8080', origin: 'http://acme.muster.test:8080' }
    t.equal((await signIn('ada@acme.test', PASSWORD, { headers })).status, 200)
  })

  t.test('may read, because the browser keeps the answer from them', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const headers = { origin: 'https://evil.test' }
    const { status, response } = await query('acme', 'auth.me', undefined, { cookie, headers })
    t.equal(status, 200)
    t.equal(response.headers['access-control-allow-origin'], undefined)
  })

  t.test('are refused in every form that a page may send anywhere', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const bodies = {
      'application/x-www-form-urlencoded': 'a=1',
      'multipart/form-data; boundary=x': '--x--',
      'text/plain': '{}'
    }
    for (const [type, payload] of Object.entries(bodies)) {
      const answer = await acme.inject('acme', {
        method: 'POST',
        url: '/trpc/auth.signOut',
        headers: { cookie, 'content-type': type },
        payload
      })
      t.equal(answer.statusCode, 415, type)
    }
    const get = await acme.inject('acme', { url: '/trpc/auth.signOut?input={}', headers: { cookie } })
    t.equal(get.statusCode, 405, 'a link changes nothing')
    const overridden = { cookie, 'x-http-method-override': 'POST', 'content-type': 'application/json' }
    t.equal((await acme.inject('acme', { url: '/trpc/auth.signOut', headers: overridden })).statusCode, 405)
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).status, 200, 'the session goes on')
  })

  t.test('are not allowed by a preflight', async (t) => {
    for (const url of ['/trpc/auth.signOut', '/scim/v2/Users']) {
      const headers = { origin: 'https://evil.test', 'access-control-request-method': 'POST' }
      const { headers: got } = await acme.inject('acme', { method: 'OPTIONS', url, headers })
      t.notOk(
        Object.keys(got).some((name) => name.startsWith('access-control-')),
        url
      )
    }
  })

  t.test('change nothing by SCIM, which takes no cookie', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const { statusCode } = await acme.inject('acme', {
      method: 'DELETE',
      url: `/scim/v2/Users/${acme.ids.cleo}`,
      headers: { cookie }
    })
    t.equal(statusCode, 401)
  })

  t.test('are refused for every procedure', async (t) => {
    const mutations = Object.entries(appRouter._def.procedures).filter(
      ([, procedure]) => (procedure as unknown as { _def: { type: string } })._def.type === 'mutation'
    )
    for (const [name] of mutations.filter(([each]) => !each.startsWith('tenants.'))) {
      const cookie = await cookieOf('ben@acme.test')
      const answer = await mutate('acme', name, {}, { cookie, headers: { origin: 'https://evil.test' } })
      t.match(answer, { status: 403, error: { reason: 'crossOrigin' } }, name)
    }
  })

  t.test('are accepted with a token, which no browser adds by itself', async (t) => {
    const headers = { origin: 'https://backend.test' }
    const { status } = await mutate('acme', 'auth.signOut', {}, { token: acme.deps.operatorToken, headers })
    t.equal(status, 200)
  })
})
