// The operator's session on the page of the base domain: it begins with the token, is kept in a sealed cookie, and ends
// for good.
import { test } from 'tap'
import { createSealer, randomToken } from '../../server/secrets.ts'
import { OPERATOR, OPERATOR_TOKEN, SECRET_KEY, startApp, type TestApp } from '../support/app.ts'
import { insertTenant } from '../support/tenants.ts'

const OWN = 'http://muster.test'
const signIn = (app: TestApp, token = OPERATOR_TOKEN, caller = {}) =>
  app.mutate('', 'operator.signIn', { token }, caller)

async function cookieOf(app: TestApp): Promise<string> {
  const { cookie } = await signIn(app)
  if (!cookie) throw new Error('the operator was not signed in')
  return cookie
}

/** Whether a cookie opens the operator's API. */
async function isSignedIn(app: TestApp, cookie: string): Promise<boolean> {
  const { data } = await app.query('', 'operator.session', {}, { cookie })
  const list = await app.query('', 'tenants.list', {}, { cookie })
  if (list.status !== (data.isSignedIn ? 200 : 401)) throw new Error(`${list.status} beside ${JSON.stringify(data)}`)
  return data.isSignedIn
}

test('the operator’s session', async (t) => {
  const app = await startApp(t)
  await insertTenant(app.owner, 'acme')
  app.clock.stop()

  t.test('begins with the token, in a cookie of the base domain that scripts cannot read', async (t) => {
    const { status, response, cookie } = await signIn(app)
    t.equal(status, 200)
    t.match(response.cookies, [{ name: 'muster_operator', path: '/', httpOnly: true, sameSite: 'Strict' }])
    for (const none of ['domain', 'maxAge', 'expires', 'secure']) t.notOk(none in response.cookies[0]!, none)
    t.equal(response.headers['cache-control'], 'no-store')
    t.notMatch(JSON.stringify(response.headers) + response.payload, OPERATOR_TOKEN)
    t.ok(await isSignedIn(app, cookie!))
    const made = await app.mutate('', 'tenants.create', { subdomain: 'made', name: 'Made' }, { cookie })
    t.equal(made.status, 200)
    const log = await app.query('made', 'audit.list', {}, OPERATOR)
    t.match(log.data.items, [{ action: 'tenant.created', actorKind: 'operator' }], 'the log says who it was')
  })

  t.test('has a cookie that belongs to this host for certain over https', async (t) => {
    const secure = await startApp(t, { env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' } })
    const { response, cookie } = await signIn(secure)
    t.match(response.cookies, [{ name: '__Host-muster_operator', path: '/', secure: true, sameSite: 'Strict' }])
    t.ok(await isSignedIn(secure, cookie!))
    t.notOk(
      await isSignedIn(secure, cookie!.replace('__Host-', '')),
      'one that another host may set counts for nothing'
    )
  })

  t.test('begins with nothing else', async (t) => {
    for (const token of ['x', `${OPERATOR_TOKEN}x`, OPERATOR_TOKEN.slice(1), randomToken()]) {
      const { status, error, cookie } = await signIn(app, token)
      t.match({ status, reason: error?.reason }, { status: 401, reason: 'invalidCredentials' })
      t.equal(cookie, undefined)
    }
    t.equal((await app.mutate('acme', 'operator.signIn', { token: OPERATOR_TOKEN })).error?.reason, 'wrongHost')
    for (const forged of [
      '',
      'x',
      'a'.repeat(2_000),
      createSealer([SECRET_KEY]).seal('device', '{}').toString('base64url')
    ]) {
      t.notOk(await isSignedIn(app, `muster_operator=${forged}`), forged)
    }
  })

  t.test('has a limit for guesses', async (t) => {
    const guessed = await startApp(t)
    const guesses = await Promise.all(Array.from({ length: 310 }, () => signIn(guessed, 'guess')))
    t.ok(guesses.some(({ status }) => status === 429))
    t.equal((await signIn(guessed)).status, 429, 'and so is the right one, until the time is over')
    t.equal((await guessed.query('', 'tenants.list', {}, OPERATOR)).status, 200, 'the token itself goes on')
  })

  t.test('does not count on a tenant’s host, nor a person’s session here', async (t) => {
    const cookie = await cookieOf(app)
    t.equal((await app.query('acme', 'users.list', {}, { cookie })).status, 401)
    const exported = await app.inject('', { url: '/operator/tenants/acme/export', headers: { cookie } })
    t.equal(exported.statusCode, 401, 'a whole tenant goes out with the token alone')
  })

  t.test('ends by signing out, even for a copy of its cookie', async (t) => {
    const [cookie, other] = [await cookieOf(app), await cookieOf(app)]
    const { response } = await app.mutate('', 'operator.signOut', {}, { cookie })
    t.match(response.cookies, [{ name: 'muster_operator', value: '', path: '/' }])
    t.notOk(await isSignedIn(app, cookie))
    t.ok(await isSignedIn(app, other), 'another browser’s goes on')
    t.equal((await app.mutate('', 'operator.signOut', {}, { cookie })).status, 200, 'twice is as good')
    t.equal((await app.mutate('', 'operator.signOut', {})).status, 200)
  })

  t.test('ends when the same browser signs in again', async (t) => {
    const before = await cookieOf(app)
    const { cookie } = await signIn(app, OPERATOR_TOKEN, { cookie: before })
    t.not(cookie, before)
    t.notOk(await isSignedIn(app, before))
    t.ok(await isSignedIn(app, cookie!))
  })

  t.test('ends after an hour without use, and after twelve hours in all', async (t) => {
    const unused = await cookieOf(app)
    app.clock.advance({ minutes: 59 })
    t.ok(await isSignedIn(app, unused))
    app.clock.advance({ minutes: 1 })
    t.notOk(await isSignedIn(app, unused))

    let used = await cookieOf(app)
    for (let minutes = 0; minutes < 12 * 60; minutes += 45) {
      const answer = await app.query('', 'tenants.list', {}, { cookie: used })
      t.equal(answer.status, 200, `after ${minutes} minutes`)
      used = answer.cookie ?? used
      app.clock.advance({ minutes: 45 })
    }
    t.notOk(await isSignedIn(app, used))
  })

  t.test('is renewed only from time to time', async (t) => {
    const cookie = await cookieOf(app)
    t.equal((await app.query('', 'tenants.list', {}, { cookie })).cookie, undefined)
    app.clock.advance({ minutes: 5 })
    const { cookie: renewed } = await app.query('', 'tenants.list', {}, { cookie })
    t.match(renewed, /^muster_operator=/)
    await app.mutate('', 'operator.signOut', {}, { cookie: renewed })
    t.notOk(await isSignedIn(app, cookie), 'what it was before ends with it')
  })

  t.test('ends with a new operator token', async (t) => {
    const cookie = await cookieOf(app)
    const other = await startApp(t, { operatorToken: 'another-operator-token-0123456789-01', database: app })
    t.notOk(await isSignedIn(other, cookie))
    t.ok(await isSignedIn(app, cookie))
  })

  t.test('continues under a new SECRET_KEY in front of the old one', async (t) => {
    const cookie = await cookieOf(app)
    const newKey = 'new-secret-key-0123456789-0123456789'
    const rotated = await startApp(t, { sealer: createSealer([newKey, SECRET_KEY]), database: app })
    rotated.clock.advance({ minutes: app.clock.now().getTime() / 60_000 - Date.now() / 60_000 })
    t.ok(await isSignedIn(rotated, cookie))
    rotated.clock.advance({ minutes: 6 })
    const { cookie: renewed } = await rotated.query('', 'tenants.list', {}, { cookie })
    const without = await startApp(t, { sealer: createSealer([newKey]), database: app })
    without.clock.advance({ minutes: rotated.clock.now().getTime() / 60_000 - Date.now() / 60_000 })
    t.ok(await isSignedIn(without, renewed!), 'what is renewed needs the old one no longer')
    t.notOk(await isSignedIn(without, cookie))
    await app.mutate('', 'operator.signOut', {}, { cookie })
    t.notOk(await isSignedIn(rotated, renewed!), 'an end in one process is one in all')
  })

  t.test('changes nothing for requests from another site or a tenant’s page', async (t) => {
    const cookie = await cookieOf(app)
    for (const origin of [
      'https://evil.test',
      'http://acme.muster.test',
      'https://muster.test',
      'http://muster.test:8080',
      'null',
      ''
    ]) {
      for (const [name, input] of [
        ['tenants.suspend', { subdomain: 'acme' }],
        ['operator.signOut', {}],
        ['operator.signIn', { token: OPERATOR_TOKEN }]
      ] as const) {
        const answer = await app.mutate('', name, input, { cookie, headers: { origin } })
        t.match(answer, { status: 403, cookie: undefined, error: { reason: 'crossOrigin' } }, `${name} from ${origin}`)
      }
    }
    const headers = { 'sec-fetch-site': 'same-site' }
    t.equal((await app.mutate('', 'tenants.suspend', { subdomain: 'acme' }, { cookie, headers })).status, 403)
    t.ok(await isSignedIn(app, cookie))
    const answer = await app.mutate('', 'tenants.suspend', { subdomain: 'acme' }, { cookie, headers: { origin: OWN } })
    t.equal(answer.status, 200, 'the page’s own origin')
    const byToken = { ...OPERATOR, headers: { origin: 'https://console.test' } }
    t.equal(
      (await app.mutate('', 'tenants.suspend', { subdomain: 'acme' }, byToken)).status,
      200,
      'no browser adds a token'
    )
  })
})
