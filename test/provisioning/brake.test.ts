// The brake against mass deprovisioning: it lets exactly so many people go an hour, whoever asks at the same time, and
// does nothing by half for the others.
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { OPERATOR, startApp, type TestApp } from '../support/app.ts'
import {
  countStates,
  deactivate,
  ENTRA_OFF,
  heldRows,
  inParallel,
  noticesIn,
  setUp,
  statusesOf
} from '../support/deprovisioning.ts'
import { clientOf, scimClient } from '../support/scim.ts'
import { BULK_REQUEST, SCIM_ERROR } from '../support/urns.ts'

test('the brake', async (t) => {
  const app = await startApp(t)
  // a second process of the service, with its own pool, caches and listener, on the same database
  const twin = await startApp(t, { database: app })

  t.test('an Entra cycle that removes everyone is stopped at exactly the threshold', async (t) => {
    const { tenant, ids, scim } = await setUp(app, 'entra', 249)
    const other = clientOf(twin, tenant, scim.token)
    const replies = await inParallel(ids, 16, (id, index) => deactivate(index % 2 ? scim : other, id))
    t.same(statusesOf(replies), { 200: 25, 429: 224 }, '10 % of 250')
    t.same(await countStates(app, tenant), { active: 225, deactivated: 25 })
    const refused = replies.find(({ status }) => status === 429)!
    t.match(refused.body, { schemas: [SCIM_ERROR], status: '429' })
    t.match(
      refused.body.detail,
      /^Held by the brake against mass deprovisioning: Entra may .* An administrator has been/
    )
    const retryAfter = Number(refused.headers['retry-after'])
    t.ok(retryAfter > 3_000 && retryAfter <= 3_660, 'the oldest of the hour leaves it first')

    const removals = await inParallel(ids, 16, (id, index) => (index % 2 ? scim : other).delete(`/Users/${id}`))
    const counted = new Set(ids.filter((_, index) => replies[index]!.status === 200))
    t.ok(
      removals.every(({ status }, index) => status === (counted.has(ids[index]!) ? 204 : 429)),
      'whoever was counted is not counted again, and nobody else goes'
    )
    t.same(await countStates(app, tenant), { active: 225, removed: 25 })
    const held = await heldRows(app, tenant)
    t.equal(held.filter(({ kind }) => kind === 'deactivate').length, 224)
    t.equal(held.filter(({ kind }) => kind === 'remove').length, 224)
    const notices = await noticesIn(app, tenant)
    t.match(notices, [
      { to_address: 'ada-entra1@acme.test', notice: { subject: /^Entra is deprovisioning many people/ } }
    ])
    t.equal(notices.length, 1, 'one mail, whatever the number of refusals')
  })

  t.test('a small tenant lets 20 people go, and a change that does more than deactivate is held whole', async (t) => {
    const { tenant, ids, scim } = await setUp(app, 'small', 30)
    const replies = await inParallel(ids.slice(0, 20), 4, (id) => deactivate(scim, id))
    t.same(statusesOf(replies), { 200: 20 })
    const id = ids[25]!
    const both = [...ENTRA_OFF, { op: 'Replace', path: 'displayName', value: 'Somebody Else' }]
    t.equal((await scim.patch(`/Users/${id}`, both)).status, 429)
    t.equal(
      (await scim.put(`/Users/${id}`, { userName: 'user26@acme.test', displayName: 'X', active: false })).status,
      429
    )
    t.match((await scim.get(`/Users/${id}`)).body, { displayName: 'user 26', active: true, meta: { version: 'W/"1"' } })
    const audited = await app.owner
      .selectFrom('audit_events')
      .select('id')
      .where('tenant_id', '=', tenant.id)
      .where('target_id', '=', id)
      .execute()
    t.same(audited, [], 'and leaves no trace of having happened')
    const renamed = await scim.patch(`/Users/${id}`, [both[1]!])
    t.equal(renamed.status, 200, 'other changes go on')
    t.equal((await deactivate(scim, ids[0]!)).status, 200, 'so does what changes nothing')
    t.match(
      (await heldRows(app, tenant)).map(({ kind, user_id, tries }) => ({ kind, user_id, tries })),
      [{ kind: 'deactivate', user_id: id, tries: 2 }],
      'the second try is another try of the same change'
    )
  })

  t.test('people count once, whichever way they go, and the hour slides', async (t) => {
    const { ids, scim } = await setUp(app, 'slides', 60)
    const group = (await scim.post('/Groups', { displayName: 'G', members: ids.map((value) => ({ value })) })).body
    const leave = (value: string) =>
      scim.patch(`/Groups/${group.id}`, [{ op: 'Remove', path: 'members', value: [{ value }] }])
    for (const id of ids.slice(0, 10)) {
      t.equal((await leave(id)).status, 204)
      t.equal((await deactivate(scim, id)).status, 200)
      t.equal((await scim.delete(`/Users/${id}`)).status, 204)
    }
    app.clock.advance({ minutes: 30 })
    for (const id of ids.slice(10, 20)) t.equal((await leave(id)).status, 204, 'ten are left after three ways each')
    t.equal((await leave(ids[20]!)).status, 429)
    app.clock.advance({ minutes: 29 })
    t.equal((await leave(ids[20]!)).status, 429, 'not before the hour is over')
    app.clock.advance({ minutes: 3 })
    const later = await inParallel(ids.slice(20, 40), 8, leave)
    t.same(statusesOf(later), { 204: 10, 429: 10 }, 'those of the first minute have left the hour')
    app.clock.advance({ hours: 3 })
    t.same(statusesOf(await inParallel(ids.slice(30, 50), 8, leave)), { 204: 20 })
  })

  t.test('a change of a group counts everybody who leaves it, and is held whole', async (t) => {
    const { ids, scim } = await setUp(app, 'groups', 60)
    const members = (of: readonly string[]) => of.map((value) => ({ value }))
    const make = async (displayName: string, of: readonly string[]) =>
      (await scim.post('/Groups', { displayName, members: members(of) })).body.id as string
    const team = await make('Team', ids.slice(0, 15))
    const big = await make('Big', ids.slice(15, 45))
    const whole = await make('Whole', [big])
    const countIn = async (id: string) => (await scim.get(`/Groups/${id}`)).body.members?.length ?? 0

    t.equal((await scim.delete(`/Groups/${big}`)).status, 429, 'a group of thirty')
    t.equal((await scim.put(`/Groups/${big}`, { displayName: 'Renamed', members: [] })).status, 429)
    t.equal((await scim.patch(`/Groups/${big}`, [{ op: 'Replace', path: 'members', value: [] }])).status, 429)
    t.equal((await scim.patch(`/Groups/${whole}`, [{ op: 'Remove', path: 'members' }])).status, 429, 'and through it')
    t.equal((await scim.get(`/Groups/${big}`)).body.displayName, 'Big')
    t.same([await countIn(big), await countIn(whole)], [30, 1])

    const swap = [
      { op: 'Remove', path: 'members' },
      { op: 'Add', path: 'members', value: members(ids.slice(0, 15)) }
    ]
    t.equal((await scim.patch(`/Groups/${team}`, swap)).status, 204, 'who is put back has lost nothing')
    t.equal((await scim.delete(`/Groups/${team}`)).status, 204, 'fifteen may go')
    t.equal(
      (await scim.patch(`/Groups/${big}`, [{ op: 'Replace', path: 'members', value: members(ids.slice(20, 45)) }]))
        .status,
      204
    )
    t.equal(await countIn(big), 25, 'and five more')
    t.equal(
      (await scim.patch(`/Groups/${big}`, [{ op: 'Remove', path: `members[value eq "${ids[30]}"]` }])).status,
      429,
      'and nobody else'
    )
    for (const id of ids.slice(0, 20)) t.equal((await deactivate(scim, id)).status, 200, 'those who are counted')
  })

  t.test('each operation of a bulk request is held by itself', async (t) => {
    const { tenant, ids, scim } = await setUp(app, 'bulk', 30)
    const Operations = ids.slice(0, 25).map((id) => ({ method: 'DELETE', path: `/Users/${id}` }))
    const { body } = await scim.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: [...Operations, { method: 'POST', path: '/Users', bulkId: 'x', data: { userName: 'new' } }]
    })
    const statuses = body.Operations.map(({ status }: { status: string }) => status)
    t.same(statuses, [...Array(20).fill('204'), ...Array(5).fill('429'), '201'])
    t.match(body.Operations[24].response.detail, /^Held by the brake/)
    t.equal((await heldRows(app, tenant)).length, 5)
  })

  t.test('the connection’s settings apply before those of the tenant', async (t) => {
    const { tenant, ids, scim, connectionId } = await setUp(app, 'settings', 60)
    const set = async (brake: object | null) => {
      const answer = await app.mutate('settings', 'settings.update', { brake }, OPERATOR)
      t.equal(answer.status, 200)
    }
    const setOwn = (brake: object) =>
      app.mutate('settings', 'scimConnections.update', { connectionId, brake }, OPERATOR)
    await set({ people: 5 })
    t.same(statusesOf(await inParallel(ids.slice(0, 10), 5, (id) => deactivate(scim, id))), { 200: 6, 429: 4 }, '61')
    await setOwn({ percent: 20 })
    const more = await inParallel(ids.slice(10, 30), 5, (id) => deactivate(scim, id))
    t.same(statusesOf(more), { 200: 6, 429: 14 }, 'a fifth of the same base')
    await setOwn({ off: true })
    t.same(statusesOf(await inParallel(ids.slice(30, 60), 5, (id) => deactivate(scim, id))), { 200: 30 })
    await set(null)
    await setOwn({})
    t.equal((await countStates(app, tenant))['active'], 61 - 42)
  })

  t.test('only identity providers are braked, each separately', async (t) => {
    const { tenant, ids, scim } = await setUp(app, 'others', 60)
    t.same(statusesOf(await inParallel(ids.slice(0, 21), 3, (id) => deactivate(scim, id))), { 200: 20, 429: 1 })
    const okta = await scimClient(app, tenant, { name: 'Okta' })
    t.same(statusesOf(await inParallel(ids.slice(21, 42), 3, (id) => deactivate(okta, id))), { 200: 20, 429: 1 })
    for (const userId of ids.slice(42)) {
      t.equal((await app.mutate('others', 'users.deactivate', { userId }, OPERATOR)).status, 200)
    }
  })
})

test('a large tenant lets exactly the permitted number go', async (t) => {
  const app = await startApp(t)
  const twin = await startApp(t, { database: app })
  const { tenant, ids, scim } = await setUp(app, 'large', 7_999)
  const other = clientOf(twin, tenant, scim.token)
  // the count has 64 slots: 800 permits for 900 people, who leave over sixteen connections at the same time
  const group = (
    await scim.post('/Groups', { displayName: 'All', members: ids.slice(0, 900).map((value) => ({ value })) })
  ).body
  const replies = await inParallel(ids.slice(0, 900), 16, (id, index) =>
    (index % 2 ? scim : other).patch(`/Groups/${group.id}`, [{ op: 'Remove', path: 'members', value: [{ value: id }] }])
  )
  t.same(statusesOf(replies), { 204: 800, 429: 100 }, 'exactly the threshold')
  t.equal((await scim.get(`/Groups/${group.id}`)).body.members.length, 100)
  const { rows } = await sql<{ slots: number; given: number }>`
    select count(*)::int as slots, sum(given)::int as given from brake_slots`.execute(app.owner)
  t.match(rows, [{ slots: 64, given: 800 }])
  await spreads(t, app)
})

/** Permits of a past hour are given again, only once. */
async function spreads(t: Test, app: TestApp) {
  app.clock.advance({ hours: 2 })
  const { tenant, ids, scim } = await setUp(app, 'later', 30)
  t.same(statusesOf(await inParallel(ids, 8, (id) => deactivate(scim, id))), { 200: 20, 429: 10 })
  t.equal((await countStates(app, tenant))['active'], 11)
}
