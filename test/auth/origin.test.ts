// Cross-site request forgery: what a browser sends on behalf of another site's page changes nothing.
import { test } from 'tap'
import { PASSWORD, startAcme } from './acme.ts'

test('requests that other sites send', async (t) => {
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

  t.test('are refused by Sec-Fetch-Site where there is no Origin', async (t) => {
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

  t.test('sign nobody in, for nobody shall act in another one’s account', async (t) => {
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

  t.test('are taken from the page’s own origin, and from no browser at all', async (t) => {
    const { cookie } = await signIn('ada@acme.test', PASSWORD, { headers: { origin: OWN } })
    t.ok(cookie)
    t.equal((await mutate('acme', 'auth.signOut', {}, { cookie, headers: { origin: OWN } })).status, 200)
    t.equal((await signIn('ada@acme.test')).status, 200)
  })

  t.test('are taken at a forwarded port, which the browser calls too', async (t) => {
    const headers = { host: 'acme.muster.test:8080', origin: 'http://acme.muster.test:8080' }
    t.equal((await signIn('ada@acme.test', PASSWORD, { headers })).status, 200)
  })

  t.test('may read, for the answer is kept from them by the browser', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const headers = { origin: 'https://evil.test' }
    const { status, response } = await query('acme', 'auth.me', undefined, { cookie, headers })
    t.equal(status, 200)
    t.equal(response.headers['access-control-allow-origin'], undefined)
  })

  t.test('are taken with a token, which no browser adds by itself', async (t) => {
    const headers = { origin: 'https://backend.test' }
    const { status } = await mutate('acme', 'auth.signOut', {}, { token: acme.deps.operatorToken, headers })
    t.equal(status, 200)
  })
})
