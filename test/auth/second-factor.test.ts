// A code besides the password: set up, asked for, used once, kept for emergencies, removed, required.
import { type Test, test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import {
  beginSecondFactor,
  confirmSecondFactor,
  deleteSecondFactor,
  findSecondFactor,
  useStep
} from '../../db/second-factors.ts'
import { stepAt, toBase32, totpOf, totpUri } from '../../server/auth/totp.ts'
import { isUndoable } from '../../server/provisioning/history/facts.ts'
import { OPERATOR } from '../support/app.ts'
import { fromBase32, PASSWORD, startAcme } from './acme.ts'
import { person, resetLinkOf, sealedOf, setUp, signIn } from './factors.ts'

test('codes are those of RFC 6238, and secrets are as apps read them', async (t) => {
  const secret = Buffer.from('12345678901234567890')
  // appendix B: its codes have eight digits, of which these are the last six
  const vectors: [seconds: number, code: string][] = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130']
  ]
  for (const [seconds, code] of vectors) t.equal(totpOf(secret, stepAt(new Date(seconds * 1_000))), code)
  t.equal(toBase32(secret), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
  t.equal(toBase32(Buffer.from('foob')), 'MZXW6YQ')
  t.same(fromBase32(toBase32(secret)), secret)
  t.equal(
    totpUri(secret, { issuer: 'Acme & Co', account: 'ada@acme.test' }),
    'otpauth://totp/Acme%20%26%20Co:ada%40acme.test?issuer=Acme%20%26%20Co&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30'
  )
})

test('a second factor', async (t) => {
  const acme = await startAcme(t)
  acme.clock.stop()

  t.test('is enabled once a code has shown that the app has the secret', async (t) => {
    const { cookie, email } = await person(acme, 'dora')
    const { data } = await acme.mutate('acme', 'secondFactor.prepare', {}, { cookie })
    t.match(
      data.uri,
      /^otpauth:\/\/totp\/Acme:dora%40acme\.test\?issuer=Acme&secret=[A-Z2-7]{32}&algorithm=SHA1&digits=6&period=30$/i
    )
    t.match((await acme.query('acme', 'secondFactor.get', undefined, { cookie })).data, { enabledAt: null })
    t.equal((await signIn(acme, email)).status, 200, 'not yet')
    const wrong = await acme.mutate('acme', 'secondFactor.enable', { code: '000000' }, { cookie })
    t.match(wrong, { status: 403, error: { reason: 'wrongCode' } })
    t.equal((await signIn(acme, email)).status, 200)
    const code = totpOf(fromBase32(data.secret), stepAt(acme.clock.now()))
    const enabled = await acme.mutate('acme', 'secondFactor.enable', { code }, { cookie })
    t.equal(enabled.data.recoveryCodes.length, 10)
    t.match(await signIn(acme, email), { status: 401, error: { reason: 'secondFactorRequired' }, cookie: undefined })
    const facts = { enabledAt: acme.clock.now().toISOString(), recoveryCodeCount: 10 }
    t.same((await acme.query('acme', 'secondFactor.get', undefined, { cookie })).data, facts)
    const again = await acme.mutate('acme', 'secondFactor.prepare', {}, { cookie })
    t.match(again, { status: 409, error: { reason: 'secondFactorOn' } })
  })

  t.test('ends the sessions that began without it, except the one that has set it up', async (t) => {
    const { cookie, email } = await person(acme, 'emil')
    const other = await acme.cookieOf(email)
    await setUp(acme, cookie)
    t.equal((await acme.query('acme', 'auth.me', undefined, { cookie })).status, 200)
    t.equal((await acme.query('acme', 'auth.me', undefined, { cookie: other })).status, 401)
  })

  t.test('is asked for only after the right password, and each code works once', async (t) => {
    const { cookie, email } = await person(acme, 'fay')
    const { code } = await setUp(acme, cookie)
    const first = code()
    t.match(
      await acme.mutate('acme', 'auth.signIn', { email, password: 'wrong', code: first }),
      { error: { reason: 'invalidCredentials' } },
      'and a wrong password uses none up'
    )
    t.match(await signIn(acme, email, '000000'), { status: 401, error: { reason: 'wrongCode' } })
    const sealed = async () => (await sealedOf(acme, email)).toString('base64')
    const before = await sealed()
    t.equal((await signIn(acme, email, first)).status, 200)
    t.not(await sealed(), before, 'and seals the secret anew, since the key of before may go')
    t.match(await signIn(acme, email, first), { status: 401, error: { reason: 'wrongCode' } }, 'once')
    acme.clock.advance({ seconds: 30 })
    const both = await Promise.all([signIn(acme, email, code()), signIn(acme, email, code())])
    t.same(both.map(({ status }) => status).sort(), [200, 401], 'also twice at once')
    acme.clock.advance({ seconds: 30 })
    const late = code()
    acme.clock.advance({ seconds: 30 })
    t.equal((await signIn(acme, email, ` ${late.slice(0, 3)} ${late.slice(3)} `)).status, 200, 'by a slow typist')
    const tooLate = code()
    acme.clock.advance({ seconds: 60 })
    t.match(await signIn(acme, email, tooLate), { error: { reason: 'wrongCode' } })
  })

  t.test('stays with the secret whose code was checked, whatever is set up meanwhile', async (t) => {
    const { acmeId, deps } = acme
    const { ben: userId } = acme.ids
    const [old, other] = [Buffer.from('old'), Buffer.from('other')]
    const now = acme.clock.now()
    const facts = { step: 1, recoveryHashes: [], now }
    await inTenant(deps.db, acmeId, async (trx) => {
      await beginSecondFactor(trx, acmeId, userId, old, now)
      await beginSecondFactor(trx, acmeId, userId, other, now)
      t.notOk(await confirmSecondFactor(trx, acmeId, userId, { ...facts, secretSealed: old }))
      t.ok(await confirmSecondFactor(trx, acmeId, userId, { ...facts, secretSealed: other }))
    })
    t.notOk(await useStep(deps.db, acmeId, userId, { step: 2, before: old, after: old }))
    t.same((await findSecondFactor(deps.db, acmeId, userId))!.secret_sealed, other)
    t.ok(await useStep(deps.db, acmeId, userId, { step: 2, before: other, after: other }))
    await inTenant(deps.db, acmeId, (trx) => deleteSecondFactor(trx, acmeId, userId))
  })

  t.test('has recovery codes, each for one use, and the log shows their use', async (t) => {
    const { cookie, email, id } = await person(acme, 'gil')
    const { codes } = await setUp(acme, cookie)
    t.equal((await signIn(acme, email, codes[3])).status, 200)
    t.match(await signIn(acme, email, codes[3]), { error: { reason: 'wrongCode' } })
    t.equal((await signIn(acme, email, codes[4]!.replaceAll('-', '').toUpperCase())).status, 200, 'however it is typed')
    t.equal((await acme.query('acme', 'secondFactor.get', undefined, { cookie })).data.recoveryCodeCount, 8)
    const used = (await acme.auditOf('user.recoveryCodeUsed')).filter(({ target_id }) => target_id === id)
    t.equal(used.length, 2)
    const factors = await acme.owner.selectFrom('second_factors').select('recovery_hashes').execute()
    const stored = factors.flatMap(({ recovery_hashes }) => recovery_hashes)
    t.ok(stored.length >= 8 && stored.every(({ length }) => length === 32), 'stored as hashes')
    const bytes = Buffer.concat(stored)
    for (const code of codes) t.notOk(bytes.includes(code.replaceAll('-', '').toUpperCase()))
  })

  t.test(
    'is not guessed: ten wrong codes an hour, whoever tries; signing in without a code does not count',
    async (t) => {
      const { cookie, email } = await person(acme, 'hans')
      const { code } = await setUp(acme, cookie)
      for (let visit = 0; visit < 12; visit++)
        t.equal((await signIn(acme, email)).error?.reason, 'secondFactorRequired')
      for (let guess = 0; guess < 10; guess++) t.equal((await signIn(acme, email, '000000')).error?.reason, 'wrongCode')
      t.match(await signIn(acme, email, code()), { status: 429, error: { reason: 'rateLimited' } })
      acme.clock.advance({ minutes: 61 })
    }
  )

  t.test('is asked for by reset links, too, which stay valid until it is right', async (t) => {
    const { cookie, email, id } = await person(acme, 'ida')
    const { code } = await setUp(acme, cookie)
    const token = await resetLinkOf(acme, id)
    const reset = (given?: string) =>
      acme.mutate('acme', 'auth.resetPassword', { token, password: `${PASSWORD} new`, ...(given && { code: given }) })
    t.match(await reset(), { status: 401, error: { reason: 'secondFactorRequired' } })
    t.match(await reset('000000'), { status: 401, error: { reason: 'wrongCode' } })
    t.equal((await signIn(acme, email, code())).status, 200, 'the password is what it was')
    acme.clock.advance({ seconds: 30 })
    t.equal((await reset(code())).status, 200)
    t.match(await signIn(acme, email), { error: { reason: 'invalidCredentials' } })
  })

  t.test('is removed by its owner or by another administrator', async (t) => {
    const { cookie, email, id } = await person(acme, 'jan')
    const { codes } = await setUp(acme, cookie)
    const reset = (caller: object) => acme.mutate('acme', 'users.resetSecondFactor', { userId: id }, caller)
    t.equal((await acme.mutate('acme', 'secondFactor.disable', {}, { cookie })).status, 200)
    t.equal((await signIn(acme, email)).status, 200)
    t.match(await signIn(acme, email, codes[0]), { status: 200 }, 'a code that is not needed is in nobody’s way')
    await setUp(acme, cookie)
    t.match(await reset({ cookie: await acme.cookieOf('ben@acme.test') }), { error: { reason: 'administratorOnly' } })
    t.equal((await acme.query('acme', 'users.get', { userId: id }, OPERATOR)).data.access.hasSecondFactor, true)
    t.equal((await reset(OPERATOR)).status, 200)
    t.equal((await acme.query('acme', 'users.get', { userId: id }, OPERATOR)).data.access.hasSecondFactor, false)
    t.equal((await signIn(acme, email)).status, 200)
    t.match(await reset(OPERATOR), { status: 409, error: { reason: 'noSecondFactor' } })
    const ada = await acme.cookieOf('ada@acme.test')
    await setUp(acme, ada)
    const own = await acme.mutate('acme', 'users.resetSecondFactor', { userId: acme.ids.ada }, { cookie: ada })
    t.match(own, { status: 403, error: { reason: 'notYourself' } })
    await acme.mutate('acme', 'secondFactor.disable', {}, { cookie: ada })
  })

  t.test('is neither set up nor removed by a token', async (t) => {
    const { cookie } = await person(acme, 'kim')
    const { data } = await acme.mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie })
    for (const procedure of ['secondFactor.prepare', 'secondFactor.disable', 'auth.confirm']) {
      const input = procedure === 'auth.confirm' ? { password: PASSWORD } : {}
      t.match(await acme.mutate('acme', procedure, input, { token: data.token }), { error: { reason: 'sessionOnly' } })
    }
  })

  t.test('is not brought back by an undo', async (t) => {
    const events = await acme.owner
      .selectFrom('audit_events')
      .select(['target_type', 'action'])
      .distinct()
      .where((eb) => eb.or([eb('action', 'like', '%econdFactor%'), eb('action', 'like', '%recoveryCode%')]))
      .execute()
    t.equal(events.length, 5)
    for (const event of events) t.equal(isUndoable(event), false, event.action)
  })

  t.test('ends with the person’s removal', async (t) => {
    const { cookie, id } = await person(acme, 'lou')
    await setUp(acme, cookie)
    await acme.mutate('acme', 'users.deactivate', { userId: id }, OPERATOR)
    await acme.mutate('acme', 'users.remove', { userId: id }, OPERATOR)
    t.same(await acme.owner.selectFrom('second_factors').select('user_id').where('user_id', '=', id).execute(), [])
  })
})

test('a tenant that requires a second factor asks everybody to set one up', async (t) => {
  const acme = await startAcme(t)
  acme.clock.stop()
  const demand = (secondFactor: string | null) => acme.mutate('acme', 'settings.update', { secondFactor }, OPERATOR)
  const isLet = async (t: Test, cookie: string, expected: boolean, what: string) => {
    const me = await acme.query('acme', 'auth.me', undefined, { cookie })
    t.equal(me.data.mustSetUpSecondFactor, !expected, what)
    const list = await acme.query('acme', 'users.list', {}, { cookie })
    t.match(list, expected ? { status: 200 } : { status: 403, error: { reason: 'secondFactorSetupRequired' } }, what)
  }
  const [ada, ben] = [await acme.cookieOf('ada@acme.test'), await acme.cookieOf('ben@acme.test')]
  await isLet(t, ada, true, 'nobody at first')

  t.equal((await demand('administrators')).data.settings.administration.secondFactor, 'administrators')
  await isLet(t, ada, false, 'an administrator')
  await isLet(t, ben, true, 'a manager')
  t.match(
    await acme.inject('acme', { url: '/audit.csv', headers: { cookie: ada } }),
    { statusCode: 403 },
    'outside of tRPC, too'
  )
  await demand('everybody')
  await isLet(t, ben, false, 'a manager, then')
  await acme.owner.updateTable('sessions').set({ method: 'google' }).where('user_id', '=', acme.ids.ben).execute()
  acme.deps.auth.principals.forget(acme.acmeId)
  await isLet(t, ben, true, 'whom Google has asked for what it asks for')

  await setUp(acme, ada)
  await isLet(t, ada, true, 'who has set it up')
  t.equal((await acme.mutate('acme', 'secondFactor.disable', {}, { cookie: ada })).status, 200)
  await isLet(t, ada, false, 'and has taken it away')
  const { data } = await acme.mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie: ben })
  t.equal((await acme.query('acme', 'users.list', {}, { token: data.token })).status, 200, 'tokens go on')
})

test('a session that may be stolen must give the password again for what lasts', async (t) => {
  const acme = await startAcme(t)
  acme.clock.stop()
  const { cookie, email, id: userId } = await person(acme, 'dora')
  const other = await acme.cookieOf(email)
  const ada = await acme.cookieOf('ada@acme.test')
  const { data } = await acme.query('acme', 'auth.sessions', undefined, { cookie: other })
  const sessionId = data.items.find(({ current }: { current: boolean }) => current).id
  const guarded: [procedure: string, input: object][] = [
    ['auth.revokeSession', { sessionId }],
    ['secondFactor.prepare', {}],
    ['secondFactor.disable', {}],
    ['auth.signOutEverywhere', {}],
    ['users.resetSecondFactor', { userId }]
  ]
  acme.clock.advance({ minutes: 15 })
  for (const [procedure, input] of guarded) {
    const caller = { cookie: procedure === 'users.resetSecondFactor' ? ada : cookie }
    const answer = await acme.mutate('acme', procedure, input, caller)
    t.match(answer, { status: 403, error: { reason: 'reauthenticationRequired' } }, procedure)
  }
  t.equal((await acme.query('acme', 'auth.me', undefined, { cookie: other })).status, 200)
  const confirm = (input: object) => acme.mutate('acme', 'auth.confirm', input, { cookie })
  t.match(await confirm({ password: 'wrong' }), { status: 403, error: { reason: 'wrongPassword' } })
  t.equal((await acme.mutate('acme', 'auth.revokeSession', { sessionId }, { cookie })).status, 403)
  t.equal((await confirm({ password: PASSWORD })).status, 200)
  t.equal((await acme.mutate('acme', 'auth.revokeSession', { sessionId }, { cookie })).status, 200)
  t.equal((await acme.query('acme', 'auth.me', undefined, { cookie: other })).status, 401)

  const { code } = await setUp(acme, cookie)
  acme.clock.advance({ minutes: 15 })
  t.match(await confirm({ password: PASSWORD }), { status: 401, error: { reason: 'secondFactorRequired' } })
  t.equal((await acme.mutate('acme', 'secondFactor.disable', {}, { cookie })).error?.reason, 'reauthenticationRequired')
  t.equal((await confirm({ password: PASSWORD, code: code() })).status, 200)
  t.equal((await acme.mutate('acme', 'secondFactor.disable', {}, { cookie })).status, 200)

  await acme.owner.deleteFrom('user_credentials').execute()
  acme.clock.advance({ minutes: 15 })
  t.match(
    await confirm({ password: PASSWORD }),
    { status: 403, error: { reason: 'noPassword' } },
    'who signs in with Google'
  )
})
