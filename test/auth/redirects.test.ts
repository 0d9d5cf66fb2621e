// Where a browser is redirected, and whose session it then has: whoever made the link decides neither.
import { test } from 'tap'
import { createOneTimeCode } from '../../server/auth/one-time-code.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { startIssuer } from '../support/issuer.ts'
import { PASSWORD, startAcme } from './acme.ts'

test('no path of ours redirects to another site', async (t) => {
  const issuer = await startIssuer(t, 'http://muster.test/auth/google/callback')
  const webFolder = t.testdir({ 'index.html': 'page', assets: {} })
  const acme = await startAcme(t, {
    webFolder,
    env: { GOOGLE_CLIENT_ID: issuer.clientId, GOOGLE_CLIENT_SECRET: issuer.clientSecret, GOOGLE_ISSUER: issuer.url }
  })
  const OWN = ['acme.muster.test', 'muster.test', new URL(issuer.url).host]
  const hostsOf = (location: string | undefined) => new URL(String(location), 'http://acme.muster.test').host
  const expiresAt = new Date(acme.clock.now().getTime() + 60_000)

  const names = [
    'next',
    'redirect',
    'redirect_uri',
    'returnTo',
    'return_to',
    'url',
    'continue',
    'ticket',
    'state',
    'page'
  ]
  const targets = [
    'https://evil.test/',
    '//evil.test',
    '/\\evil.test',
    'javascript:alert(1)',
    'http://acme.muster.test@evil.test'
  ]
  const paths = [
    '/',
    '/sign-in',
    '/auth/link',
    '/auth/google',
    '/auth/google/start',
    '/auth/google/callback',
    '/auth/google/finish'
  ]
  const redirecting = new Set<string>()
  for (const path of [...paths, '/accept', '/reset', '/mailbox', '/nothing']) {
    t.test(path, async (t) => {
      for (const host of ['acme', '']) {
        for (const target of targets) {
          const query = names.map((name) => `${name}=${encodeURIComponent(target)}`).join('&')
          const code = await createOneTimeCode(acme.deps, acme.acmeId, {
            purpose: 'link',
            userId: acme.ids.ada,
            expiresAt
          })
          for (const headers of [
            {},
            { referer: target, 'x-forwarded-host': 'evil.test', origin: 'https://evil.test' }
          ]) {
            const { statusCode, headers: got } = await acme.inject(host, {
              url: `${path}?${query}&code=${code}`,
              headers
            })
            if (statusCode < 300 || statusCode > 399) continue
            redirecting.add(path)
            t.ok(OWN.includes(hostsOf(String(got.location))), `${host}${path} leads to ${got.location}`)
          }
        }
      }
    })
  }

  t.test('but several paths do redirect', async (t) => {
    for (const path of ['/auth/link', '/auth/google']) t.ok(redirecting.has(path), path)
  })

  t.test('if it only looks like one', async (t) => {
    for (const url of [
      '//evil.test',
      '//evil.test/%2e%2e',
      '/\\evil.test',
      '/%2f%2fevil.test',
      '/%5cevil.test',
      '/assets//evil.test',
      '/users//evil.test/'
    ]) {
      const { statusCode, headers } = await acme.inject('acme', { url })
      t.notOk(statusCode >= 300 && statusCode < 400, `${url} answered ${statusCode} ${headers.location}`)
    }
  })

  t.test('and no link has a host from the request’s headers', async (t) => {
    await acme.inject('acme', {
      method: 'POST',
      url: '/trpc/auth.requestPasswordReset',
      headers: { 'content-type': 'application/json', 'x-forwarded-host': 'evil.test', forwarded: 'host=evil.test' },
      payload: JSON.stringify({ email: 'ada@acme.test' })
    })
    await acme.settle()
    const mails = await acme.owner.selectFrom('mails').selectAll().execute()
    t.equal(mails.length, 1, 'the mail is the tenant’s that was asked; its links are made of the settings')
    const { statusCode } = await acme.inject('evil.test', { url: '/auth/google' })
    t.equal(statusCode, 404)
  })
})

test('a session cookie that was planted before signing in is worthless afterwards', async (t) => {
  const acme = await startAcme(t)
  const { owner, acmeId, ids, clock } = acme
  const planted = () => `muster_session=${randomToken()}`
  const later = new Date(clock.now().getTime() + 3_600_000)
  const token = async (): Promise<string> => {
    const reset = randomToken()
    const link = { tenant_id: acmeId, user_id: ids.ada, created_at: clock.now(), expires_at: later, used_at: null }
    await owner
      .insertInto('password_resets')
      .values({ ...link, token_hash: hashToken(reset) })
      .execute()
    return reset
  }
  const ways: Record<string, (cookie: string) => Promise<string | undefined>> = {
    'by password': async (cookie) => (await acme.signIn('ada@acme.test', PASSWORD, { cookie })).cookie,
    'by a reset': async (cookie) => {
      const input = { token: await token(), password: PASSWORD }
      return (await acme.mutate('acme', 'auth.resetPassword', input, { cookie })).cookie
    },
    'by a link': async (cookie) => {
      const code = await createOneTimeCode(acme.deps, acmeId, { purpose: 'link', userId: ids.ada, expiresAt: later })
      const { cookies } = await acme.inject('acme', { url: `/auth/link?code=${code}`, headers: { cookie } })
      return `muster_session=${cookies.find(({ name }) => name === 'muster_session')?.value}`
    }
  }
  for (const [way, signInWith] of Object.entries(ways)) {
    t.test(way, async (t) => {
      const chosen = planted()
      const given = await signInWith(chosen)
      t.match(given, /^muster_session=[\w-]{43}$/)
      t.not(given, chosen, 'the browser gets another one')
      t.equal((await acme.query('acme', 'auth.me', undefined, { cookie: chosen })).status, 401)
      t.equal((await acme.query('acme', 'auth.me', undefined, { cookie: given })).data.user.id, ids.ada)

      const before = await acme.cookieOf('ben@acme.test')
      await signInWith(before)
      t.equal(
        (await acme.query('acme', 'auth.me', undefined, { cookie: before })).status,
        401,
        'nor is one that was somebody’s'
      )
    })
  }
})
