import { test } from 'tap'
import { limitInvitations, limitResend } from '../../server/auth/limits.ts'
import { startApp } from '../support/app.ts'
import { PASSWORD, startAcme } from './acme.ts'

/** Requests as they come through a proxy, from other addresses than the tests' own. */
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })

test('rate limits', async (t) => {
  const acme = await startAcme(t, { env: { TRUST_PROXY: 'on' } })
  const { mutate, signIn, inject, owner, clock } = acme
  await acme.addPerson({ email: 'dora@acme.test' })

  t.test('refuse an address after ten failed sign-ins, in every process, and say for how long', async (t) => {
    const there = await startApp(t, { database: acme, env: { TRUST_PROXY: 'on' } })
    const credentials = { email: 'ben@acme.test', password: 'wrong' }
    for (let attempt = 0; attempt < 10; attempt++) {
      const app = attempt % 2 ? acme : there
      t.equal((await app.mutate('acme', 'auth.signIn', credentials, from('192.0.2.49'))).status, 401)
    }
    const answer = await signIn('BEN@acme.test', PASSWORD, from('192.0.2.49'))
    t.match(answer, { status: 429, cookie: undefined, error: { reason: 'rateLimited', code: 'TOO_MANY_REQUESTS' } })
    const seconds = Number(answer.response.headers['retry-after'])
    t.ok(seconds > 0 && seconds <= 15 * 60, `${seconds} s`)
    const right = { email: 'ben@acme.test', password: PASSWORD }
    t.equal((await there.mutate('acme', 'auth.signIn', right, from('192.0.2.49'))).status, 429)
    t.equal((await signIn('ada@acme.test', PASSWORD, from('192.0.2.49'))).status, 200, 'not other people')
    t.equal((await signIn('ben@acme.test', PASSWORD, from('198.51.100.1'))).status, 200, 'nor the owner elsewhere')
  })

  t.test('lock nobody out of a browser that has signed in before, whoever guesses from wherever', async (t) => {
    const { response, cookie } = await signIn('dora@acme.test', PASSWORD, from('198.51.100.2'))
    const device = response.cookies.find(({ name }) => name === 'muster_device')!
    t.match(device, { httpOnly: true, sameSite: 'Lax', path: '/', maxAge: 365 * 86_400 })
    const guesses = []
    for (let attempt = 0; attempt < 110; attempt++) {
      guesses.push((await signIn('dora@acme.test', 'wrong', from(`192.0.2.${attempt}`))).status)
    }
    t.same(guesses, [...Array(100).fill(401), ...Array(10).fill(429)], 'all networks together get a hundred')
    t.equal((await signIn('dora@acme.test', PASSWORD, from('198.51.100.2'))).status, 429)
    const known = { cookie: `muster_device=${device.value}`, ...from('192.0.2.49') }
    t.equal((await signIn('dora@acme.test', PASSWORD, known)).status, 200, 'that browser is let in')
    t.equal((await signIn('dora@acme.test', PASSWORD, { ...known, cookie: `${known.cookie}; ${cookie}` })).status, 200)

    for (let attempt = 0; attempt < 10; attempt++) t.equal((await signIn('dora@acme.test', 'wrong', known)).status, 401)
    t.equal((await signIn('dora@acme.test', PASSWORD, known)).status, 429, 'and has ten guesses itself')
    for (const [email, host] of [
      ['eve@acme.test', 'acme'],
      ['dora@acme.test', 'globex']
    ] as const) {
      await t.test(`the cookie is nothing for ${email} at ${host}`, async (t) => {
        const statuses = []
        for (let attempt = 0; attempt < 11; attempt++) {
          statuses.push((await signIn(email, 'wrong', { ...known, ...from('203.0.113.9') }, host)).status)
        }
        t.same(statuses, [...Array(10).fill(401), 429])
        t.equal((await signIn(email, 'wrong', from('203.0.113.9'), host)).status, 429, 'it was counted as any other')
      })
    }
    clock.advance({ hours: 366 * 24 })
    t.equal((await signIn('dora@acme.test', PASSWORD, known)).status, 429, 'a year later it is known no more')
    for (const value of ['', 'x', 'A'.repeat(2_000), device.value.slice(0, -4)]) {
      const broken = { cookie: `muster_device=${value}` }
      t.equal((await signIn('dora@acme.test', PASSWORD, broken)).status, 429, 'a broken cookie is none')
    }
  })

  t.test('treat an unknown address like a known one', async (t) => {
    const statuses = []
    for (let attempt = 0; attempt < 11; attempt++) {
      statuses.push((await signIn('nobody@acme.test', 'wrong', from('192.0.2.50'))).status)
    }
    t.same(statuses, [...Array(10).fill(401), 429])
  })

  t.test('let no more attempts through if they come at the same time', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => signIn('cleo@acme.test', 'wrong', from('192.0.2.150')))
    )
    t.equal(answers.filter(({ status }) => status === 401).length, 10)
    t.equal(answers.filter(({ status }) => status === 429).length, 20)
  })

  t.test('let many sign in at the same time with the right password', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 120 }, () => signIn('ada@acme.test', PASSWORD, from('192.0.2.53')))
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  })

  t.test('forget failures after the right password', async (t) => {
    for (let round = 0; round < 3; round++) {
      for (let attempt = 0; attempt < 6; attempt++) await signIn('ada@acme.test', 'wrong', from('192.0.2.51'))
      t.equal((await signIn('ada@acme.test', PASSWORD, from('192.0.2.51'))).status, 200)
    }
  })

  t.test('do not count attempts of locked people who know the password', async (t) => {
    await acme.addPerson({ email: 'locked@acme.test', locked: true })
    for (let attempt = 0; attempt < 12; attempt++) {
      t.match(await signIn('locked@acme.test', PASSWORD, from('192.0.2.52')), { status: 403 })
    }
  })

  t.test('count only failures by network address, so that an office may share one', async (t) => {
    for (let attempt = 0; attempt < 110; attempt++) {
      const { status } = await signIn('ada@acme.test', PASSWORD, from('203.0.113.1'))
      if (status !== 200) t.equal(status, 200, `attempt ${attempt}`)
    }
    for (let attempt = 0; attempt < 100; attempt++) await signIn(`n${attempt}@acme.test`, 'wrong', from('203.0.113.2'))
    t.equal((await signIn('ada@acme.test', PASSWORD, from('203.0.113.2'))).status, 429)
    t.equal((await signIn('ada@acme.test', PASSWORD, from('203.0.113.1'))).status, 200)
  })

  t.test('are not evaded by addresses that a client puts before those of the proxy', async (t) => {
    for (let attempt = 0; attempt < 10; attempt++) {
      await signIn('mallory@acme.test', 'wrong', from(`192.0.2.${attempt}, 203.0.113.77`))
    }
    const made = from('198.51.100.200, 203.0.113.77')
    t.equal((await signIn('mallory@acme.test', 'wrong', made)).status, 429)
  })

  t.test('count a /64 of IPv6 as one network address', async (t) => {
    for (let attempt = 0; attempt < 100; attempt++) {
      await signIn(`m${attempt}@acme.test`, 'wrong', from(`2001:db8:1:2::${attempt.toString(16)}`))
    }
    t.equal((await signIn('ada@acme.test', PASSWORD, from('2001:db8:1:2:ffff::1'))).status, 429)
    t.equal((await signIn('ada@acme.test', PASSWORD, from('2001:db8:1:3::1'))).status, 200)
  })

  t.test('send an address at most five reset mails an hour, and answer the same afterwards', async (t) => {
    for (let attempt = 0; attempt < 7; attempt++) {
      const input = { email: 'ada@acme.test' }
      const answer = await mutate('acme', 'auth.requestPasswordReset', input, from(`198.51.100.${attempt}`))
      t.same([answer.status, answer.data], [200, {}])
    }
    await acme.deps.auth.background.close()
    const { count } = await owner
      .selectFrom('mails')
      .select((count) => count.fn.countAll<string>().as('count'))
      .where('template', '=', 'password-reset')
      .where('to_address', '=', 'ada@acme.test')
      .executeTakeFirstOrThrow()
    t.equal(Number(count), 5)
  })

  t.test('refuse more than a hundred reset mails an hour from one network address', async (t) => {
    const ask = (name: number) =>
      mutate('acme', 'auth.requestPasswordReset', { email: `p${name}@acme.test` }, from('198.51.100.77'))
    const asked = await Promise.all(Array.from({ length: 100 }, (_, attempt) => ask(attempt)))
    t.ok(asked.every(({ status }) => status === 200))
    t.match(await ask(100), { status: 429, error: { reason: 'rateLimited' } })
  })

  t.test('refuse whoever guesses tokens of links', async (t) => {
    const guess = (token: string) =>
      mutate('acme', 'auth.resetPassword', { token, password: PASSWORD }, from('198.51.100.78'))
    const guesses = await Promise.all(Array.from({ length: 300 }, (_, attempt) => guess(`guess ${attempt}`)))
    t.ok(guesses.every(({ status }) => status === 404))
    const refused = await guess('one more')
    t.match(refused, { status: 429, error: { reason: 'rateLimited' } })
    const link = await inject('acme', { url: '/auth/link?code=x', headers: from('198.51.100.78').headers })
    t.equal(link.statusCode, 429, 'sign-in links count with them')
    t.ok(Number(link.headers['retry-after']) > 0)
  })

  t.test('let thousands be invited within an hour, but not tens of thousands', async (t) => {
    for (let call = 0; call < 19; call++) await limitInvitations(acme.deps, 'acme', 1_000)
    await limitInvitations(acme.deps, 'acme', 600)
    await t.rejects(limitInvitations(acme.deps, 'acme', 500), { code: 'rate_limited' })
    await t.resolves(limitInvitations(acme.deps, 'acme', 400), 'what was refused has used nothing up')
    await t.rejects(limitInvitations(acme.deps, 'acme', 1), { code: 'rate_limited', reason: 'rateLimited' })
    await t.resolves(limitInvitations(acme.deps, 'globex', 1_000))
    for (let mail = 0; mail < 5; mail++) await limitResend(acme.deps, 1, 'an invitation')
    await t.rejects(limitResend(acme.deps, 1, 'an invitation'), { code: 'rate_limited' })
    await t.resolves(limitResend(acme.deps, 2, 'an invitation'))
  })

  t.test('store no address in the clear', async (t) => {
    const rows = await owner.selectFrom('rate_limits').selectAll().execute()
    t.ok(rows.length > 0)
    t.notMatch(JSON.stringify(rows), /acme\.test|192\.0\.2|2001:db8/)
  })
})
