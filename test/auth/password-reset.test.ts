import { test } from 'tap'
import { findPasswordReset } from '../../db/password-resets.ts'
import { lockUser, updateUser } from '../../db/users.ts'
import { endAccess } from '../../server/provisioning/ending.ts'
import { hashToken } from '../../server/secrets.ts'
import { startApp } from '../support/app.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { PASSWORD, startAcme } from './acme.ts'

const NEW_PASSWORD = 'another-glacier-staple-9'

test('password reset', async (t) => {
  const acme = await startAcme(t)
  const { query, mutate, signIn, cookieOf, owner, ids, acmeId, clock, deps } = acme

  /** Asks for a link as the page does, and reads it from the mail that would be sent. */
  async function request(email: string, host = 'acme'): Promise<string | undefined> {
    const before = await mails(email)
    const answer = await mutate(host, 'auth.requestPasswordReset', { email })
    t.same({ status: answer.status, data: answer.data }, { status: 200, data: {} })
    await acme.settle()
    const after = await mails(email)
    const [newest] = after.slice(before.length)
    return newest?.token_sealed ? deps.sealer.open('mail', newest.token_sealed) : undefined
  }
  const mails = (email: string) =>
    owner.selectFrom('mails').selectAll().where('to_address', '=', email.toLowerCase()).orderBy('id').execute()
  const reset = (token: string | undefined, password = NEW_PASSWORD, host = 'acme') =>
    mutate(host, 'auth.resetPassword', { token, password })
  const addPerson = async (name: string, person = {}) => {
    const email = `${name}@acme.test`
    return { email, id: await acme.addPerson({ email, ...person }) }
  }

  t.test('sends a link whose token is stored as a hash, and sealed in the mail', async (t) => {
    const { email, id } = await addPerson('bea')
    const token = await request('Bea@acme.test')
    t.match(token, /^[\w-]{43}$/)
    t.match(await mails(email), [{ template: 'password-reset', state: 'queued', user_id: id, to_address: email }])
    const link = await findPasswordReset(acme.db, acmeId, hashToken(token!))
    const minutes = (link!.expires_at.getTime() - clock.now().getTime()) / 60_000
    t.ok(minutes > 59 && minutes <= 60, 'for an hour')
    const job = await owner
      .withSchema('pgboss' as never)
      .selectFrom('job' as never)
      .selectAll()
      .execute()
    t.equal((job as { data: { mailId: string } }[]).filter(({ data }) => data.mailId).length, 1)
    t.notOk(JSON.stringify(job).includes(token!), 'the job holds ids alone')
    t.match(await acme.auditOf('user.passwordResetRequested'), [{ target_id: id, actor_kind: 'system' }])
  })

  t.test('answers the same for any address, and mails only active people', async (t) => {
    await addPerson('invited', { state: 'invited' })
    await addPerson('deactivated', { state: 'deactivated' })
    await addPerson('removed', { state: 'removed' })
    await addPerson('locked', { locked: true })
    for (const email of [
      'nobody@acme.test',
      'not an address',
      'invited@acme.test',
      'deactivated@acme.test',
      'removed@acme.test',
      'locked@acme.test',
      'grace@globex.test'
    ]) {
      t.equal(await request(email), undefined, email)
    }
  })

  t.test('sets the password, signs in, and ends every session and the other links', async (t) => {
    const { email, id } = await addPerson('cora')
    const session = await cookieOf(email)
    const older = await request(email)
    const token = await request(email)
    const { status, data, cookie } = await reset(token)
    t.equal(status, 200)
    t.match(data.user, { id, email })
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).data.user.id, id, 'signed in by cookie')
    t.equal((await query('acme', 'auth.me', undefined, { cookie: session })).status, 401)
    t.equal((await signIn(email)).status, 401, 'the old password')
    t.equal((await signIn(email, NEW_PASSWORD)).status, 200, 'the new one')
    t.match(await reset(older), { status: 409, error: { reason: 'resetLinkExpired' } })
    t.match(await acme.auditOf('user.passwordReset'), [{ target_id: id, actor_kind: 'user' }])
  })

  t.test('works with the newest link only, and does not send the mail of an older one', async (t) => {
    const { email } = await addPerson('dina')
    const older = await request(email)
    const newer = await request(email)
    t.match(await mails(email), [{ state: 'cancelled', token_sealed: null }, { state: 'queued' }])
    t.match(await reset(older), { status: 409, error: { reason: 'resetLinkExpired' } })
    t.equal((await reset(newer)).status, 200)
  })

  t.test('works once, and says why it does not work again', async (t) => {
    const { email } = await addPerson('elsa')
    const token = await request(email)
    t.equal((await reset(token)).status, 200)
    t.match(await reset(token, PASSWORD), { status: 409, cookie: undefined, error: { reason: 'resetLinkUsed' } })
    t.equal((await signIn(email, NEW_PASSWORD)).status, 200)
    t.match(await reset('x'.repeat(43)), { status: 404, error: { reason: 'resetLinkInvalid' } })
    const late = await request(email)
    clock.advance({ minutes: 61 })
    t.match(await reset(late), { status: 409, error: { reason: 'resetLinkExpired' } })
  })

  t.test('works once if the link is used twice at the same time', async (t) => {
    const { email, id } = await addPerson('fred')
    const token = await request(email)
    const passwords = ['first-glacier-staple-9', 'second-glacier-staple-9']
    const answers = await Promise.all(passwords.map((password) => reset(token, password)))
    t.same(answers.map(({ status }) => status).sort(), [200, 409])
    t.equal(answers.find(({ status }) => status === 409)!.error!.reason, 'resetLinkUsed')
    const winner = passwords[answers.findIndex(({ status }) => status === 200)]!
    const loser = passwords.find((password) => password !== winner)!
    t.equal((await signIn(email, winner)).status, 200)
    t.equal((await signIn(email, loser)).status, 401)
    const created = await owner.selectFrom('sessions').selectAll().where('user_id', '=', id).execute()
    t.equal(created.filter(({ method }) => method === 'reset').length, 1)
  })

  t.test('refuses a weak password, after which the link still works', async (t) => {
    const { email } = await addPerson('gina')
    const token = await request(email)
    for (const weak of ['short', 'password', 'gina@acme.test']) {
      t.match(await reset(token, weak), { status: 400, error: { reason: 'weakPassword' } }, weak)
    }
    t.equal((await signIn(email)).status, 200, 'nothing has changed')
    t.equal((await reset(token)).status, 200)
  })

  t.test('requires as many characters as the tenant wants', async (t) => {
    const { email } = await addPerson('hedy')
    const token = await request(email)
    const settings = JSON.stringify({ passwordMinLength: 30 })
    await owner.updateTable('tenants').set({ settings }).where('id', '=', acmeId).execute()
    acme.deps.tenancy.cache.clear()
    t.match(await reset(token), { status: 400, error: { reason: 'weakPassword', message: /30 characters/ } })
    await owner.updateTable('tenants').set({ settings: '{}' }).where('id', '=', acmeId).execute()
    acme.deps.tenancy.cache.clear()
    t.equal((await reset(token)).status, 200)
  })

  t.test('belongs to one tenant: another one does not know the token', async (t) => {
    const token = await request('grace@globex.test', 'globex')
    t.match(await reset(token), { status: 404, error: { reason: 'resetLinkInvalid' } })
    t.equal((await reset(token, NEW_PASSWORD, 'globex')).status, 200)
  })

  t.test('lets in whoever must choose a new password, and raises the version', async (t) => {
    const { email, id } = await addPerson('iris')
    await owner.updateTable('users').set({ must_reset_password: true }).where('id', '=', id).execute()
    t.equal((await signIn(email)).status, 403)
    const { status, data } = await reset(await request(email))
    t.equal(status, 200)
    t.equal(data.user.mustResetPassword, false)
    const row = await owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    t.match(row, { must_reset_password: false, version: 2 })
  })

  t.test('gives a first password to somebody without one', async (t) => {
    const { email, id } = await addPerson('jade')
    await owner.deleteFrom('user_credentials').where('user_id', '=', id).execute()
    t.equal((await signIn(email)).status, 401)
    t.equal((await reset(await request(email))).status, 200)
    t.equal((await signIn(email, NEW_PASSWORD)).status, 200)
  })

  t.test('leaves API tokens valid', async (t) => {
    const { email } = await addPerson('kara')
    const { data } = await mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie: await cookieOf(email) })
    await reset(await request(email))
    t.equal((await query('acme', 'auth.me', undefined, { token: data.token })).status, 200)
  })

  t.test('is of no use to somebody whose access ends at the same time', async (t) => {
    const { email, id } = await addPerson('lena')
    const token = await request(email)
    let attempt: ReturnType<typeof reset> | undefined
    await owner.transaction().execute(async (trx) => {
      await lockUser(trx, acmeId, id, 'for update')
      attempt = reset(token)
      await lockIsAwaited(owner)
      await endAccess(trx, acmeId, [id], clock.now(), 'deactivated')
      await updateUser(trx, acmeId, id, { state: 'deactivated' }, clock.now())
    })
    t.match(await attempt, { status: 403, cookie: undefined, error: { reason: 'userDeactivated' } })
    t.match(await reset(token), { status: 404, error: { reason: 'resetLinkInvalid' } })
  })

  t.test('works in another process than the one that was asked for it', async (t) => {
    const there = await startApp(t, { database: acme })
    const token = await request('ben@acme.test')
    const answer = await there.mutate('acme', 'auth.resetPassword', { token, password: NEW_PASSWORD })
    t.equal(answer.data.user.id, ids.ben)
  })

  t.test('answers the same for a text that is no address', async (t) => {
    for (const email of ['', ' ', 'x', 'a@b@c', `${'a'.repeat(400)}@acme.test`, '\0']) {
      const { status, data } = await mutate('acme', 'auth.requestPasswordReset', { email })
      t.same([status, data], [200, {}], email.slice(0, 20))
    }
  })

  t.test('refuses bad input by the name of the field', async (t) => {
    t.match(await mutate('acme', 'auth.requestPasswordReset', { mail: 'x' }), {
      status: 400,
      error: { message: /email/ }
    })
    t.match(await mutate('acme', 'auth.resetPassword', { token: 'x' }), { status: 400, error: { message: /password/ } })
  })
})
