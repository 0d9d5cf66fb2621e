// history.*: the versions of users, groups and connections, and what they were at a moment.
import { test } from 'tap'
import { createGroup, createUsers, openHistory } from '../support/history.ts'

test('a user, group or connection that never existed has no history', async (t) => {
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

test('history', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  const [userId] = (await createUsers(scim, 1, 'person')) as [string]
  const groupId = await createGroup(scim, 'Crew', [userId])
  await acme.mutate('users.update', { userId, displayName: 'Pat' })
  await entra.scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${userId}"]` }])
  await scim.delete(`/Users/${userId}`)

  t.test('of a user has every version with who made it, and the memberships that began and ended', async (t) => {
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

  t.test('continues page by page, and begins at a given moment', async (t) => {
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

  t.test('lists events of a group and of a connection', async (t) => {
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

  t.test('takes one user back to a moment, with the memberships of that moment', async (t) => {
    const versions = (await acme.query('history.user', { userId })).data.items
    const { data } = await acme.mutate('history.undo', { userId, at: versions[2].at })
    t.match(data.counts, { users: 1, memberships: 1, refused: 0 })
    const { data: details } = await acme.query('users.get', { userId })
    t.match(details, { user: { state: 'active', displayName: null }, groups: [{ id: groupId }] })
  })
})
