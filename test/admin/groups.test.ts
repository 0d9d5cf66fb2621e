import { test } from 'tap'
import { createGroup } from '../../server/provisioning/groups.ts'
import { OPERATOR, startApp } from '../support/app.ts'
import { actorOf, connectionActor, insertUsers, workOf } from '../support/groups.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const NOBODY = '0190cafe-0000-7000-8000-000000000000'

test('groups.*', async (t) => {
  const { mutate, query, db, owner, deps } = await startApp(t)
  const tenantId = await insertTenant(owner, 'acme')
  await insertTenant(owner, 'other')
  const users = await insertUsers(owner, tenantId, 12)
  const call = (procedure: string, input: unknown) => mutate('acme', `groups.${procedure}`, input, OPERATOR)
  const read = (procedure: string, input: unknown = {}) => query('acme', `groups.${procedure}`, input, OPERATOR)
  const make = async (displayName: string, members?: string[]) =>
    (await call('create', { displayName, members })).data.group

  t.test('create gives the group, and list and get show it', async (t) => {
    const group = await make('Engineers', users.slice(0, 3))
    t.match(group, { displayName: 'Engineers', memberCount: 3, externalId: null, source: 'manual', sourceName: null })
    t.match(new Date(group.createdAt).toISOString(), group.createdAt)
    t.strictSame((await read('get', { groupId: group.id })).data, { group, childGroups: [], parentGroups: [] })
    t.strictSame((await read('list')).data, { items: [group], nextCursor: null })
    t.strictSame((await read('list', { filter: { userId: users[1] } })).data.items, [group])
    t.strictSame((await read('list', { filter: { userId: users[5] } })).data.items, [])
  })

  t.test('addMembers and removeMembers accept people who are in or out already', async (t) => {
    const { id: groupId } = await make('Movers', users.slice(0, 2))
    const added = await call('addMembers', { groupId, userIds: users.slice(1, 6) })
    t.equal(added.data.group.memberCount, 6)
    const removed = await call('removeMembers', { groupId, userIds: [users[0], NOBODY] })
    t.equal(removed.data.group.memberCount, 5)
    t.ok(removed.data.group.updatedAt >= added.data.group.updatedAt)
    const { items, nextCursor } = (await read('members', { groupId })).data
    t.strictSame(
      items.map(({ id }: { id: string }) => id),
      users.slice(1, 6)
    )
    t.match(items[0], { displayName: 'user 2', email: 'user2@acme.test', role: 'responder', state: 'active' })
    t.equal(nextCursor, null)
  })

  t.test('addMembers and create refuse unknown members by id, and change nothing', async (t) => {
    const { id: groupId } = await make('Strict', [users[0]!])
    const answer = await call('addMembers', { groupId, userIds: [users[1], NOBODY] })
    t.equal(answer.status, 400)
    t.match(answer.error, { reason: 'unknownMember', unknownIds: [NOBODY] })
    t.match((await call('create', { displayName: 'Never', members: [NOBODY] })).error, { reason: 'unknownMember' })
    t.equal((await read('get', { groupId })).data.group.memberCount, 1)
  })

  t.test('update renames, and a taken name is a conflict in any letter case', async (t) => {
    const { id: groupId } = await make('Old name')
    t.equal((await call('update', { groupId, displayName: ' New name ' })).data.group.displayName, 'New name')
    t.match(await call('update', { groupId, displayName: 'ENGINEERS' }), {
      status: 409,
      error: { reason: 'uniqueness' }
    })
    t.match(await call('create', { displayName: 'new NAME' }), { status: 409 })
    for (const displayName of ['', '  ', 'a\u0000b', 'a\nb', 'x'.repeat(501)]) {
      t.equal((await call('create', { displayName })).status, 400, JSON.stringify(displayName.slice(0, 9)))
    }
  })

  t.test('remove deletes the group; afterwards nothing finds it', async (t) => {
    const { id: groupId } = await make('Short-lived', users)
    t.strictSame((await call('remove', { groupId })).data, { groupId })
    for (const answer of [
      await call('remove', { groupId }),
      await call('update', { groupId, displayName: 'x' }),
      await call('addMembers', { groupId, userIds: [users[0]] }),
      await read('get', { groupId }),
      await read('members', { groupId })
    ]) {
      t.match(answer, { status: 404, error: { reason: 'notFound' } })
    }
  })

  t.test('another tenant does not find a group', async (t) => {
    const { id: groupId } = await make('Ours', [users[0]!])
    t.equal((await query('other', 'groups.get', { groupId }, OPERATOR)).status, 404)
    t.equal((await query('other', 'groups.members', { groupId }, OPERATOR)).status, 404)
    t.equal((await mutate('other', 'groups.remove', { groupId }, OPERATOR)).status, 404)
    t.strictSame((await query('other', 'groups.list', {}, OPERATOR)).data.items, [])
  })

  t.test('get shows child groups and parent groups', async (t) => {
    const inner = await make('Inner')
    const work = workOf(db, tenantId, actorOf('administrator'), { now: deps.now() })
    const outer = await createGroup(work, { schemas: [], displayName: 'Outer' }, [{ value: inner.id }])
    t.strictSame((await read('get', { groupId: outer })).data.childGroups, [{ id: inner.id, displayName: 'Inner' }])
    t.strictSame((await read('get', { groupId: inner.id })).data.parentGroups, [{ id: outer, displayName: 'Outer' }])
    t.equal((await read('get', { groupId: outer })).data.group.memberCount, 1)
  })

  t.test('list searches, narrows, sorts and pages by cursor', async (t) => {
    const actor = await connectionActor(owner, tenantId, 'okta')
    for (const name of ['List B', 'list a', 'List C', 'List D']) {
      await createGroup(workOf(db, tenantId, actor), { schemas: [], displayName: name, externalId: name })
    }
    const names = (items: { displayName: string }[]) => items.map(({ displayName }) => displayName)
    const first = (await read('list', { search: 'LIS', limit: 3, includeTotal: true })).data
    t.strictSame(names(first.items), ['list a', 'List B', 'List C'])
    t.equal(first.total, 4)
    t.match(first.items[0], { source: 'scim', sourceName: 'okta', externalId: 'list a' })
    const second = (await read('list', { search: 'LIS', limit: 3, cursor: first.nextCursor })).data
    t.strictSame([names(second.items), second.nextCursor], [['List D'], null])
    t.strictSame(names((await read('list', { search: 'd li' })).data.items), ['List D'])
    const newest = { filter: { source: 'scim' }, sort: { by: 'createdAt', direction: 'desc' }, limit: 3 }
    const page = (await read('list', newest)).data
    t.strictSame(names(page.items), ['List D', 'List C', 'list a'])
    t.strictSame(names((await read('list', { ...newest, cursor: page.nextCursor })).data.items), ['List B'])
    const foreign = await read('list', { limit: 3, sort: { by: 'createdAt' }, cursor: first.nextCursor })
    t.match(foreign, { status: 400, error: { reason: 'invalidCursor' } })
  })

  t.test('members pages by cursor and searches names and addresses', async (t) => {
    const { id: groupId } = await make('Paged', users)
    const ids: string[] = []
    let cursor: string | null = null
    do {
      const page: { items: { id: string }[]; nextCursor: string | null } = (
        await read('members', { groupId, limit: 5, ...(cursor && { cursor }) })
      ).data
      ids.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor)
    t.strictSame(ids, users)
    const search = async (text: string, rest: object = {}) =>
      (await read('members', { groupId, search: text, ...rest })).data
    t.equal((await search('USER 1')).items.length, 4, '1, 10, 11 and 12')
    t.equal((await search('user12@ACME')).items.length, 1)
    t.strictSame(await search('no such person'), { items: [], nextCursor: null })
    const found = await search('user 1', { limit: 3 })
    t.equal(found.items.length, 3)
    t.strictSame(
      (await search('user 1', { limit: 3, cursor: found.nextCursor })).items.map(({ id }: { id: string }) => id),
      [users[11]]
    )
    t.match(await read('members', { groupId: NOBODY, cursor: found.nextCursor }), { status: 400 })
  })

  t.test('a search looks at 20,000 members per call and gives a cursor to continue', async (t) => {
    const many = await insertUsers(owner, tenantId, 20_500, { prefix: 'crowd' })
    const { id: groupId } = await make('Crowd')
    for (let at = 0; at < many.length; at += 10_000) {
      await call('addMembers', { groupId, userIds: many.slice(at, at + 10_000) })
    }
    const first = (await read('members', { groupId, search: 'crowd20500@' })).data
    t.strictSame(first.items, [])
    const second = (await read('members', { groupId, search: 'crowd20500@', cursor: first.nextCursor })).data
    t.match(second, { items: [{ id: many.at(-1) }], nextCursor: null })
  })

  t.test('everybody who is signed in sees groups; managers and administrators change them', async (t) => {
    const roles = ['stakeholder', 'responder', 'manager', 'administrator'] as const
    const people = await insertPeople(
      owner,
      tenantId,
      roles.map((role) => ({ email: `${role}@acme.test`, role }))
    )
    const { id: groupId } = await make('Seen by all', [users[0]!])
    for (const [index, role] of roles.entries()) {
      const cookie = await signInAs(owner, tenantId, people[index]!)
      const mayChange = role === 'manager' || role === 'administrator'
      t.equal((await query('acme', 'groups.list', {}, { cookie })).status, 200, role)
      t.equal((await query('acme', 'groups.get', { groupId }, { cookie })).status, 200, role)
      t.equal((await query('acme', 'groups.members', { groupId }, { cookie })).data.items[0].id, users[0], role)
      const changes: [procedure: string, input: object][] = [
        ['create', { displayName: `by the ${role}` }],
        ['update', { groupId, displayName: `renamed by the ${role}` }],
        ['addMembers', { groupId, userIds: [users[1]] }],
        ['removeMembers', { groupId, userIds: [users[1]] }]
      ]
      for (const [procedure, input] of changes) {
        const answer = await mutate('acme', `groups.${procedure}`, input, { cookie })
        const expected = mayChange ? { status: 200 } : { status: 403, error: { reason: 'groupsNotAllowed' } }
        t.match(answer, expected, `${role} ${procedure}`)
      }
    }
  })

  t.test('nobody who is not signed in sees or changes groups', async (t) => {
    t.equal((await query('acme', 'groups.list')).status, 401)
    t.equal((await mutate('acme', 'groups.create', { displayName: 'x' })).status, 401)
  })
})
