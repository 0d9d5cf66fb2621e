import { once } from 'node:events'
import { test } from 'tap'
import { lockUser, updateUser } from '../../db/users.ts'
import { endAccess } from '../../server/provisioning/ending.ts'
import { startApp } from '../support/app.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { PASSWORD, startAcme } from './acme.ts'

test('API tokens', async (t) => {
  const acme = await startAcme(t)
  const { query, mutate, cookieOf, owner, ids, clock } = acme
  const ada = { cookie: await cookieOf('ada@acme.test') }
  const ben = { cookie: await cookieOf('ben@acme.test') }
  const create = (input: object, caller: object = ben) =>
    mutate('acme', 'apiTokens.create', { name: 'backend', ...input }, caller)
  const me = (token: string, host = 'acme') => query(host, 'auth.me', undefined, { token })

  t.test('are shown once, stored hashed, and act for their owner', async (t) => {
    const { status, data } = await create({ name: '  deploy  ' })
    t.equal(status, 200)
    t.match(data.token, /^mst_api_[\w-]{43}$/)
    t.match(data.apiToken, {
      name: 'deploy',
      role: 'manager',
      owner: { id: ids.ben, name: 'Ben' },
      expiresAt: null,
      lastUsedAt: null
    })
    const stored = await owner.selectFrom('api_tokens').selectAll().execute()
    t.notOk(JSON.stringify(stored).includes(data.token))
    t.match((await me(data.token)).data, { user: { id: ids.ben }, role: 'manager', via: 'apiToken' })
    t.notOk(JSON.stringify((await query('acme', 'apiTokens.list', undefined, ben)).data).includes(data.token))
    t.match(await acme.auditOf('apiToken.created'), [{ target_id: data.apiToken.id, actor_kind: 'user' }])
  })

  t.test('have at most their maker’s role', async (t) => {
    t.match(await create({ role: 'administrator' }), { status: 403, error: { reason: 'roleNotAllowed' } })
    const { data } = await create({ role: 'stakeholder' })
    t.equal((await me(data.token)).data.role, 'stakeholder')
    const byToken = { token: data.token }
    t.match(await create({ role: 'responder' }, byToken), { status: 403, error: { reason: 'roleNotAllowed' } })
    t.equal((await create({}, byToken)).data.apiToken.role, 'stakeholder')
  })

  t.test('end with the token that made them', async (t) => {
    const expiresAt = new Date(clock.now().getTime() + 3_600_000).toISOString()
    const later = new Date(clock.now().getTime() + 3_601_000).toISOString()
    const { data: maker } = await create({ name: 'maker', expiresAt })
    const byMaker = { token: maker.token }
    t.match(await create({ expiresAt: later }, byMaker), {
      status: 403,
      error: { reason: 'expiryNotAllowed', expiresAt }
    })
    const { data: made } = await create({ name: 'made' }, byMaker)
    t.equal(made.apiToken.expiresAt, expiresAt, 'also where none was asked for')
    const { data: grandchild } = await create({ name: 'made by made' }, { token: made.token })
    t.equal(grandchild.apiToken.expiresAt, expiresAt)
    const { data: other } = await create({ name: 'not made by it' })

    await mutate('acme', 'apiTokens.revoke', { apiTokenId: maker.apiToken.id }, ben)
    for (const { token } of [maker, made, grandchild]) t.equal((await me(token)).status, 401)
    t.equal((await me(other.token)).status, 200)
    const revoked = (await acme.auditOf('apiToken.revoked')).slice(-3)
    t.same(revoked.map(({ target_id }) => target_id).sort(), [maker, made, grandchild].map((x) => x.apiToken.id).sort())
    await mutate('acme', 'apiTokens.revoke', { apiTokenId: other.apiToken.id }, ben)
  })

  t.test('may last if made by a token that lasts, and still end with it', async (t) => {
    const { data: maker } = await create({ name: 'maker' })
    const { data: made } = await create({ name: 'made' }, { token: maker.token })
    t.equal(made.apiToken.expiresAt, null)
    await mutate('acme', 'apiTokens.revoke', { apiTokenId: maker.apiToken.id }, { token: made.token })
    t.equal((await me(made.token)).status, 401)
  })

  t.test('that expire make no SCIM token that lasts longer', async (t) => {
    const expiresAt = new Date(clock.now().getTime() + 3_600_000).toISOString()
    const byToken = { token: (await create({ expiresAt }, ada)).data.token }
    const makeScim = (input: object, caller: object) =>
      mutate('acme', 'scimTokens.create', { name: 'idp', ...input }, caller)
    t.match((await makeScim({}, byToken)).data.scimToken, { expiresAt })
    const lasting = { expiresAt: '2090-01-01T00:00:00Z' }
    t.match(await makeScim(lasting, byToken), { status: 403, error: { reason: 'expiryNotAllowed' } })
    const { data } = await makeScim({}, ada)
    t.equal(data.scimToken.expiresAt, null)
    const rotated = await mutate('acme', 'scimTokens.rotate', { scimTokenId: data.scimToken.id }, byToken)
    t.equal(rotated.data.scimToken.expiresAt, expiresAt)
  })

  t.test('have at most the role that their owner has now', async (t) => {
    const id = await acme.addPerson({ email: 'dora@acme.test', role: 'manager' })
    const { data } = await create({}, { cookie: await cookieOf('dora@acme.test') })
    await owner.updateTable('users').set({ role: 'responder' }).where('id', '=', id).execute()
    t.equal((await me(data.token)).data.role, 'responder')
  })

  t.test('are answered 401 on another tenant, and if malformed', async (t) => {
    const { data } = await create({})
    t.match(await me(data.token, 'globex'), { status: 401, error: { reason: 'unauthenticated' } })
    t.equal((await me(data.token, '')).status, 401, 'nor is it anything on the base domain')
    t.equal((await query('', 'tenants.list', {}, { token: data.token })).status, 401)
    for (const authorization of [
      data.token,
      `Basic ${data.token}`,
      'Bearer',
      'Bearer ',
      `Bearer ${data.token}x`,
      'Bearer x y',
      ''
    ]) {
      const answer = await query('acme', 'auth.me', undefined, { ...ben, headers: { authorization } })
      t.match(
        answer,
        { status: 401, error: { reason: 'unauthenticated' } },
        `"${authorization}", whatever cookie is there`
      )
    }
  })

  t.test('expire, and the refusal says when', async (t) => {
    const expiresAt = new Date(clock.now().getTime() + 3_600_000).toISOString()
    const { data } = await create({ expiresAt })
    t.equal(data.apiToken.expiresAt, expiresAt)
    t.equal((await me(data.token)).status, 200)
    clock.advance({ minutes: 61 })
    // signed in again, because only recent sessions make tokens
    ada.cookie = await cookieOf('ada@acme.test')
    ben.cookie = await cookieOf('ben@acme.test')
    t.match(await me(data.token), { status: 401, error: { message: new RegExp(`expired on ${expiresAt}`) } })
    t.match(await create({ expiresAt: '2020-01-01T00:00:00Z' }), { status: 400, error: { reason: 'expiryInPast' } })
    t.equal((await create({ expiresAt: 'tomorrow' })).status, 400)
  })

  t.test('are searched by name, narrowed to a person, sorted and counted', async (t) => {
    await create({ name: 'Nightly one' }, ada)
    await create({ name: 'nightly two' })
    await create({ name: 'nightly three' })
    const list = async (input: object, caller: object = ada) => {
      const { items, total } = (await query('acme', 'apiTokens.list', { search: 'NIGHTLY', ...input }, caller)).data
      return { names: items.map(({ name }: { name: string }) => name), total }
    }
    const all = ['Nightly one', 'nightly two', 'nightly three']
    t.same(await list({ sort: { by: 'createdAt', direction: 'asc' }, includeTotal: true }), { names: all, total: 3 })
    t.same((await list({})).names, all.toReversed(), 'newest first')
    t.same((await list({ filter: { userId: ids.ada } })).names, ['Nightly one'])
    t.same(await list({ includeTotal: true }, ben), { names: ['nightly three', 'nightly two'], total: 2 })
    t.same((await list({ filter: { userId: ids.ada } }, ben)).names, [], 'nobody sees those of others')
  })

  t.test('are listed to their owner, and to administrators with everybody’s', async (t) => {
    await create({ name: 'of ada' }, ada)
    const names = async (caller: object) =>
      (await query('acme', 'apiTokens.list', undefined, caller)).data.items.map(({ name }: { name: string }) => name)
    t.notOk((await names(ben)).includes('of ada'))
    t.ok((await names(ada)).includes('of ada'))
    t.ok((await names(ada)).includes('deploy'))
    t.ok((await names({ token: acme.deps.operatorToken })).includes('deploy'))

    const first = (await query('acme', 'apiTokens.list', { limit: 1 }, ada)).data
    const second = (await query('acme', 'apiTokens.list', { limit: 1, cursor: first.nextCursor }, ada)).data
    t.not(first.items[0].id, second.items[0].id)
  })

  t.test('are revoked by their owner or an administrator, with effect at once', async (t) => {
    for (const caller of [ben, ada]) {
      const { data } = await create({})
      t.equal((await me(data.token)).status, 200)
      t.match((await mutate('acme', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, caller)).data, {
        apiToken: { id: data.apiToken.id }
      })
      t.equal((await me(data.token)).status, 401)
      t.equal((await mutate('acme', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, caller)).status, 404)
    }
    t.match((await acme.auditOf('apiToken.revoked')).slice(-2), [{ actor_kind: 'user' }, { actor_kind: 'user' }])
  })

  t.test('are not revoked by others, nor by a token with a lower role', async (t) => {
    const { data } = await create({})
    const cleo = { cookie: await cookieOf('cleo@acme.test') }
    t.equal((await mutate('acme', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, cleo)).status, 404)
    const lower = { token: (await create({ role: 'responder' })).data.token }
    t.match(await mutate('acme', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, lower), {
      status: 403,
      error: { reason: 'roleNotAllowed' }
    })
    const grace = { cookie: await cookieOf('grace@globex.test') }
    t.equal((await mutate('globex', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, grace)).status, 404)
    t.equal((await me(data.token)).status, 200)
  })

  t.test('have their last use noted, at most once a minute', async (t) => {
    const { data } = await create({})
    const lastUsed = async () => {
      await acme.settle()
      const { items } = (await query('acme', 'apiTokens.list', undefined, ben)).data
      return items.find(({ id }: { id: string }) => id === data.apiToken.id).lastUsedAt
    }
    await me(data.token)
    const first = await lastUsed()
    t.match(first, /^\d{4}-/)
    clock.advance({ seconds: 50 })
    await me(data.token)
    t.equal(await lastUsed(), first)
    clock.advance({ seconds: 11 })
    await me(data.token)
    t.not(await lastUsed(), first)
  })

  t.test('are not made by the operator, since nobody would own them', async (t) => {
    t.match(await create({}, { token: acme.deps.operatorToken }), { status: 403, error: { reason: 'personOnly' } })
  })

  t.test('are not made for somebody whose access ends at the same time', async (t) => {
    const id = await acme.addPerson({ email: 'emma@acme.test' })
    const emma = { cookie: await cookieOf('emma@acme.test') }
    let attempt: ReturnType<typeof create> | undefined
    await owner.transaction().execute(async (trx) => {
      await lockUser(trx, acme.acmeId, id, 'for update')
      attempt = create({}, emma)
      await lockIsAwaited(owner)
      await endAccess(trx, acme.acmeId, [id], clock.now(), 'deactivated')
      await updateUser(trx, acme.acmeId, id, { state: 'deactivated' }, clock.now())
    })
    t.match(await attempt, { status: 403, error: { reason: 'userDeactivated' } })
    t.same(await owner.selectFrom('api_tokens').selectAll().where('user_id', '=', id).execute(), [])
  })

  t.test('refuse bad input by the name of the field', async (t) => {
    t.match(await create({ name: '' }), { status: 400, error: { message: /name/ } })
    t.match(await create({ role: 'boss' }), { status: 400, error: { message: /role/ } })
    t.match(await create({ scope: 'all' }), { status: 400, error: { message: /scope/ } })
  })

  t.test('are forgotten by other processes once they are revoked', async (t) => {
    const there = await startApp(t, { database: acme })
    const { data } = await create({})
    const askThere = async () => (await there.query('acme', 'auth.me', undefined, { token: data.token })).status
    t.equal(await askThere(), 200)
    const heard = once(there.deps.listener, 'change')
    await mutate('acme', 'apiTokens.revoke', { apiTokenId: data.apiToken.id }, ben)
    await heard
    t.equal(await askThere(), 401)
  })

  t.test('need a recent session that has proved itself, because they outlive it', async (t) => {
    const late = { cookie: await cookieOf('ben@acme.test') }
    clock.advance({ minutes: 16 })
    t.match(await create({}, late), { status: 403, error: { reason: 'reauthenticationRequired' } })
    t.equal((await mutate('acme', 'auth.confirm', { password: PASSWORD }, late)).status, 200)
    const { status, data } = await create({}, late)
    t.equal(status, 200)
    clock.advance({ minutes: 16 })
    t.equal((await create({}, { token: data.token })).status, 200, 'a token proves itself with each request')
  })
})
