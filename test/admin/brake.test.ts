// brake.*: what administrators see of held changes, and what happens when they release or reject them.
import { test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import {
  countStates,
  deactivate,
  heldRows,
  inParallel,
  noticesIn,
  setUp,
  statusesOf
} from '../support/deprovisioning.ts'
import { EMPTY } from '../support/empty.ts'
import { insertPerson, signInAs } from '../support/people.ts'

/** Like `setUp`, with a signed-in administrator and short ways to ask. */
async function setUpSignedIn(app: TestApp, subdomain: string, count: number) {
  const made = await setUp(app, subdomain, count)
  const ada = { cookie: await signInAs(app.owner, made.tenant.id, made.adaId) }
  const { connectionId } = made
  return {
    ...made,
    ada,
    status: async () => (await app.query(subdomain, 'brake.get', { connectionId }, ada)).data.brake,
    held: async (state = 'held') =>
      (await app.query(subdomain, 'brake.held', { connectionId, state, limit: 200 }, ada)).data.items,
    decide: (how: 'release' | 'reject' | 'lift', changeIds?: string[]) =>
      app.mutate(subdomain, `brake.${how}`, { connectionId, changeIds }, ada),
    holding: async () => (await app.query(subdomain, 'brake.holding', undefined, ada)).data.connections
  }
}

test('brake', async (t) => {
  const app = await startApp(t)

  t.test('releases an Entra cycle that removes everyone in one click', async (t) => {
    const { tenant, ids, scim, ada, adaId, connectionId, status, held, decide, holding } = await setUpSignedIn(
      app,
      'release',
      250
    )
    t.match(await status(), {
      limits: { percent: 10, people: 20 },
      base: null,
      counted: 0,
      heldSince: null,
      held: { changes: 0, people: 0 }
    })
    const group = (await scim.post('/Groups', { displayName: 'Staff', members: ids.map((value) => ({ value })) })).body
    t.same(statusesOf(await inParallel(ids.slice(0, 200), 16, (id) => deactivate(scim, id))), { 200: 25, 429: 175 })
    const deletes = await inParallel(ids.slice(0, 200), 16, (id) => scim.delete(`/Users/${id}`))
    t.same(statusesOf(deletes), { 204: 25, 429: 175 })
    t.equal((await scim.delete(`/Groups/${group.id}`)).status, 429)
    t.match(await status(), { base: 251, counted: 25, held: { changes: 351, people: 225 }, rejected: { changes: 0 } })
    t.type((await status()).heldSince, 'string')
    t.match(await holding(), [{ id: connectionId, name: 'Entra' }])
    const [first] = await held()
    t.match(first, {
      kind: 'deactivate',
      user: { name: /^user \d+$/, email: /@acme.test$/ },
      group: null,
      tries: 1
    })
    t.match((await held()).at(-1), { kind: /deactivate|remove/ })

    const released = await decide('release')
    t.match(released.data, { carriedOut: 351, refused: EMPTY })
    t.same(await countStates(app, tenant), { active: 51, removed: 200 })
    t.match(await status(), { heldSince: null, held: { changes: 0 }, releasedUntil: /Z$/ })
    t.same(await holding(), [])
    t.equal((await scim.get(`/Groups/${group.id}`)).status, 404)
    const retried = await inParallel(ids.slice(100, 250), 16, (id) => scim.delete(`/Users/${id}`))
    t.same(statusesOf(retried), { 404: 100, 204: 50 }, 'the rest of the run comes through')
    t.same(await countStates(app, tenant), { active: 1, removed: 250 })
    t.equal((await scim.delete(`/Users/${adaId}`)).status, 403, 'but for the last administrator')
    t.equal((await noticesIn(app, tenant)).length, 1, 'all of it was one mail')

    const events = (await app.query('release', 'audit.list', { filter: { action: 'scimConnection.' } }, ada)).data.items
    t.match(events, [
      { action: 'scimConnection.released', actorId: adaId, after: { carriedOut: 351, refused: 0 } },
      { action: 'scimConnection.held', actorKind: 'scimToken', actorId: connectionId, targetName: 'Entra' }
    ])
    const [removal] = await app.owner
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', ids[199]!)
      .where('action', '=', 'user.removed')
      .execute()
    t.match(removal, { actor_kind: 'user', actor_id: adaId, connection_id: connectionId }, 'by whom, and for whom')
    t.match(JSON.parse(removal!.before!), { state: 'active', email: 'user200@acme.test' })
    t.equal((await app.query('release', 'users.list', { includeTotal: true }, ada)).data.total, 1, 'the counts follow')

    app.clock.advance({ minutes: 62 })
    const more = await Promise.all([1, 2, 3].map((n) => scim.createUser({ userName: `late${n}` })))
    t.same(statusesOf(await inParallel(more, 3, ({ id }) => scim.delete(`/Users/${id}`))), { 204: 3 }, 'a new hour')
  })

  t.test('keeps rejecting changes until the opposite is asked for or the rejection is lifted', async (t) => {
    const { tenant, ids, scim, status, held, decide, holding } = await setUpSignedIn(app, 'reject', 60)
    const group = (await scim.post('/Groups', { displayName: 'Staff', members: ids.map((value) => ({ value })) })).body
    const leave = (value: string) =>
      scim.patch(`/Groups/${group.id}`, [{ op: 'Remove', path: 'members', value: [{ value }] }])
    const join = (value: string) =>
      scim.patch(`/Groups/${group.id}`, [{ op: 'Add', path: 'members', value: [{ value }] }])
    await inParallel(ids.slice(0, 30), 8, (id) => deactivate(scim, id))
    await inParallel(ids.slice(30, 35), 8, leave)
    t.match(await status(), { held: { changes: 15, people: 15 } })
    t.match((await decide('reject')).data, { rejected: 15 })
    t.match(await status(), { held: { changes: 0 }, rejected: { changes: 15 }, heldSince: null })
    t.same(await holding(), [])
    t.equal((await countStates(app, tenant))['active'], 41)

    const rejected = (await held('rejected')) as { kind: string; user: { id: string } }[]
    const person = rejected.find(({ kind }) => kind === 'deactivate')!.user.id
    const member = rejected.find(({ kind }) => kind === 'leave')!.user.id
    const refused = await deactivate(scim, person)
    t.equal(refused.status, 403)
    t.match(refused.body.detail, /^An administrator has rejected this/)
    t.equal((await scim.delete(`/Users/${person}`)).status, 403, 'whichever way they would go')
    t.equal((await leave(member)).status, 403)
    t.equal((await scim.put(`/Groups/${group.id}`, { displayName: 'Staff', members: [] })).status, 403)
    app.clock.advance({ hours: 2 })
    t.equal((await deactivate(scim, person)).status, 403, 'also when there are permits again')
    t.equal((await leave(person)).status, 204, 'but it is no answer to other questions')

    t.equal((await scim.patch(`/Users/${person}`, [{ op: 'Replace', path: 'title', value: 'x' }])).status, 200)
    t.equal((await deactivate(scim, person)).status, 403, 'what says nothing of it lifts nothing')
    t.equal((await scim.patch(`/Users/${person}`, [{ op: 'Replace', path: 'active', value: 'True' }])).status, 200)
    t.equal((await deactivate(scim, person)).status, 200, 'the opposite was asked for')
    t.equal((await join(member)).status, 204)
    t.equal((await leave(member)).status, 204)
    t.match(await status(), { rejected: { changes: 13 } })

    const [other] = (await held('rejected')) as { id: string; user: { id: string } }[]
    t.match((await decide('lift', [other!.id])).data, { lifted: 1 })
    t.match((await decide('lift')).data, { lifted: 12 })
    t.match(await status(), { rejected: { changes: 0 } })
    const again = await inParallel([other!.user.id], 1, (id) => scim.delete(`/Users/${id}`))
    t.same(statusesOf(again), { 204: 1 })
  })

  t.test('lifts nothing if the opposite is asked for and refused', async (t) => {
    const { tenant, ids, scim, held, decide } = await setUpSignedIn(app, 'refused', 60)
    const group = (await scim.post('/Groups', { displayName: 'Staff', members: ids.map((value) => ({ value })) })).body
    await scim.post('/Groups', { displayName: 'Taken' })
    const url = `/Groups/${group.id}`
    const remove = (of: readonly string[]) => ({ op: 'Remove', path: 'members', value: of.map((value) => ({ value })) })
    const add = (...of: string[]) => ({ op: 'Add', path: 'members', value: of.map((value) => ({ value })) })
    await inParallel(ids.slice(0, 20), 8, (id) => deactivate(scim, id))
    const [person, member, waiting] = ids.slice(20) as [string, string, string]
    t.equal((await deactivate(scim, person)).status, 429)
    t.equal((await scim.patch(url, [remove([member])])).status, 429)
    t.match((await decide('reject')).data, { rejected: 2 })
    t.equal((await scim.patch(url, [remove([waiting])])).status, 429)
    const before = await heldRows(app, tenant)

    const stale = { 'if-match': 'W/"99"' }
    const unknown = '01890000-0000-7000-8000-000000000000'
    const on = { op: 'Replace', path: 'active', value: 'True' }
    const rename = (value: string) => ({ op: 'Replace', path: 'userName', value })
    const taken = 'user40@acme.test'
    for (const [what, request, status] of [
      ['another version', () => scim.patch(url, [add(member, waiting)], stale), 412],
      ['somebody unknown', () => scim.patch(url, [add(member, waiting, unknown)]), 400],
      [
        'a name that is taken',
        () => scim.patch(url, [add(member), { op: 'Replace', value: { displayName: 'taken' } }]),
        409
      ],
      ['more than may be taken away', () => scim.patch(url, [add(member), remove(ids.slice(30))]), 429],
      [
        'a whole group of another version',
        () => scim.put(url, { displayName: 'Staff', members: [{ value: member }] }, stale),
        412
      ],
      [
        'a whole group with too few in it',
        () => scim.put(url, { displayName: 'Staff', members: [{ value: member }] }),
        429
      ],
      ['another version of somebody', () => scim.patch(`/Users/${person}`, [on], stale), 412],
      ['a userName that is taken', () => scim.patch(`/Users/${person}`, [on, rename(taken)]), 409],
      ['a whole person with it', () => scim.put(`/Users/${person}`, { userName: taken, active: true }), 409],
      [
        'a role beyond',
        () =>
          scim.patch(`/Users/${person}`, [
            on,
            { op: 'Add', path: 'roles', value: [{ value: 'administrator', primary: true }] }
          ]),
        403
      ]
    ] as const) {
      const answer = await request()
      t.equal(answer.status, status, `${what}: ${answer.text}`)
      const rows = (await heldRows(app, tenant)).filter(({ id }) => before.some((row) => row.id === id))
      t.equal(rows.length, before.length, what)
    }
    t.equal((await deactivate(scim, person)).status, 403)
    t.equal((await scim.patch(url, [remove([member])])).status, 403)

    t.test('lifts a rejection if the opposite is done, with whatever else the request changes', async (t) => {
      const { headers } = await scim.get(url)
      const whole = { displayName: 'Crew', members: ids.map((value) => ({ value })) }
      t.equal((await scim.put(url, whole, { 'if-match': String(headers['etag']) })).status, 200)
      t.same(
        (await held()).filter(({ user }: { user: { id: string } }) => user.id === waiting),
        []
      )
      t.equal((await scim.patch(`/Users/${person}`, [on, rename('renamed@acme.test')])).status, 200)
      t.same(await held('rejected'), [])
      app.clock.advance({ hours: 2 })
      t.equal((await deactivate(scim, person)).status, 200)
      t.equal((await scim.patch(url, [remove([member])])).status, 204)
    })
  })

  t.test('drops a held change when the opposite is asked for, or when it is done later', async (t) => {
    const { tenant, ids, scim, held, status } = await setUpSignedIn(app, 'opposite', 40)
    await inParallel(ids.slice(0, 20), 8, (id) => deactivate(scim, id))
    for (const id of ids.slice(20, 23)) t.equal((await deactivate(scim, id)).status, 429)
    t.equal((await held()).length, 3)
    const put = await scim.put(`/Users/${ids[20]}`, { userName: 'user21@acme.test', active: true })
    t.equal(put.status, 200)
    t.equal((await held()).length, 2)
    app.clock.advance({ minutes: 62 })
    t.equal((await deactivate(scim, ids[21]!)).status, 200)
    t.match(await held(), [{ user: { id: ids[22] } }])
    const { rows } = { rows: await heldRows(app, tenant) }
    t.equal(rows.length, 1)
    await app.mutate('opposite', 'users.deactivate', { userId: ids[22]! }, { token: app.deps.operatorToken })
    t.match(await status(), { held: { changes: 0 } }, 'what has come about otherwise is not shown')
  })

  t.test('decides on single changes, and applies the rules to what it releases', async (t) => {
    const { tenant, ids, scim, ada, adaId, connectionId, held, status, decide } = await setUpSignedIn(app, 'some', 40)
    const raised = await app.mutate(
      'some',
      'scimConnections.update',
      { connectionId, highestRole: 'administrator' },
      ada
    )
    t.equal(raised.status, 200)
    const managerId = await insertPerson(app.owner, tenant.id, { email: 'm@some.test', role: 'manager' })
    await inParallel(ids.slice(0, 20), 8, (id) => deactivate(scim, id))
    for (const id of [ids[20]!, ids[21]!, ids[22]!, adaId, managerId]) t.not((await deactivate(scim, id)).status, 200)
    const changes = (await held()) as { id: string; user: { id: string } }[]
    t.equal(changes.length, 4, 'the last administrator is refused, not held')
    const changeOf = (userId: string) => changes.find(({ user }) => user.id === userId)!.id
    t.match((await decide('release', [changeOf(ids[20]!)])).data, { carriedOut: 1 })
    t.match(await status(), { held: { changes: 3 }, releasedUntil: null })
    t.match((await decide('reject', [changeOf(ids[21]!)])).data, { rejected: 1 })
    t.match((await held()).map(({ user }: { user: { id: string } }) => user.id).sort(), [ids[22], managerId].sort())

    const benId = await insertPerson(app.owner, tenant.id, { email: 'ben@some.test', role: 'administrator' })
    t.equal((await deactivate(scim, adaId)).status, 429, 'now that there is another')
    await app.mutate('some', 'scimConnections.update', { connectionId, highestRole: 'responder' }, ada)
    const released = await decide('release')
    t.equal(released.data.carriedOut, 1)
    t.same(
      released.data.refused.map(({ reason }: { reason: string }) => reason),
      ['roleNotAllowed', 'roleNotAllowed'],
      'nobody whose role is above what the connection may touch by now'
    )
    await app.mutate('some', 'scimConnections.update', { connectionId, highestRole: 'administrator' }, ada)
    const own = await decide('release')
    t.match(own.data, { carriedOut: 1, refused: [{ reason: 'notYourself' }] })
    const ben = { cookie: await signInAs(app.owner, tenant.id, benId) }
    const byBen = await app.mutate('some', 'brake.release', { connectionId }, ben)
    t.match(byBen.data, { carriedOut: 1, refused: EMPTY })
    t.equal((await app.query('some', 'users.list', {}, ada)).status, 401, 'the session ended with the access')
  })

  t.test('waits for no decision while the brake is off, and for none once the changes are done', async (t) => {
    const { ids, scim, ada, connectionId, held, status, holding, decide } = await setUpSignedIn(app, 'off', 40)
    const switchBrake = (off: boolean) => app.mutate('off', 'brake.update', { connectionId, settings: { off } }, ada)
    await inParallel(ids.slice(0, 20), 8, (id) => deactivate(scim, id))
    for (const id of ids.slice(20, 23)) t.equal((await deactivate(scim, id)).status, 429)
    t.match(await holding(), [{ id: connectionId, name: 'Entra' }])
    await switchBrake(true)
    t.same(await holding(), [])
    t.match(await status(), { limits: null, held: { changes: 3 } })
    await switchBrake(false)
    t.match(await holding(), [{ id: connectionId }])
    await switchBrake(true)
    t.equal((await deactivate(scim, ids[20]!)).status, 200, 'the next try comes through')
    t.equal((await held()).length, 2, 'and nothing of what has not come about is forgotten')
    t.match((await decide('release')).data, { carriedOut: 2, refused: EMPTY })
    await switchBrake(false)
    t.same(await holding(), [])
  })

  t.test('waits for no decision on changes that were done in another way', async (t) => {
    const { ids, scim, holding } = await setUpSignedIn(app, 'otherwise', 30)
    await inParallel(ids.slice(0, 21), 8, (id) => deactivate(scim, id))
    t.equal((await holding()).length, 1)
    for (const userId of ids.slice(0, 21))
      await app.mutate('otherwise', 'users.deactivate', { userId }, { token: app.deps.operatorToken })
    t.same(await holding(), [])
  })

  t.test('releases once if two administrators release at the same time', async (t) => {
    const { tenant, ids, scim, decide } = await setUpSignedIn(app, 'twice', 60)
    await inParallel(ids, 8, (id) => scim.delete(`/Users/${id}`))
    const answers = await Promise.all([decide('release'), decide('release')])
    t.same(
      answers.map(({ status }) => status),
      [200, 200]
    )
    t.same(await countStates(app, tenant), { active: 1, removed: 60 })
    const events = await app.owner
      .selectFrom('audit_events')
      .select('id')
      .where('tenant_id', '=', tenant.id)
      .where('action', '=', 'user.removed')
      .execute()
    t.equal(events.length, 60)
  })

  t.test('has settings for a connection and for all, and is for administrators only', async (t) => {
    const { tenant, connectionId, ada, status } = await setUpSignedIn(app, 'set', 30)
    const update = (input: object, caller: object = ada) => app.mutate('set', 'brake.update', input, caller)
    await update({ settings: { people: 30 } })
    await update({ connectionId, settings: { percent: 25 } })
    t.match(await status(), {
      limits: { percent: 25, people: 30 },
      settings: { percent: 25 },
      tenantSettings: { people: 30 }
    })
    await update({ connectionId, settings: { off: true } })
    t.equal((await status()).limits, null)
    t.equal((await update({ settings: { percent: 101 } })).status, 400)
    const benId = await insertPerson(app.owner, tenant.id, { email: 'ben@set.test', role: 'manager' })
    const ben = { cookie: await signInAs(app.owner, tenant.id, benId) }
    for (const procedure of ['release', 'reject', 'lift']) {
      t.equal((await app.mutate('set', `brake.${procedure}`, { connectionId }, ben)).error?.reason, 'administratorOnly')
    }
    for (const procedure of ['get', 'held']) {
      t.equal((await app.query('set', `brake.${procedure}`, { connectionId }, ben)).error?.reason, 'administratorOnly')
    }
    t.equal((await app.query('set', 'brake.holding', undefined, ben)).error?.reason, 'administratorOnly')
    t.equal((await update({ settings: {} }, ben)).error?.reason, 'administratorOnly')
    const unknown = '01890000-0000-7000-8000-000000000000'
    t.equal((await app.mutate('set', 'brake.release', { connectionId: unknown }, ada)).error?.reason, 'notFound')
  })
})
