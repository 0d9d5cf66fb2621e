// Undo through the real API: a bad synchronization and its end, conflicts, and who may.
import { sql } from 'kysely'
import { test } from 'tap'
import type { TestApp } from '../support/app.ts'
import { GROUP, openHistory } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { type Scim, USER } from '../support/scim.ts'
import { countStatements } from '../support/statements.ts'

const createUsers = async (scim: Scim, count: number, prefix: string): Promise<string[]> => {
  const operations = Array.from({ length: count }, (_, index) => ({
    method: 'POST',
    path: '/Users',
    bulkId: `u${index}`,
    data: {
      schemas: [USER],
      userName: `${prefix}${index}@acme.test`,
      title: 'Engineer',
      externalId: `${prefix}${index}`
    }
  }))
  const { body } = await scim.post('/Bulk', {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
    Operations: operations
  })
  return body.Operations.map(({ location }: { location: string }) => location.split('/').at(-1))
}

const createGroup = async (scim: Scim, displayName: string, members: string[]): Promise<string> => {
  const { body } = await scim.post('/Groups', {
    schemas: [GROUP],
    displayName,
    externalId: displayName,
    members: members.map((value) => ({ value }))
  })
  return body.id
}

const aWhile = (app: TestApp) => app.clock.advance({ minutes: 1 })

test('a bad synchronization', async (t) => {
  const acme = await openHistory(t)
  const okta = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  const userIds = await createUsers(okta.scim, 500, 'person')
  const groupIds = [
    await createGroup(okta.scim, 'One', userIds),
    await createGroup(okta.scim, 'Two', userIds),
    await createGroup(entra.scim, 'Three', userIds.slice(0, 250))
  ]
  await acme.mutate('groups.addMembers', { groupId: groupIds[2], userIds: userIds.slice(250) })
  aWhile(acme.app)
  const before = await acme.snapshot()
  const since = acme.app.clock.now().toISOString()
  await okta.scim.patch(`/Groups/${groupIds[0]}`, [{ op: 'remove', path: 'members' }])
  await okta.scim.put(`/Groups/${groupIds[1]}`, {
    schemas: [GROUP],
    displayName: 'Two',
    externalId: 'Two',
    members: []
  })
  for (let start = 0; start < 500; start += 100) {
    await okta.scim.patch(
      `/Groups/${groupIds[2]}`,
      userIds.slice(start, start + 100).map((id) => ({ op: 'remove', path: `members[value eq "${id}"]` }))
    )
  }
  for (const id of userIds.slice(0, 50))
    await okta.scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
  const emptied = await acme.snapshot()
  const scope = { connectionId: okta.connectionId, since }

  t.test('is previewed in full, and changes nothing by that', async (t) => {
    const { data, error } = await acme.query('history.preview', scope)
    t.notOk(error)
    const counts = { users: 50, groups: 0, memberships: 1_500, refused: 0 }
    t.match(data, { undoId: null, counts, isComplete: false }, 'there is no undo to be undone')
    t.same(await acme.snapshot(), emptied)
  })

  t.test('is undone exactly: every membership with the authority that it had', async (t) => {
    const { data, error } = await acme.mutate('history.undo', scope)
    t.notOk(error)
    t.match(data.counts, { users: 50, memberships: 1_500, refused: 0 })
    t.same(await acme.snapshot(), before)

    t.test('and the undo is undone, and that again', async (t) => {
      const undone = await acme.mutate('history.undo', { eventId: data.undoId })
      t.match(undone.data.counts, { users: 50, memberships: 1_500, refused: 0 })
      t.same(await acme.snapshot(), emptied)
      await acme.mutate('history.undo', { eventId: undone.data.undoId })
      t.same(await acme.snapshot(), before)
    })
  })

  t.test('twice changes nothing more', async (t) => {
    const { data } = await acme.mutate('history.undo', scope)
    t.match(data, { undoId: null, counts: { users: 0, memberships: 0, refused: 0 } })
  })
})

test('counts', async (t) => {
  const acme = await openHistory(t)
  const { scim } = await acme.connect('Okta')
  const [first, second] = (await createUsers(scim, 2, 'person')) as [string, string]
  const groupId = await createGroup(scim, 'Crew', [first, second])
  aWhile(acme.app)
  const undoing = async (scope: object) => {
    const { data: preview } = await acme.query('history.preview', scope)
    const { data } = await acme.mutate('history.undo', scope)
    t.same(preview, { ...data, undoId: null }, 'as the preview said')
    aWhile(acme.app)
    return data
  }
  const latest = async (procedure: string, of: object) =>
    (await acme.query(procedure, { ...of, limit: 1 })).data.items[0].id

  t.test('an undo of an undo tells of memberships that go with a group', async (t) => {
    await scim.delete(`/Groups/${groupId}`)
    const back = await undoing({ eventId: await latest('history.group', { groupId }) })
    t.match(back.counts, { events: 1, groups: 1, memberships: 2 })
    const gone = await undoing({ eventId: back.undoId })
    t.match(gone.counts, { groups: 1, memberships: 2 })
    const memberships = gone.items.filter(({ kind }: { kind: string }) => kind === 'membership')
    t.same(memberships.map(({ name }: { name: string }) => name).sort(), ['person0@acme.test', 'person1@acme.test'])
    for (const membership of memberships) {
      t.match(membership, {
        group: { id: groupId, name: 'Crew' },
        changes: [{ attribute: 'membership', from: true, to: false }]
      })
    }
    t.match((await undoing({ eventId: gone.undoId })).counts, { groups: 1, memberships: 2 })
  })

  t.test('and of those that go with a user', async (t) => {
    await scim.delete(`/Users/${first}`)
    const back = await undoing({ eventId: await latest('history.user', { userId: first }) })
    t.match(back.counts, { events: 1, users: 1, memberships: 1 })
    t.match((await undoing({ eventId: back.undoId })).counts, { users: 1, memberships: 1 })
  })

  t.test('of a user or a group to a moment include changes that are told of the other', async (t) => {
    const at = acme.app.clock.now().toISOString()
    await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${second}"]` }])
    const { counts } = await undoing({ userId: second, at })
    t.same(counts, { events: 1, users: 0, groups: 0, memberships: 1, refused: 0 })
  })
})

test('what was never there has no history', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const groupId = await createGroup(scim, 'Crew', [])
  const [nobody, since] = ['01890000-0000-7000-8000-000000000000', '2020-01-01T00:00:00Z']
  for (const [procedure, input] of [
    ['user', { userId: nobody }],
    ['group', { groupId: nobody }],
    ['connection', { connectionId: nobody }],
    ['preview', { userId: nobody, at: since }],
    ['preview', { groupId: nobody, at: since }],
    ['preview', { connectionId: nobody, since }]
  ] as const) {
    const { error } = await acme.query(`history.${procedure}`, input)
    t.match(error, { reason: 'notFound', message: `${nobody} not found` }, `${procedure} ${Object.keys(input)}`)
  }
  t.match((await acme.mutate('history.undo', { connectionId: nobody, since })).error, { reason: 'notFound' })
  t.match((await acme.query('brake.held', { connectionId: nobody })).error, { reason: 'notFound' })
  const quiet = { since: '2100-01-01T00:00:00Z' }
  t.same((await acme.query('history.user', { userId: acme.adaId, ...quiet })).data?.items, [], 'nothing is no error')
  await scim.delete(`/Groups/${groupId}`)
  await acme.mutate('scimConnections.remove', { connectionId })
  t.same((await acme.query('history.group', { groupId, ...quiet })).data?.items, [], 'nor is what is gone')
  t.same((await acme.query('history.connection', { connectionId, ...quiet })).data?.items, [])
})

test('an undo takes as many statements for one as for many', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const userIds = await createUsers(scim, 120, 'person')
  const groupId = await createGroup(scim, 'Crew', userIds)
  const undoing = async (count: number): Promise<number> => {
    aWhile(acme.app)
    const since = acme.app.clock.now().toISOString()
    for (const id of userIds.slice(0, count)) {
      await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
      await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${id}"]` }])
    }
    return countStatements(async () => {
      const { data } = await acme.mutate('history.undo', { connectionId, since })
      t.match(data.counts, { users: count, memberships: count, refused: 0 })
    })
  }
  const few = await undoing(2)
  t.equal(await undoing(60), few)
})

test('what others did since is refused, item by item', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  const [first, second, third, fourth] = (await createUsers(scim, 4, 'person')) as [string, string, string, string]
  const groupId = await createGroup(scim, 'Crew', [first, second, third])
  const since = () => {
    aWhile(acme.app)
    return acme.app.clock.now().toISOString()
  }
  const retitle = (id: string, title: string) =>
    scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: title }])
  const rowOf = (id: string) =>
    acme.app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

  t.test('a later change of the same attribute stays, the others are undone', async (t) => {
    const from = since()
    await scim.patch(`/Users/${first}`, [
      { op: 'replace', path: 'title', value: 'Boss' },
      { op: 'replace', path: 'displayName', value: 'Okta’s name' }
    ])
    await entra.scim.patch(`/Users/${first}`, [{ op: 'replace', path: 'displayName', value: 'Entra’s name' }])
    const { data } = await acme.mutate('history.undo', { connectionId, since: from })
    t.match(data.counts, { users: 1, refused: 1 })
    t.match(data.items[0].conflicts, [
      { attribute: 'displayName', reason: 'changedSince', by: { name: 'Entra' }, detail: /later/ }
    ])
    t.match(data.items[0].changes, [{ attribute: 'title', from: 'Boss', to: 'Engineer' }])
    t.match(JSON.parse((await rowOf(first)).doc), { title: 'Engineer', displayName: 'Entra’s name' })
  })

  t.test('what is already as it was is no conflict', async (t) => {
    const from = since()
    await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${second}"]` }])
    await acme.mutate('groups.addMembers', { groupId, userIds: [second] })
    const { data } = await acme.mutate('history.undo', { connectionId, since: from })
    t.match(data, { undoId: null, counts: { memberships: 0, refused: 0 } })
  })

  t.test('a userName that somebody has taken, and an address of another tenant’s, keep the person away', async (t) => {
    const from = since()
    await scim.delete(`/Users/${third}`)
    await scim.delete(`/Users/${fourth}`)
    await scim.createUser({ userName: 'person2@acme.test', emails: [{ value: 'new@acme.test' }] })
    const globex = await openHistory(t, 'globex', acme.app)
    await globex.mutate('invitations.create', { invites: [{ email: 'person3@acme.test' }] })
    const removal = await acme.query('history.user', { userId: third, limit: 1 })
    const { data } = await acme.mutate('history.undo', { eventId: removal.data.items[0].id })
    t.match(data.items[0], { kind: 'user', id: third, changes: [], conflicts: [{ reason: 'userNameTaken' }] })
    t.match(data.items[1], { kind: 'membership', id: third, conflicts: [{ reason: 'userRemoved', wanted: true }] })
    const whole = await acme.query('history.preview', { userId: fourth, at: from })
    t.match(whole.data.items, [{ id: fourth, conflicts: [{ reason: 'addressTaken' }] }])
    t.match(await rowOf(third), { state: 'removed' })
  })

  t.test('a group’s name that another has taken', async (t) => {
    const gone = await createGroup(scim, 'Night shift', [first])
    await scim.delete(`/Groups/${gone}`)
    await acme.mutate('groups.create', { displayName: 'night SHIFT' })
    const { data } = await acme.query('history.group', { groupId: gone })
    t.equal(data.items[0].action, 'group.removed')
    const undone = await acme.mutate('history.undo', { eventId: data.items[0].id })
    t.match(undone.data.items[0].conflicts, [{ reason: 'groupNameTaken' }])
    t.match(undone.data.items[1].conflicts, [{ reason: 'groupRemoved' }])
  })

  t.test('events that changed nobody are refused, and so is whoever is no administrator', async (t) => {
    const events = await acme.query('audit.list', { filter: { action: 'scimToken.created' } })
    const [made] = events.data.items
    t.match((await acme.mutate('history.undo', { eventId: made.id })).error, { reason: 'notUndoable' })
    const nobody = '0190cafe-0000-7000-8000-000000000000'
    t.match((await acme.mutate('history.undo', { eventId: nobody })).error, { code: 'NOT_FOUND' })
    await retitle(first, 'Other')
    const cookie = await signInAs(acme.app.owner, acme.tenant.id, first)
    const refused = await acme.app.mutate('acme', 'history.undo', { connectionId, since: since() }, { cookie })
    t.match(refused.error, { reason: 'administratorOnly' })
  })

  t.test('nobody ends their own access or the last administrator’s by an undo', async (t) => {
    const { data: self } = await acme.query('history.preview', { userId: acme.adaId, at: '2020-01-01T00:00:00Z' })
    t.match(self, { undoId: null, counts: { users: 0 } })
    const at = since()
    await acme.mutate('users.setRole', { userId: second, role: 'administrator' })
    await acme.mutate('users.lock', { userId: acme.rootId })
    const operator = { token: 'operator-token-of-the-tests-0123456789' }
    await acme.app.mutate('acme', 'users.lock', { userId: acme.adaId }, operator)
    const { data } = await acme.app.mutate('acme', 'history.undo', { userId: second, at }, operator)
    t.match(data.items[0].conflicts, [{ attribute: 'role', reason: 'lastAdministrator' }])
    t.equal((await rowOf(second)).role, 'administrator')
    await acme.app.mutate('acme', 'users.unlock', { userId: acme.adaId }, operator)
    await acme.app.owner.updateTable('users').set({ locked: false }).where('id', '=', acme.rootId).execute()
  })
})

test('history', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  const [userId] = (await createUsers(scim, 1, 'person')) as [string]
  const groupId = await createGroup(scim, 'Crew', [userId])
  await acme.mutate('users.update', { userId, displayName: 'Pat' })
  await entra.scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${userId}"]` }])
  await scim.delete(`/Users/${userId}`)

  t.test('of a user: every version with who made it, and the memberships that came and went', async (t) => {
    const { data } = await acme.query('history.user', { userId })
    t.match(data.items, [
      { action: 'user.removed', actorName: 'Okta', connectionId, connectionName: 'Okta', isUndoable: true },
      {
        action: 'group.membersChanged',
        actorName: 'Entra',
        memberships: [{ groupId, groupName: 'Crew', change: 'left', since: String, connectionId }]
      },
      { action: 'user.updated', after: { displayName: 'Pat' }, requestId: String },
      { action: 'group.created', memberships: [{ groupId, change: 'joined', connectionId }] },
      { action: 'user.created', connectionName: 'Okta' }
    ])
    t.equal(data.items.length, 5)
  })

  t.test('goes on page by page, and begins at a moment', async (t) => {
    const first = await acme.query('history.user', { userId, limit: 2 })
    const second = await acme.query('history.user', { userId, limit: 2, cursor: first.data.nextCursor })
    const third = await acme.query('history.user', { userId, limit: 2, cursor: second.data.nextCursor })
    t.same(
      [first, second, third].map(({ data }) => data.items.length),
      [2, 2, 1]
    )
    t.equal(third.data.nextCursor, null)
    const [newest] = first.data.items
    t.equal((await acme.query('history.user', { userId, since: newest.at })).data.items.at(-1).id, newest.id)
  })

  t.test('of a group and of a connection', async (t) => {
    const group = await acme.query('history.group', { groupId })
    t.same(
      group.data.items.map(({ action }: { action: string }) => action),
      ['group.membersChanged', 'group.created']
    )
    const connection = await acme.query('history.connection', { connectionId, since: '2020-01-01T00:00:00Z' })
    t.notOk(connection.error)
    t.same(
      connection.data.items.map(({ action }: { action: string }) => action),
      ['user.removed', 'group.created', 'user.created']
    )
  })

  t.test('one user to a moment: the profile, and the memberships as they were then', async (t) => {
    const versions = (await acme.query('history.user', { userId })).data.items
    const { data } = await acme.mutate('history.undo', { userId, at: versions[2].at })
    t.match(data.counts, { users: 1, memberships: 1, refused: 0 })
    const { data: details } = await acme.query('users.get', { userId })
    t.match(details, { user: { state: 'active', displayName: null }, groups: [{ id: groupId }] })
  })
})

test('an undo while the identity provider goes on', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const userIds = await createUsers(scim, 60, 'person')
  const groupId = await createGroup(scim, 'Crew', userIds)
  aWhile(acme.app)
  const since = acme.app.clock.now().toISOString()
  for (const id of userIds) await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
  await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: 'members' }])
  const nicknames = userIds.map((id, index) =>
    scim.patch(`/Users/${id}`, [{ op: 'add', path: 'nickName', value: `nick ${index}` }])
  )
  const joined = userIds
    .slice(0, 20)
    .map((id) => scim.patch(`/Groups/${groupId}`, [{ op: 'add', path: 'members', value: [{ value: id }] }]))
  const [undone, ...replies] = await Promise.all([
    acme.mutate('history.undo', { connectionId, since }),
    ...nicknames,
    ...joined
  ])
  t.notOk(undone.error)
  t.same([...new Set(replies.map(({ status }) => status))].sort(), [200, 204])
  const rows = await acme.app.owner
    .selectFrom('users')
    .select(['id', 'state', 'doc'])
    .where('id', 'in', userIds)
    .execute()
  t.ok(
    rows.every(({ state }) => state === 'active'),
    'everybody is active again'
  )
  const { rows: events } = await sql<{ id: string; target_id: string; after: string }>`
    select id, target_id, after from audit_events where target_id = any(${userIds}::uuid[]) and after is not null`.execute(
    acme.app.owner
  )
  const told = events.map((event) => ({ ...event, after: JSON.parse(event.after) }))
  // a change that was there before the undo looked is one of those that it is asked to take back
  const takenBack = new Set(told.flatMap(({ after }) => after.undone ?? []))
  const isTakenBack = (userId: string) =>
    told.some(({ id, target_id, after }) => target_id === userId && after.nickName && takenBack.has(id))
  t.same(
    rows.map(({ id, doc }) => [id, JSON.parse(doc).nickName]).sort(),
    userIds.map((id, index) => [id, isTakenBack(id) ? undefined : `nick ${index}`]).sort(),
    'and no change that came meanwhile is lost'
  )
  const { data } = await acme.query('groups.get', { groupId })
  t.equal(data.group.memberCount, 60)
  const members = await acme.app.owner
    .selectFrom('group_members')
    .select('user_id')
    .where('group_id', '=', groupId)
    .execute()
  t.equal(members.length, 60, 'the counters agree')
})

test('groups that give roles', async (t) => {
  const acme = await openHistory(t)
  const [firstId, secondId] = (await insertPeople(acme.app.owner, acme.tenant.id, [
    { email: 'first@acme.test' },
    { email: 'second@acme.test' }
  ])) as [string, string]
  const { data } = await acme.mutate('groups.create', { displayName: 'Bosses', members: [firstId, secondId] })
  const groupId = data.group.id
  const mapped = await acme.mutate('groupRoles.update', { mapping: [{ groupId, role: 'manager' }] })
  t.notOk(mapped.error)
  const roles = async () => {
    const rows = await acme.app.owner.selectFrom('users').select(['id', 'role']).execute()
    return [firstId, secondId, acme.adaId].map((id) => rows.find((row) => row.id === id)!.role)
  }
  t.same(await roles(), ['manager', 'manager', 'administrator'])
  const newest = async () => (await acme.query('history.group', { groupId, limit: 1 })).data.items[0].id

  t.test('have them follow what is undone', async (t) => {
    await acme.mutate('groups.removeMembers', { groupId, userIds: [firstId, secondId] })
    t.same(await roles(), ['responder', 'responder', 'administrator'])
    const undone = await acme.mutate('history.undo', { eventId: await newest() })
    t.match(undone.data.counts, { memberships: 2, refused: 0 })
    t.same(await roles(), ['manager', 'manager', 'administrator'])
  })

  t.test('have refused what would take one’s own role away, and that alone', async (t) => {
    await acme.mutate('groupRoles.update', { mapping: [{ groupId, role: 'administrator' }] })
    const at = acme.app.clock.now().toISOString()
    aWhile(acme.app)
    await acme.mutate('groups.removeMembers', { groupId, userIds: [firstId] })
    await acme.mutate('groups.addMembers', { groupId, userIds: [acme.adaId, firstId] })
    await acme.mutate('users.setRole', { userId: acme.adaId, role: 'manager' })
    await acme.app.owner
      .updateTable('users')
      .set({ given_role: 'manager', role: 'administrator' })
      .where('id', '=', acme.adaId)
      .execute()
    const undone = await acme.mutate('history.undo', { groupId, at })
    t.notOk(undone.error)
    t.match(undone.data.items, [{ kind: 'membership', id: acme.adaId, conflicts: [{ reason: 'notYourself' }] }])
    t.same(await roles(), ['administrator', 'administrator', 'administrator'])
  })
})
