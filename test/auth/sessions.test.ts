import { once } from 'node:events'
import { test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import { insertPasswordReset } from '../../db/password-resets.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { startApp } from '../support/app.ts'
import { countStatements } from '../support/statements.ts'
import { PASSWORD, startAcme } from './acme.ts'

test('sessions', async (t) => {
  const acme = await startAcme(t)
  const { query, mutate, signIn, cookieOf, ids, owner, clock } = acme
  const statusOf = async (cookie: string, host = 'acme') => (await query(host, 'auth.me', undefined, { cookie })).status

  t.test('auth.me tells who is signed in and which roles they may give', async (t) => {
    const { data } = await query('acme', 'auth.me', undefined, { cookie: await cookieOf('ben@acme.test') })
    t.match(data, {
      user: { id: ids.ben, displayName: 'Ben' },
      role: 'manager',
      tenant: { name: 'acme', subdomain: 'acme', logoUrl: null },
      rolesYouMayGive: ['stakeholder', 'responder', 'manager'],
      defaultRole: 'responder',
      via: 'session'
    })
  })

  t.test('auth.me answers the operator, who is no user', async (t) => {
    const { data } = await query('acme', 'auth.me', undefined, { token: acme.deps.operatorToken })
    t.match(data, { user: null, role: 'administrator', via: 'operator' })
  })

  t.test('nobody is answered 401', async (t) => {
    t.match(await query('acme', 'auth.me'), { status: 401, error: { reason: 'unauthenticated' } })
    for (const cookie of ['muster_session=', 'muster_session=x', `muster_session=${'x'.repeat(43)}`]) {
      t.equal(await statusOf(cookie), 401, cookie)
    }
  })

  t.test('of one tenant are answered 401 on every other', async (t) => {
    const ada = await cookieOf('ada@acme.test')
    const grace = await cookieOf('grace@globex.test')
    t.equal(await statusOf(ada), 200)
    t.equal(await statusOf(ada, 'globex'), 401)
    t.equal(await statusOf(grace, 'globex'), 200)
    t.equal(await statusOf(grace), 401)
  })

  t.test('cost no statement while they are remembered', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    await statusOf(cookie)
    // there is no such procedure, so nothing is looked up but the caller
    const call = () => query('acme', 'auth.nothing', undefined, { cookie })
    t.equal(await countStatements(call), 0)
  })

  t.test('are listed to their owner, newest first, with the current one marked', async (t) => {
    const id = await acme.addPerson({ email: 'dora@acme.test' })
    await cookieOf('dora@acme.test', { headers: { 'user-agent': 'Firefox' } })
    const cookie = await cookieOf('dora@acme.test', { headers: { 'user-agent': 'U'.repeat(1_000) } })
    const { data } = await query('acme', 'auth.sessions', undefined, { cookie })
    t.equal(data.items.length, 2)
    t.match(data.items[0], { current: true, method: 'password', ip: '127.0.0.1', userAgent: /^U{400}$/ })
    t.match(data.items[1], { current: false, userAgent: 'Firefox' })
    for (const time of ['createdAt', 'lastSeenAt', 'expiresAt']) t.match(data.items[0][time], /^\d{4}-.*Z$/)
    t.notOk(JSON.stringify(data).includes(cookie.split('=')[1]!))

    const first = await query('acme', 'auth.sessions', { limit: 1 }, { cookie })
    t.equal(first.data.items.length, 1)
    const second = await query('acme', 'auth.sessions', { limit: 1, cursor: first.data.nextCursor }, { cookie })
    t.equal(second.data.items[0].id, data.items[1].id)
    t.equal(second.data.nextCursor, null)
    t.equal((await query('acme', 'auth.sessions', { cursor: 'made-up' }, { cookie })).error?.reason, 'invalidCursor')
    t.equal((await owner.selectFrom('sessions').selectAll().where('user_id', '=', id).execute()).length, 2)
  })

  t.test('are revoked by their owner and by nobody else', async (t) => {
    const ada = await cookieOf('ada@acme.test')
    const lost = await cookieOf('ada@acme.test')
    const ben = await cookieOf('ben@acme.test')
    const { data } = await query('acme', 'auth.sessions', undefined, { cookie: lost })
    const sessionId = data.items.find(({ current }: { current: boolean }) => current).id
    t.match(await mutate('acme', 'auth.revokeSession', { sessionId }, { cookie: ben }), {
      status: 404,
      error: { reason: 'notFound' }
    })
    t.equal(await statusOf(lost), 200)
    t.equal((await mutate('acme', 'auth.revokeSession', { sessionId }, { cookie: ada })).status, 200)
    t.equal(await statusOf(lost), 401)
    t.equal(await statusOf(ada), 200)
    t.equal((await mutate('acme', 'auth.revokeSession', { sessionId }, { cookie: ada })).status, 404)
    t.ok((await acme.auditOf('session.ended')).some(({ target_id }) => target_id === sessionId))
    t.equal((await mutate('acme', 'auth.revokeSession', { sessionId: 'x' }, { cookie: ada })).status, 400)
  })

  t.test('the operator has none', async (t) => {
    const operator = { token: acme.deps.operatorToken }
    t.match(await query('acme', 'auth.sessions', undefined, operator), { status: 403, error: { reason: 'personOnly' } })
  })

  t.test('end by signing out, which deletes the cookie', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    const { status, response } = await mutate('acme', 'auth.signOut', {}, { cookie })
    t.equal(status, 200)
    t.match(response.cookies, [{ name: 'muster_session', value: '', path: '/', expires: new Date(0) }])
    t.equal(await statusOf(cookie), 401)
    t.equal((await mutate('acme', 'auth.signOut', {}, { cookie })).status, 200, 'also twice')
    t.equal((await mutate('acme', 'auth.signOut')).status, 200, 'and without a session')
  })

  t.test('end all at the same time by signing out everywhere', async (t) => {
    await acme.addPerson({ email: 'emma@acme.test' })
    const cookies = [await cookieOf('emma@acme.test'), await cookieOf('emma@acme.test')]
    const { data } = await mutate('acme', 'auth.signOutEverywhere', {}, { cookie: cookies[0]! })
    t.same(data, { ended: 2 })
    for (const cookie of cookies) t.equal(await statusOf(cookie), 401)
  })

  t.test('end with their user’s access, whatever is remembered', async (t) => {
    for (const change of [{ state: 'deactivated' }, { locked: true }, { must_reset_password: true }] as const) {
      const email = `${Object.keys(change)[0]!.replaceAll('_', '-')}@acme.test`
      const id = await acme.addPerson({ email })
      const cookie = await cookieOf(email)
      t.equal(await statusOf(cookie), 200)
      await owner.updateTable('users').set(change).where('id', '=', id).execute()
      acme.deps.auth.principals.forget(acme.acmeId)
      t.equal(await statusOf(cookie), 401, email)
    }
  })

  t.test('see a change of role at once', async (t) => {
    const id = await acme.addPerson({ email: 'fay@acme.test', role: 'manager' })
    const cookie = await cookieOf('fay@acme.test')
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).data.role, 'manager')
    await owner.updateTable('users').set({ role: 'stakeholder' }).where('id', '=', id).execute()
    const heard = once(acme.deps.listener, 'change')
    await notifyChange(acme.db, { kind: 'credentials', tenantId: acme.acmeId })
    await heard
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).data.role, 'stakeholder')
  })

  t.test('end 14 days after they were last seen, and 30 days after the sign-in', async (t) => {
    const idle = await cookieOf('ada@acme.test')
    const used = await cookieOf('ada@acme.test')
    for (const day of [7, 14, 21, 28]) {
      clock.advance({ hours: 7 * 24 })
      t.equal(await statusOf(used), 200, `day ${day}`)
      await acme.settle()
      if (day === 7) continue
      t.equal(await statusOf(idle), 401, `day ${day}, not seen since the first`)
    }
    const ends = await query('acme', 'auth.sessions', undefined, { cookie: used })
    t.equal(ends.data.items.length, 1, 'what has ended is not listed')
    clock.advance({ hours: 2 * 24 })
    t.equal(await statusOf(used), 401)
  })

  t.test('have their use noted every few minutes, not with every request', async (t) => {
    const cookie = await cookieOf('ben@acme.test')
    const lastSeen = async () => {
      await acme.settle()
      const { data } = await query('acme', 'auth.sessions', undefined, { cookie })
      return Date.parse(data.items[0].lastSeenAt)
    }
    const begun = await lastSeen()
    clock.advance({ minutes: 4 })
    await statusOf(cookie)
    t.equal(await lastSeen(), begun)
    clock.advance({ minutes: 2 })
    await statusOf(cookie)
    t.ok((await lastSeen()) - begun >= 6 * 60_000)
  })

  t.test('are remembered again after the database was asked', async (t) => {
    const cookie = await cookieOf('ada@acme.test')
    acme.deps.auth.principals.forget(acme.acmeId)
    t.equal(await statusOf(cookie), 200)
    t.equal((await signIn('ada@acme.test', PASSWORD)).status, 200)
  })
})

test('what one process ends, another one forgets', async (t) => {
  const here = await startAcme(t)
  const there = await startApp(t, { database: here })
  const heard = () => once(there.deps.listener, 'change')
  const endings: [string, (cookie: string) => Promise<unknown>][] = [
    ['signing out', (cookie) => here.mutate('acme', 'auth.signOut', {}, { cookie })],
    ['signing out everywhere', (cookie) => here.mutate('acme', 'auth.signOutEverywhere', {}, { cookie })],
    ['signing in as somebody else', (cookie) => here.signIn('ben@acme.test', PASSWORD, { cookie })],
    [
      'a new password',
      async () => {
        const token = randomToken()
        const at = here.clock.now()
        await inTenant(here.db, here.acmeId, (trx) =>
          insertPasswordReset(trx, here.acmeId, {
            tokenHash: hashToken(token),
            userId: here.ids.ada,
            now: at,
            expiresAt: new Date(at.getTime() + 60_000)
          })
        )
        await here.mutate('acme', 'auth.resetPassword', { token, password: PASSWORD })
      }
    ]
  ]
  for (const [what, end] of endings) {
    const cookie = await here.cookieOf('ada@acme.test')
    const askThere = async () => (await there.query('acme', 'auth.me', undefined, { cookie })).status
    t.equal(await askThere(), 200)
    const forgotten = heard()
    await end(cookie)
    await forgotten
    t.equal(await askThere(), 401, what)
  }
})
