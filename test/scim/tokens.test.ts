// Tokens of identity providers: who makes them, how long they work, and what is shown of them.
import { once } from 'node:events'
import { test } from 'tap'
import type { ROLES } from '../../db/schema.ts'
import { startApp } from '../support/app.ts'
import { insertPerson, signInAs } from '../support/people.ts'
import { clientOf, type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { SCIM_ERROR } from '../support/urns.ts'

test('SCIM tokens', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const globex = await addTenant(app, 'globex')
  const signIn = async (role: (typeof ROLES)[number]) => {
    const id = await insertPerson(app.owner, acme.id, { email: `${role}@acme.test`, role })
    return { cookie: await signInAs(app.owner, acme.id, id) }
  }
  const ada = await signIn('administrator')
  const create = async (input: Record<string, unknown> = {}) => {
    const { data, error } = await app.mutate('acme', 'scimTokens.create', { name: 'okta', ...input }, ada)
    if (error) throw new Error(error.message)
    return data
  }
  const statusOf = async (token: string, tenant = acme) =>
    (await clientOf(app, tenant, token).get('/Users?count=0')).status
  const rowOf = (id: string) =>
    app.owner.selectFrom('scim_tokens').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

  t.test('are made for administrators, shown once and kept as a hash', async (t) => {
    const made = await create()
    t.match(made, {
      token: /^mst_scim_[\w-]{43}$/,
      baseUrl: 'http://acme.muster.test/scim/v2',
      scimToken: {
        name: 'okta',
        profile: 'auto',
        highestRole: 'responder',
        expiresAt: null,
        lastUsedAt: null,
        revoked: false,
        revokedAt: null
      }
    })
    const { data } = await app.query('acme', 'scimTokens.list', {}, ada)
    t.same(data, { items: [made.scimToken], nextCursor: null })
    t.equal(await statusOf(made.token), 200)
    t.notMatch(JSON.stringify(data), made.token.slice('mst_scim_'.length))
    const rows = await app.owner.selectFrom('scim_tokens').selectAll().execute()
    t.equal(rows[0]!.token_hash.length, 32)
  })

  t.test('are only seen and changed by administrators', async (t) => {
    const { scimToken } = await create()
    for (const role of ['stakeholder', 'responder', 'manager'] as const) {
      const caller = await signIn(role)
      for (const [procedure, input] of [
        ['scimTokens.create', { name: 'x' }],
        ['scimTokens.rotate', { scimTokenId: scimToken.id }],
        ['scimTokens.revoke', { scimTokenId: scimToken.id }]
      ] as const) {
        t.match(await app.mutate('acme', procedure, input, caller), {
          status: 403,
          error: { reason: 'administratorOnly' }
        })
      }
      t.equal((await app.query('acme', 'scimTokens.list', {}, caller)).status, 403)
    }
    t.equal((await app.query('acme', 'scimTokens.list')).status, 401)
  })

  t.test('work only in their own tenant', async (t) => {
    const { token } = await create()
    t.equal(await statusOf(token, globex), 401)
  })

  t.test('have a highest role, a profile and an expiry, of which bad values are refused', async (t) => {
    t.match(await app.mutate('acme', 'scimTokens.create', { name: 'x', expiresAt: '2001-01-01T00:00:00Z' }, ada), {
      status: 400,
      error: { reason: 'expiryInPast' }
    })
    t.equal((await app.mutate('acme', 'scimTokens.create', { name: 'x', profile: 'nice' }, ada)).status, 400)
    t.equal((await app.mutate('acme', 'scimTokens.create', { name: '' }, ada)).status, 400)
    t.match(await create({ name: 'entra', highestRole: 'administrator', profile: 'entra' }), {
      scimToken: { highestRole: 'administrator', profile: 'entra' }
    })
  })

  t.test('exist side by side; one with the same name and settings joins the connection', async (t) => {
    const first = await create({ name: 'side' })
    const second = await create({ name: 'side' })
    const other = await create({ name: 'side', highestRole: 'manager' })
    t.equal(first.scimToken.connectionId, second.scimToken.connectionId)
    t.not(first.scimToken.connectionId, other.scimToken.connectionId, 'another role is another connection')
    for (const { token } of [first, second, other]) t.equal(await statusOf(token), 200)
  })

  t.test('expire, and the refusal says when', async (t) => {
    const expiresAt = new Date(app.clock.now().getTime() + 3_600_000)
    const { token } = await create({ name: 'short', expiresAt: expiresAt.toISOString() })
    t.equal(await statusOf(token), 200)
    app.clock.advance({ hours: 2 })
    const { status, body, headers } = await clientOf(app, acme, token).get('/Users')
    t.equal(status, 401)
    t.match(body, { status: '401', detail: `This token expired on ${expiresAt.toISOString()}` })
    t.match(headers['www-authenticate'], /^Bearer .*error="invalid_token"/)
  })

  t.test('are rotated with an overlap: the new one works at once, the old one until it is over', async (t) => {
    const old = await create({ name: 'rotating' })
    const { data } = await app.mutate(
      'acme',
      'scimTokens.rotate',
      { scimTokenId: old.scimToken.id, overlapHours: 2 },
      ada
    )
    t.match(data, {
      token: /^mst_scim_/,
      baseUrl: old.baseUrl,
      scimToken: { connectionId: old.scimToken.connectionId, name: 'rotating', expiresAt: null }
    })
    t.equal(await statusOf(old.token), 200)
    t.equal(await statusOf(data.token), 200)
    app.clock.advance({ hours: 3 })
    t.equal(await statusOf(old.token), 401)
    t.equal(await statusOf(data.token), 200)
  })

  t.test('are rotated without an overlap: the old one ends at once, in every process', async (t) => {
    const other = await startApp(t, { database: app })
    // the same time there as here by now
    other.clock.advance({ hours: 24 })
    const { token, scimToken } = await create({ name: 'leaked' })
    const elsewhere = () => clientOf(other, acme, token).get('/Users?count=0')
    t.equal((await elsewhere()).status, 200)
    const heard = once(other.deps.listener, 'change')
    await app.mutate('acme', 'scimTokens.rotate', { scimTokenId: scimToken.id, overlapHours: 0 }, ada)
    t.equal(await statusOf(token), 401)
    await heard
    t.equal((await elsewhere()).status, 401)
  })

  t.test('are rotated with an end: the new one lasts as long as the old one did, which is not prolonged', async (t) => {
    const now = app.clock.now().getTime()
    const old = await create({ name: 'ends', expiresAt: new Date(now + 10 * 3_600_000).toISOString() })
    app.clock.advance({ hours: 9 })
    const { data } = await app.mutate('acme', 'scimTokens.rotate', { scimTokenId: old.scimToken.id }, ada)
    const lifetime = Date.parse(data.scimToken.expiresAt) - Date.parse(data.scimToken.createdAt)
    t.ok(Math.abs(lifetime - 10 * 3_600_000) < 10_000)
    t.equal((await rowOf(old.scimToken.id)).expires_at?.toISOString(), old.scimToken.expiresAt)
  })

  t.test('end at once when they are revoked, in every process', async (t) => {
    const other = await startApp(t, { database: app })
    const { token, scimToken } = await create({ name: 'revoked' })
    t.equal(await statusOf(token), 200)
    t.equal((await clientOf(other, acme, token).get('/Users?count=0')).status, 200)
    const heard = once(other.deps.listener, 'change')
    const { data } = await app.mutate('acme', 'scimTokens.revoke', { scimTokenId: scimToken.id }, ada)
    t.match(data.scimToken, { id: scimToken.id, revoked: true, revokedAt: /Z$/ })
    t.equal(await statusOf(token), 401, 'here')
    await heard
    t.equal((await clientOf(other, acme, token).get('/Users?count=0')).status, 401, 'in another process')
    const again = await app.mutate('acme', 'scimTokens.revoke', { scimTokenId: scimToken.id }, ada)
    t.same(again.data, data, 'asking again changes nothing')
    const rotated = await app.mutate('acme', 'scimTokens.rotate', { scimTokenId: scimToken.id }, ada)
    t.equal(rotated.data.scimToken.connectionId, scimToken.connectionId, 'and the connection can go on')
    t.equal(await statusOf(token), 401)
  })

  t.test('are not found if they are unknown', async (t) => {
    const scimTokenId = crypto.randomUUID()
    for (const procedure of ['scimTokens.rotate', 'scimTokens.revoke']) {
      t.equal((await app.mutate('acme', procedure, { scimTokenId }, ada)).status, 404)
    }
  })

  t.test('cost no query while they are remembered, and their last use is noted once a minute', async (t) => {
    const { token, scimToken } = await create({ name: 'used' })
    const used = async () => {
      const before = (await rowOf(scimToken.id)).last_used_at
      await statusOf(token)
      const isNoted = async () => (await rowOf(scimToken.id)).last_used_at?.getTime() !== before?.getTime()
      // noted after the answer, whenever the database has done it
      while (!(await isNoted())) await new Promise(setImmediate)
      return (await rowOf(scimToken.id)).last_used_at
    }
    const first = await used()
    t.ok(first)
    await statusOf(token)
    t.same((await rowOf(scimToken.id)).last_used_at, first, 'not within the minute')
    app.clock.advance({ minutes: 2 })
    t.ok((await used())! > first!)
    const { data } = await app.query('acme', 'scimTokens.list', {}, ada)
    const listed = data.items.find(({ id }: { id: string }) => id === scimToken.id)
    t.match(listed.lastUsedFrom, [{ address: '127.0.0.1', lastUsedAt: listed.lastUsedAt }], 'with the address')
  })

  t.test('are listed newest first, page by page', async (t) => {
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const { data } = await app.query('acme', 'scimTokens.list', { limit: 3, ...(cursor && { cursor }) }, ada)
      seen.push(...data.items.map(({ id }: { id: string }) => id))
      cursor = data.nextCursor
    } while (cursor)
    const rows = await app.owner.selectFrom('scim_tokens').select('id').orderBy('id', 'desc').execute()
    t.same(
      seen,
      rows.map(({ id }) => id)
    )
  })

  t.test('leave events of making, rotating and revoking, without the token', async (t) => {
    const events = await app.owner
      .selectFrom('audit_events')
      .selectAll()
      .where('target_type', '=', 'scimToken')
      .execute()
    t.same([...new Set(events.map(({ action }) => action))].sort(), [
      'scimToken.created',
      'scimToken.revoked',
      'scimToken.rotated'
    ])
    t.notMatch(JSON.stringify(events), /mst_scim_/)
  })
})

test('a token has a rate of requests', async (t) => {
  const app = await startApp(t, { env: { SCIM_REQUESTS_PER_SECOND: '1' } })
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const other = await scimClient(app, acme)
  const ask = (client: Scim) => client.get('/Users?count=0')
  for (let index = 0; index < 10; index++) t.equal((await ask(scim)).status, 200, 'a burst passes')
  let refused = await ask(scim)
  while (refused.status === 200) refused = await ask(scim)
  t.match(refused, {
    status: 429,
    headers: { 'retry-after': '1' },
    body: { schemas: [SCIM_ERROR], status: '429', detail: /1 requests a second/ }
  })
  t.equal((await ask(other)).status, 200, 'others are not held back')
  app.clock.advance({ seconds: 1 })
  t.equal((await ask(scim)).status, 200)
})
