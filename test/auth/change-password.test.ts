import { test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import { findPasswordReset, insertPasswordReset } from '../../db/password-resets.ts'
import { hashToken } from '../../server/secrets.ts'
import { PASSWORD, startAcme } from './acme.ts'

const NEW_PASSWORD = 'another-glacier-staple-9'

test('auth.changePassword', async (t) => {
  const acme = await startAcme(t)
  const { query, mutate, signIn, cookieOf } = acme
  const change = (
    caller: { cookie?: string; token?: string },
    currentPassword = PASSWORD,
    newPassword = NEW_PASSWORD
  ) => mutate('acme', 'auth.changePassword', { currentPassword, newPassword }, caller)

  t.test('refuses a wrong or weak password, and changes nothing', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    t.match(await change({ cookie }, 'wrong'), { status: 403, error: { reason: 'wrongPassword' } })
    t.match(await change({ cookie }, PASSWORD, 'password'), { status: 400, error: { reason: 'weakPassword' } })
    t.equal((await signIn('ada@acme.test')).status, 200)
  })

  t.test('refuses an API token and the operator, who are no person', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const { data } = await mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie })
    for (const token of [data.token, acme.deps.operatorToken]) {
      t.match(await change({ token }), { status: 403, error: { reason: 'sessionOnly' } })
    }
    t.equal((await signIn('ada@acme.test')).status, 200)
  })

  t.test('ends the other sessions and the reset links, and keeps this session', async (t) => {
    const tokenHash = hashToken('a link that is under way')
    const now = acme.clock.now()
    const expiresAt = new Date(now.getTime() + 3_600_000)
    await inTenant(acme.db, acme.acmeId, (trx) =>
      insertPasswordReset(trx, acme.acmeId, { tokenHash, userId: acme.ids.ada, now, expiresAt })
    )
    const [here, there] = [await cookieOf('ada@acme.test'), await cookieOf('ada@acme.test')]
    t.equal((await change({ cookie: here })).status, 200)
    t.equal((await query('acme', 'auth.me', undefined, { cookie: here })).status, 200)
    t.equal((await query('acme', 'auth.me', undefined, { cookie: there })).status, 401)
    t.equal((await signIn('ada@acme.test')).status, 401)
    t.equal((await signIn('ada@acme.test', NEW_PASSWORD)).status, 200)
    t.equal((await acme.auditOf('user.passwordChanged')).length, 1)
    t.ok((await findPasswordReset(acme.db, acme.acmeId, tokenHash))!.expires_at <= acme.clock.now())
  })

  t.test('counts wrong guesses for the session that makes them, so that others are not affected', async (t) => {
    const cookie = await cookieOf('ben@acme.test')
    for (let guess = 0; guess < 10; guess++) t.equal((await change({ cookie }, `wrong ${guess}`)).status, 403)
    t.match(await change({ cookie }), { status: 429, error: { reason: 'rateLimited' } })
    t.match(await signIn('ben@acme.test'), { status: 200 })
  })
})
