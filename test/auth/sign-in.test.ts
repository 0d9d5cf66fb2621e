import bcrypt from 'bcrypt'
import { test } from 'tap'
import { findSignInUser } from '../../db/credentials.ts'
import { lockUser } from '../../db/users.ts'
import { setPassword } from '../../server/auth/set-password.ts'
import { startApp } from '../support/app.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { PASSWORD, startAcme } from './acme.ts'

test('auth.signIn', async (t) => {
  const acme = await startAcme(t)
  const { signIn, query, mutate, owner, ids, acmeId } = acme

  t.test('signs in with a cookie that neither scripts nor other hosts see', async (t) => {
    const { status, data, response } = await signIn('Ada@ACME.test')
    t.equal(status, 200)
    t.match(data.user, { id: ids.ada, email: 'ada@acme.test', role: 'administrator', state: 'active' })
    t.match(data.user.lastSignInAt, /^\d{4}-.*Z$/)
    const [cookie] = response.cookies
    t.match(cookie, { name: 'muster_session', value: /^[\w-]{43}$/, httpOnly: true, sameSite: 'Lax', path: '/' })
    t.equal(cookie?.domain, undefined, 'host-only')
    t.equal(cookie?.secure, undefined, 'over http it could not be sent back')
    t.equal(cookie?.maxAge, 30 * 86_400)
    t.equal(response.headers['cache-control'], 'no-store')
  })

  t.test('stores only the hash of the token', async (t) => {
    const cookie = await acme.cookieOf('ada@acme.test')
    const token = cookie.split('=')[1]!
    const rows = await owner.selectFrom('sessions').selectAll().execute()
    t.notOk(JSON.stringify(rows).includes(token))
    t.ok(rows.every(({ token_hash }) => token_hash.length === 32))
  })

  t.test('makes a new session each time and ends the browser’s previous one', async (t) => {
    const first = await acme.cookieOf('ada@acme.test')
    const elsewhere = await acme.cookieOf('ada@acme.test')
    t.equal((await query('acme', 'auth.me', undefined, { cookie: first })).status, 200)
    const second = await acme.cookieOf('ben@acme.test', { cookie: first })
    t.not(second, first)
    t.equal((await query('acme', 'auth.me', undefined, { cookie: first })).status, 401)
    t.equal((await query('acme', 'auth.me', undefined, { cookie: second })).data.user.id, ids.ben)
    t.equal((await query('acme', 'auth.me', undefined, { cookie: elsewhere })).status, 200, 'other browsers go on')
  })

  t.test('works with an outdated cookie', async (t) => {
    const cookie = `muster_session=${'x'.repeat(43)}`
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).status, 401)
    t.equal((await signIn('ada@acme.test', PASSWORD, { cookie })).status, 200)
  })

  t.test('notes the time, and raises neither the version nor updatedAt', async (t) => {
    const read = () => owner.selectFrom('users').selectAll().where('id', '=', ids.cleo).executeTakeFirstOrThrow()
    const before = await read()
    await signIn('cleo@acme.test')
    const after = await read()
    t.same({ ...after, last_sign_in_at: null }, { ...before, last_sign_in_at: null })
    t.ok(after.last_sign_in_at)
  })

  t.test('is in the audit log, with who signed in and from where', async (t) => {
    const before = (await acme.auditOf('session.created')).length
    await signIn('ben@acme.test')
    const events = await acme.auditOf('session.created')
    t.equal(events.length, before + 1)
    t.match(events.at(-1), { actor_kind: 'user', ip: '127.0.0.1', after: '{"method":"password"}' })
  })

  t.test('gives the same answer whatever is wrong', async (t) => {
    await acme.addPerson({ email: 'invited@acme.test', state: 'invited' })
    await acme.addPerson({ email: 'removed@acme.test', state: 'removed' })
    await acme.addPerson({ email: 'locked@acme.test', locked: true })
    await acme.addPerson({ email: 'deactivated@acme.test', state: 'deactivated' })
    const answers = []
    for (const [email, password] of [
      ['ada@acme.test', 'wrong'],
      ['nobody@acme.test', PASSWORD],
      ['not an address', PASSWORD],
      ['invited@acme.test', PASSWORD],
      ['removed@acme.test', PASSWORD],
      ['locked@acme.test', 'wrong'],
      ['deactivated@acme.test', 'wrong'],
      ['grace@globex.test', PASSWORD]
    ] as const) {
      const { status, error, cookie } = await signIn(email, password)
      t.match({ status, cookie }, { status: 401, cookie: undefined }, email)
      answers.push(error)
    }
    t.match(answers[0], { reason: 'invalidCredentials' })
    for (const answer of answers) t.same(answer, answers[0])
  })

  t.test('computes one hash whatever is wrong', async (t) => {
    const compare = bcrypt.compare
    let count = 0
    t.teardown(() => {
      bcrypt.compare = compare
    })
    bcrypt.compare = ((password: string, hash: string) => {
      count += bcrypt.getRounds(hash) === 4 ? 1 : 0
      return compare(password, hash)
    }) as typeof bcrypt.compare
    for (const email of ['ada@acme.test', 'nobody2@acme.test', 'not an address', 'invited@acme.test']) {
      count = 0
      await signIn(email, 'wrong')
      t.equal(count, 1, email)
    }
  })

  t.test('tells whoever knows the password why they may not sign in', async (t) => {
    t.match(await signIn('locked@acme.test'), { status: 403, cookie: undefined, error: { reason: 'userLocked' } })
    t.match(await signIn('deactivated@acme.test'), { status: 403, error: { reason: 'userDeactivated' } })
    const id = await acme.addPerson({ email: 'revived@acme.test' })
    await owner.updateTable('users').set({ must_reset_password: true }).where('id', '=', id).execute()
    t.match(await signIn('revived@acme.test'), { status: 403, error: { reason: 'mustResetPassword' } })
  })

  t.test('logs refusals of existing people, by nobody', async (t) => {
    await acme.settle()
    const before = (await acme.auditOf('session.refused')).length
    await signIn('ben@acme.test', 'wrong')
    await signIn('nobody@acme.test', 'wrong')
    await acme.settle()
    const events = (await acme.auditOf('session.refused')).slice(before)
    t.match(events, [{ target_id: ids.ben, actor_kind: 'system', after: '{"reason":"invalidCredentials"}' }])
    t.equal(events.length, 1)
  })

  t.test('refuses bad input by the name of the field', async (t) => {
    const { status, error } = await mutate('acme', 'auth.signIn', { email: 'ada@acme.test', pass: PASSWORD })
    t.equal(status, 400)
    t.match(error?.message, /password/)
    t.equal((await signIn('ada@acme.test', 'x'.repeat(1_025))).status, 400)
    t.equal((await mutate('', 'auth.signIn', { email: 'ada@acme.test', password: PASSWORD })).status, 404)
  })

  t.test('refuses a password that was changed while it was checked', async (t) => {
    const newHash = await acme.deps.auth.passwords.hash('another-Zebra-42')
    let attempt: ReturnType<typeof signIn> | undefined
    await owner.transaction().execute(async (trx) => {
      const user = await lockUser(trx, acmeId, ids.cleo, 'for update')
      attempt = signIn('cleo@acme.test')
      await lockIsAwaited(owner)
      await setPassword(trx, acmeId, user!, newHash, acme.clock.now())
    })
    t.match(await attempt, { status: 401, cookie: undefined, error: { reason: 'invalidCredentials' } })
    t.equal((await signIn('cleo@acme.test', 'another-Zebra-42')).status, 200)
  })
})

test('over https the cookie is Secure and has a __Host- name', async (t) => {
  const { signIn, query } = await startAcme(t, { env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' } })
  const { response, cookie } = await signIn('ada@acme.test')
  t.match(response.cookies, [
    { name: '__Host-muster_session', secure: true, httpOnly: true, sameSite: 'Lax', path: '/' }
  ])
  t.equal((await query('acme', 'auth.me', undefined, { cookie })).status, 200)
  const unprefixed = cookie!.replace('__Host-', '')
  t.equal((await query('acme', 'auth.me', undefined, { cookie: unprefixed })).status, 401)
})

test('a password is hashed again at sign-in if the cost has risen', async (t) => {
  const acme = await startAcme(t)
  const dearer = await startApp(t, { database: acme, env: { BCRYPT_COST: '5' } })
  const costNow = async () =>
    bcrypt.getRounds((await findSignInUser(acme.db, acme.acmeId, 'ada@acme.test'))!.password_hash!)
  t.equal(await costNow(), 4)
  const wrong = await dearer.mutate('acme', 'auth.signIn', { email: 'ada@acme.test', password: 'wrong' })
  t.equal(wrong.status, 401)
  t.equal(await costNow(), 4, 'not by a wrong one')
  const right = await dearer.mutate('acme', 'auth.signIn', { email: 'ada@acme.test', password: PASSWORD })
  t.equal(right.status, 200)
  t.equal(await costNow(), 5)
  t.equal((await acme.signIn('ada@acme.test')).status, 200, 'it is the same password')
  t.equal(await costNow(), 5, 'a lower cost does not take it back')
})
