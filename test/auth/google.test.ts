// Sign-in with Google against a real OpenID issuer, with all four redirects.
import { type Test, test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { insertPerson } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const CALLBACK = 'http://muster.test/auth/google/callback'

/** A browser that keeps cookies for each of our hosts. */
class Browser {
  readonly jars: Map<string, Map<string, string>>
  readonly app: TestApp

  constructor(app: TestApp) {
    this.app = app
    this.jars = new Map()
  }

  async get(url: string | URL, request: { method?: 'POST'; payload?: object } = {}) {
    const { hostname, pathname, search } = new URL(url)
    const jar = this.jars.get(hostname) ?? new Map<string, string>()
    this.jars.set(hostname, jar)
    const answer = await this.app.inject(hostname, {
      ...request,
      url: pathname + search,
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }
    })
    for (const { name, value } of answer.cookies) {
      if (value) jar.set(name, value)
      else jar.delete(name)
    }
    return { status: answer.statusCode, location: String(answer.headers.location ?? ''), answer }
  }

  /** Goes to the issuer's authorization page, as a click on the button does. @returns its URL */
  async begin(host: string): Promise<string> {
    const first = await this.get(`http://${host}/auth/google`)
    const second = await this.get(first.location)
    return second.location
  }

  /** Goes there to accept an invitation. */
  async accept(host: string, invitation: string): Promise<string> {
    const { answer } = await this.get(`http://${host}/auth/google`, { method: 'POST', payload: { invitation } })
    const second = await this.get(answer.json().url)
    return second.location
  }

  cookie(host: string) {
    return [...(this.jars.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}

async function start(
  t: Test
): Promise<{ app: TestApp; issuer: TestIssuer; browser: () => Browser; adaId: string; acme: number }> {
  const issuer = await startIssuer(t, CALLBACK)
  const app = await startApp(t, {
    env: { GOOGLE_CLIENT_ID: issuer.clientId, GOOGLE_CLIENT_SECRET: issuer.clientSecret, GOOGLE_ISSUER: issuer.url }
  })
  const acme = await insertTenant(app.owner, 'acme')
  const adaId = await insertPerson(app.owner, acme, { email: 'ada@acme.test', role: 'administrator' })
  return { app, issuer, browser: () => new Browser(app), adaId: adaId, acme }
}

test('sign-in with Google', async (t) => {
  const { app, issuer, browser, adaId, acme } = await start(t)
  const reasonIn = (location: string) => new URL(location).searchParams.get('error')

  t.test('signs in whoever has the verified address, in the browser that began', async (t) => {
    const ada = browser()
    const page = await ada.begin('acme.muster.test')
    const asked = new URL(page).searchParams
    t.equal(asked.get('code_challenge_method'), 'S256', 'with PKCE')
    t.ok(asked.get('nonce'), 'and a nonce')
    const callback = await issuer.visit(page)
    const handedOver = await ada.get(callback)
    t.match(handedOver.location, 'http://acme.muster.test/auth/google/finish?code=')
    const finished = await ada.get(handedOver.location)
    t.equal(finished.location, 'http://acme.muster.test/')
    const me = await app.query('acme', 'auth.me', undefined, { cookie: ada.cookie('acme.muster.test') })
    t.equal(me.data.user.id, adaId)

    const again = await ada.get(handedOver.location)
    t.equal(reasonIn(again.location), 'googleRefused', 'the hand-over works once')
  })

  t.test('does not sign in another browser', async (t) => {
    const mallory = browser()
    const victim = browser()
    const handedOver = await mallory.get(await issuer.visit(await mallory.begin('acme.muster.test')))
    const finished = await victim.get(handedOver.location)
    t.equal(reasonIn(finished.location), 'googleRefused')
    t.equal(victim.cookie('acme.muster.test'), '')
  })

  t.test('refuses a state that was used before, even with its cookies', async (t) => {
    const ada = browser()
    const callback = await issuer.visit(await ada.begin('acme.muster.test'))
    const cookies = new Map(ada.jars.get('muster.test'))
    t.match((await ada.get(callback)).location, '/auth/google/finish')
    ada.jars.set('muster.test', cookies)
    t.equal(reasonIn((await ada.get(callback)).location), 'googleRefused')
  })

  t.test('refuses a state from another browser, and one that we did not make', async (t) => {
    const callback = await issuer.visit(await browser().begin('acme.muster.test'))
    t.equal(reasonIn((await browser().get(callback)).location), 'googleRefused')
    callback.searchParams.set('state', 'made-up')
    t.equal((await browser().get(callback)).status, 401)
  })

  for (const [what, tamper, reason] of [
    ['a wrong nonce', (claims: object) => ({ ...claims, nonce: 'another' }), 'googleRefused'],
    ['a wrong audience', (claims: object) => ({ ...claims, aud: 'another-client' }), 'googleRefused'],
    ['another issuer', (claims: object) => ({ ...claims, iss: 'https://evil.test' }), 'googleRefused'],
    ['an expired token', (claims: object) => ({ ...claims, exp: 1_000 }), 'googleRefused'],
    ['an unverified address', (claims: object) => ({ ...claims, email_verified: false }), 'emailNotVerified']
  ] as const) {
    t.test(`refuses ${what}`, async (t) => {
      issuer.tamper = tamper
      t.teardown(() => {
        issuer.tamper = undefined
      })
      const ada = browser()
      const answer = await ada.get(await issuer.visit(await ada.begin('acme.muster.test')))
      t.equal(reasonIn(answer.location), reason)
    })
  }

  t.test(
    'does not know an address that nobody here has, nor a user of another tenant’s identity provider',
    async (t) => {
      await insertTenant(app.owner, 'globex')
      const ada = browser()
      const answer = await ada.get(await issuer.visit(await ada.begin('globex.muster.test')))
      t.equal(reasonIn(answer.location), 'unknownGoogleAccount')
    }
  )

  t.test('is off if the tenant has switched it off', async (t) => {
    await app.owner
      .updateTable('tenants')
      .set({ settings: JSON.stringify({ googleSignIn: false }) })
      .where('subdomain', '=', 'globex')
      .execute()
    app.deps.tenancy.cache.clear()
    t.equal((await browser().get('http://globex.muster.test/auth/google')).status, 403)
  })

  t.test(
    'does not let a removed user back in by the old link; a new invitation demands a new password first',
    async (t) => {
      const userId = await insertPerson(app.owner, acme, { email: 'cleo@acme.test' })
      issuer.account = { sub: 'google-2', email: 'cleo@acme.test', email_verified: true }
      const cleo = browser()
      await cleo.get((await cleo.get(await issuer.visit(await cleo.begin('acme.muster.test')))).location)
      t.equal(
        (await app.query('acme', 'auth.me', undefined, { cookie: cleo.cookie('acme.muster.test') })).data.user.id,
        userId
      )
      const operator = { token: app.deps.operatorToken }
      await app.mutate('acme', 'users.deactivate', { userId }, operator)
      await app.mutate('acme', 'users.remove', { userId }, operator)
      const links = await app.owner.selectFrom('google_identities').selectAll().where('user_id', '=', userId).execute()
      t.same(links, [])
      await app.mutate('acme', 'invitations.create', { invites: [{ email: 'cleo@acme.test' }] }, operator)
      const answer = await cleo.get(await issuer.visit(await cleo.begin('acme.muster.test')))
      t.equal(reasonIn(answer.location), 'unknownGoogleAccount')
    }
  )
})

test('an invitation is accepted with Google only by its own verified address', async (t) => {
  const { app, issuer, browser } = await start(t)
  const operator = { token: app.deps.operatorToken }
  await app.mutate('acme', 'invitations.create', { invites: [{ email: 'dan@acme.test', role: 'manager' }] }, operator)
  const sealed = await app.owner.selectFrom('mails').select('token_sealed').executeTakeFirstOrThrow()
  const token = app.deps.sealer.open('mail', sealed.token_sealed!)!

  issuer.account = { sub: 'google-3', email: 'eve@acme.test', email_verified: true }
  const eve = browser()
  const refused = await eve.get(await issuer.visit(await eve.accept('acme.muster.test', token)))
  t.ok(new URL(refused.location).searchParams.get('error'), 'another address is refused')

  issuer.account = { sub: 'google-4', email: 'Dan@Acme.test', email_verified: true, name: 'Dan D.' }
  const dan = browser()
  const handedOver = await dan.get(await issuer.visit(await dan.accept('acme.muster.test', token)))
  await dan.get(handedOver.location)
  const me = await app.query('acme', 'auth.me', undefined, { cookie: dan.cookie('acme.muster.test') })
  t.match(me.data?.user, { email: 'dan@acme.test', role: 'manager', state: 'active' })

  t.test('has its token in no address, and takes it from none', async (t) => {
    const begun = await dan.get('http://acme.muster.test/auth/google', {
      method: 'POST',
      payload: { invitation: token }
    })
    t.equal(begun.status, 200)
    t.notMatch(begun.answer.payload, token)
    t.equal(begun.answer.headers['cache-control'], 'no-store')
    const byQuery = browser()
    const { location } = await byQuery.get(`http://acme.muster.test/auth/google?invitation=${token}`)
    const known = await issuer.visit((await byQuery.get(location)).location)
    issuer.account = { sub: 'google-5', email: 'fay@acme.test', email_verified: true }
    t.equal(
      new URL((await byQuery.get(known)).location).pathname,
      '/auth/google/finish',
      'dan is known by now, by no invitation'
    )
    for (const payload of [{}, { invitation: 7 }, { invitation: 'x'.repeat(101) }, []]) {
      const { status } = await browser().get('http://acme.muster.test/auth/google', { method: 'POST', payload })
      t.equal(status, 400, JSON.stringify(payload))
    }
  })

  t.test('is not begun by another site', async (t) => {
    const answer = await app.inject('acme', {
      method: 'POST',
      url: '/auth/google',
      headers: { origin: 'https://evil.test' },
      payload: { invitation: token }
    })
    t.match(answer, { statusCode: 403, cookies: EMPTY })
  })
})

test('over https the cookie that ties a sign-in to its browser has a __Host- name', async (t) => {
  const issuer = await startIssuer(t, 'https://muster.test/auth/google/callback')
  const app = await startApp(t, {
    env: {
      PUBLIC_SCHEME: 'https',
      PUBLIC_PORT: '443',
      GOOGLE_CLIENT_ID: issuer.clientId,
      GOOGLE_CLIENT_SECRET: issuer.clientSecret,
      GOOGLE_ISSUER: issuer.url
    }
  })
  await insertTenant(app.owner, 'acme')
  const { cookies } = await app.inject('acme', { url: '/auth/google' })
  t.match(cookies, [{ name: '__Host-muster_google', secure: true, httpOnly: true, sameSite: 'Lax', path: '/' }])
  t.equal(cookies[0]!.domain, undefined)
})
