// scimConnections.*: identity providers as administrators see and change them, and what remains of a removed one.
import { sql } from 'kysely'
import { test } from 'tap'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { clientOf } from '../support/scim.ts'
import { insertTenant } from '../support/tenants.ts'

test('scimConnections', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  const tenant = { id: tenantId, subdomain: 'acme' }
  const [adaId, benId] = (await insertPeople(app.owner, tenantId, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'ben@acme.test', role: 'manager' }
  ])) as [string, string]
  const ada = { cookie: await signInAs(app.owner, tenantId, adaId) }
  const ben = { cookie: await signInAs(app.owner, tenantId, benId) }
  const makeToken = async (input: object) => {
    const { data } = await app.mutate('acme', 'scimTokens.create', input, ada)
    return { scim: clientOf(app, tenant, data.token), ...data.scimToken } as {
      scim: ReturnType<typeof clientOf>
      id: string
      connectionId: string
    }
  }
  const get = async (connectionId: string) =>
    (await app.query('acme', 'scimConnections.get', { connectionId }, ada)).data?.connection
  const update = (connectionId: string, patch: object) =>
    app.mutate('acme', 'scimConnections.update', { connectionId, ...patch }, ada)

  t.test('shows each connection’s tokens, their last use and what was refused', async (t) => {
    const okta = await makeToken({ name: 'Okta', profile: 'okta' })
    await app.mutate('acme', 'scimTokens.rotate', { scimTokenId: okta.id, overlapHours: 0 }, ada)
    const entra = await makeToken({ name: 'Entra', profile: 'entra' })
    t.equal((await entra.scim.post('/Users', { userName: 'x' })).status, 201)
    t.equal((await entra.scim.get('/Users?filter=nonsense')).status, 400)
    let items: Record<string, unknown>[] = []
    for (let isCounted = false; !isCounted; ) {
      items = (await app.query('acme', 'scimConnections.list', {}, ada)).data.items
      isCounted = items[0]!.errors !== null && items[0]!.lastUsedAt !== null
    }
    t.match(items, [
      { name: 'Entra', profile: 'entra', tokens: { total: 1, live: 1 }, errors: { count: 1, last: { status: 400 } } },
      { name: 'Okta', highestRole: 'responder', tokens: { total: 2, live: 1 }, errors: null, lastUsedAt: null }
    ])
    t.match(await get(entra.connectionId), { name: 'Entra', users: 1, groups: 0 })
    const first = await app.query('acme', 'scimConnections.list', { limit: 1 }, ada)
    const second = await app.query('acme', 'scimConnections.list', { limit: 1, cursor: first.data.nextCursor }, ada)
    t.match([first.data.items, second.data.items], [[{ name: 'Entra' }], [{ name: 'Okta' }]])
    t.equal(second.data.nextCursor, null)
  })

  t.test('applies a change to the connection’s tokens at once', async (t) => {
    const { scim, connectionId } = await makeToken({ name: 'Google', profile: 'google' })
    const manager = { userName: 'm', roles: [{ value: 'manager' }] }
    t.equal((await scim.post('/Users', manager)).status, 403)
    const { data } = await update(connectionId, { name: 'Workspace', highestRole: 'manager', brake: { percent: 50 } })
    t.match(data.connection, { name: 'Workspace', highestRole: 'manager', profile: 'google', brake: { percent: 50 } })
    t.equal((await scim.post('/Users', manager)).status, 201)
    await update(connectionId, {})
    const events = (await app.query('acme', 'audit.list', { filter: { targetId: connectionId } }, ada)).data.items
    t.match(events, [
      {
        action: 'scimConnection.updated',
        targetName: 'Google',
        before: { name: 'Google', highestRole: 'responder' },
        after: { name: 'Workspace', highestRole: 'manager', brake: { percent: 50 } }
      }
    ])
    t.equal(events.length, 1, 'a change that changes nothing is none')
    const again = await makeToken({ name: 'Workspace', profile: 'google', highestRole: 'manager' })
    t.equal(again.connectionId, connectionId, 'a token with what it has become joins it')
  })

  t.test('allows a name once, in any letter case, also if two give it at the same moment', async (t) => {
    const [one, other] = await Promise.all([makeToken({ name: 'One' }), makeToken({ name: 'Other' })])
    t.match((await update(one.connectionId, { name: 'OTHER' })).error, { reason: 'connectionNameTaken' })
    t.match((await update(other.connectionId, { name: 'OTHER' })).error, undefined, 'its own name is free')
    const answers = await Promise.all([one, other].map(({ connectionId }) => update(connectionId, { name: 'Both' })))
    t.same(answers.map(({ status }) => status).sort(), [200, 409])
    const made = await Promise.all([1, 2, 3].map(() => makeToken({ name: 'Thrice' })))
    t.equal(new Set(made.map(({ connectionId }) => connectionId)).size, 1, 'tokens made at once join one connection')
  })

  t.test('ends a removed connection’s tokens and keeps its people and groups', async (t) => {
    const { scim, connectionId } = await makeToken({ name: 'Leaving' })
    const user = await scim.createUser({ userName: 'stays@acme.test', externalId: '7' })
    const group = (await scim.post('/Groups', { displayName: 'Stays', members: [{ value: user.id }] })).body
    t.match(await get(connectionId), { users: 1, groups: 1 })
    const removed = await app.mutate('acme', 'scimConnections.remove', { connectionId }, ada)
    t.same(removed.data, { released: { users: 1, groups: 1 } })
    t.equal((await scim.get('/Users')).status, 401)
    t.equal(await get(connectionId), undefined)
    t.equal((await app.mutate('acme', 'scimConnections.remove', { connectionId }, ada)).error?.reason, 'notFound')
    const shown = (await app.query('acme', 'users.get', { userId: user.id }, ada)).data.user
    t.match(shown, { state: 'active', source: 'invitation', sourceName: null })
    for (const [procedure, input] of [
      ['users.update', { userId: user.id, displayName: 'Own' }],
      ['groups.update', { groupId: group.id, displayName: 'Stays here' }],
      ['groups.removeMembers', { groupId: group.id, userIds: [user.id] }],
      ['groups.addMembers', { groupId: group.id, userIds: [user.id] }]
    ] as const) {
      t.notOk((await app.mutate('acme', procedure, input, ada)).error, `${procedure}: they are ordinary ones`)
    }

    const next = await makeToken({ name: 'Next' })
    t.not(next.connectionId, connectionId)
    const replaced = await next.scim.put(`/Users/${user.id}`, { userName: 'stays@acme.test', externalId: '8' })
    t.equal(replaced.status, 200)
    t.match(await get(next.connectionId), { users: 1 }, 'the next provider takes them on')
    t.equal((await next.scim.get(`/Groups/${group.id}`)).body.members.length, 1)
  })

  t.test('keeps what a removed connection managed read-only, if asked to, until it is released', async (t) => {
    const other = await makeToken({ name: 'Other IdP' })
    const { scim, connectionId } = await makeToken({ name: 'Kept' })
    const user = await scim.createUser({ userName: 'kept@acme.test', externalId: 'k', displayName: 'Kept' })
    const next = await scim.createUser({ userName: 'next@acme.test', externalId: 'n', displayName: 'Kept' })
    const shared = await other.scim.createUser({ userName: 'shared@acme.test', externalId: 's' })
    await scim.patch(`/Users/${shared.id}`, [{ op: 'add', path: 'displayName', value: 'Kept' }])
    const members = [{ value: user.id }]
    const groupId = (await scim.post('/Groups', { displayName: 'Kept', externalId: 'g', members })).body.id
    const second = (await scim.post('/Groups', { displayName: 'Kept, too' })).body.id
    t.match(await get(connectionId), { users: 2, groups: 2, memberships: 1 })
    const call = (procedure: string, input: object) => app.mutate('acme', procedure, input, ada)
    const kept = await call('scimConnections.remove', { connectionId, afterwards: 'keep' })
    t.same(kept.data, { released: { users: 2, groups: 2 } })
    const removed = async () => (await app.query('acme', 'scimConnections.removed', {}, ada)).data.items
    t.match(await removed(), [
      { id: connectionId, name: 'Kept', users: 2, groups: 2, memberships: 1, removedAt: String }
    ])

    const changes = [
      ['users.update', { userId: user.id, displayName: 'Own' }],
      ['users.update', { userId: shared.id, displayName: 'Own' }],
      ['groups.update', { groupId, displayName: 'Own' }],
      ['groups.removeMembers', { groupId, userIds: [user.id] }]
    ] as const
    for (const [procedure, input] of changes) {
      t.match(
        (await call(procedure, input)).error,
        {
          reason: 'managedByConnection',
          message: /Kept, which was removed/,
          connection: { id: connectionId, isRemoved: true }
        },
        procedure
      )
    }
    const owner = { kind: 'connection', id: connectionId, name: 'Kept', isRemoved: true }
    const { authority, groups } = (await app.query('acme', 'users.get', { userId: user.id }, ada)).data
    t.match([authority.displayName, groups[0].authority], [owner, owner])
    t.match((await app.query('acme', 'groups.get', { groupId }, ada)).data.group.authority, owner)
    t.notOk((await call('users.update', { userId: user.id, timeZone: 'Europe/Rome' })).error, 'it had never sent it')
    const [event] = (await app.query('acme', 'history.user', { userId: next.id, limit: 1 }, ada)).data.items
    t.match(event, { action: 'user.released', before: { connectionId }, after: { authority: { '*': connectionId } } })
    const undone = await call('history.undo', { eventId: event.id })
    t.match(undone.data.items, [{ id: next.id, changes: EMPTY, conflicts: [{ reason: 'connectionRemoved' }] }])

    const whole = { userName: 'next@acme.test', externalId: 'next', displayName: 'Next' }
    t.equal((await other.scim.put(`/Users/${next.id}`, whole)).status, 200)
    t.match(await removed(), [{ users: 1 }], 'another connection takes on whom it gives an externalId')
    t.match((await call('users.update', { userId: next.id, displayName: 'Own' })).error, {
      connection: { name: 'Other IdP' }
    })

    await other.scim.patch(`/Groups/${second}`, [{ op: 'add', path: 'externalId', value: 'theirs' }])
    t.match((await app.query('acme', 'groups.get', { groupId: second }, ada)).data.group, { sourceName: 'Other IdP' })
    t.match(await removed(), [{ groups: 1 }], 'and a group')

    const release = await call('scimConnections.release', { connectionId })
    t.same(release.data, { released: { users: 1, groups: 1 } })
    for (const [procedure, input] of changes) t.notOk((await call(procedure, input)).error, procedure)
    t.same(await removed(), [])
    t.equal((await call('scimConnections.release', { connectionId })).error?.reason, 'notFound')
    const ofGroup = (await app.query('acme', 'history.group', { groupId }, ada)).data.items
    t.match(
      ofGroup.filter(({ action }: { action: string }) => action === 'group.released'),
      [{ before: { keptBy: connectionId } }, { before: { connectionId }, after: { keptBy: connectionId } }]
    )
    const [last, before] = (await app.query('acme', 'history.user', { userId: user.id }, ada)).data.items.filter(
      ({ action }: { action: string }) => action === 'user.released'
    )
    t.match(last, { before: { authority: { '*': connectionId, timezone: 'administrator' } } })
    t.same(last.after, {})
    t.match(before, { before: { connectionId } })
  })

  t.test('loses nothing of what another connection writes during a removal', async (t) => {
    const other = await makeToken({ name: 'Writes on' })
    const { scim, connectionId } = await makeToken({ name: 'Goes' })
    const users = await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        scim.createUser({
          userName: `race${index}@acme.test`,
          displayName: 'Sent',
          title: 'Sent'
        })
      )
    )
    const [removed, ...written] = await Promise.all([
      app.mutate('acme', 'scimConnections.remove', { connectionId, afterwards: 'keep' }, ada),
      ...users.map(({ id }) => other.scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'Written' }]))
    ])
    t.same(removed.data, { released: { users: users.length, groups: 0 } })
    t.same([...new Set(written.map(({ status }) => status))], [200])
    const rows = await app.owner
      .selectFrom('users')
      .select(['connection_id', 'authority', 'doc'])
      .where('user_name_key', 'like', 'race%')
      .execute()
    for (const { connection_id, authority, doc } of rows) {
      t.equal(connection_id, null)
      t.same(JSON.parse(authority), { '*': connectionId, title: other.connectionId })
      t.match(JSON.parse(doc), { title: 'Written' })
    }
  })

  t.test('releases or keeps at clean-up what a request under way has given to a removed connection', async (t) => {
    for (const afterwards of ['release', 'keep'] as const) {
      const { scim, connectionId } = await makeToken({ name: `Late ${afterwards}` })
      const user = await scim.createUser({ userName: `late-${afterwards}@acme.test`, displayName: 'Sent' })
      const members = [{ value: user.id }]
      const group = (await scim.post('/Groups', { displayName: `Late ${afterwards}`, members })).body
      await app.mutate('acme', 'scimConnections.remove', { connectionId, afterwards }, ada)
      // as if such a request had committed now
      for (const [table, id, column] of [
        ['users', user.id, 'id'],
        ['groups', group.id, 'id'],
        ['group_members', group.id, 'group_id']
      ] as const) {
        await sql`update ${sql.table(table)} set connection_id = ${connectionId} where ${sql.ref(column)} = ${id}`.execute(
          app.owner
        )
      }
      t.equal(await cleanUp(app.deps, new AbortController().signal), 2)
      t.equal(await cleanUp(app.deps, new AbortController().signal), 0)
      const changes = [
        ['users.update', { userId: user.id, displayName: 'Own' }],
        ['groups.update', { groupId: group.id, displayName: `Own ${afterwards}` }],
        ['groups.removeMembers', { groupId: group.id, userIds: [user.id] }]
      ] as const
      for (const [procedure, input] of changes) {
        const { error } = await app.mutate('acme', procedure, input, ada)
        t.equal(error?.reason, afterwards === 'keep' ? 'managedByConnection' : undefined, `${procedure} ${afterwards}`)
      }
      const [event] = (await app.query('acme', 'history.user', { userId: user.id }, ada)).data.items.filter(
        ({ action }: { action: string }) => action === 'user.released'
      )
      t.match(event, { actorKind: 'system', before: { connectionId } })
      if (afterwards === 'keep') await app.mutate('acme', 'scimConnections.release', { connectionId }, ada)
    }
  })

  t.test('is for administrators only', async (t) => {
    const { connectionId } = await makeToken({ name: 'Closed' })
    for (const [kind, procedure, input] of [
      ['query', 'list', {}],
      ['query', 'get', { connectionId }],
      ['mutate', 'update', { connectionId, name: 'Mine' }],
      ['mutate', 'remove', { connectionId }],
      ['query', 'removed', {}],
      ['mutate', 'release', { connectionId }]
    ] as const) {
      const answer = await app[kind]('acme', `scimConnections.${procedure}`, input, ben)
      t.equal(answer.error?.reason, 'administratorOnly', procedure)
    }
    await insertTenant(app.owner, 'globex')
    const elsewhere = await app.query(
      'globex',
      'scimConnections.get',
      { connectionId },
      { token: app.deps.operatorToken }
    )
    t.equal(elsewhere.error?.reason, 'notFound', 'another tenant’s is not there')
  })
})
