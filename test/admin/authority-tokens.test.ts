// A person’s API token over SCIM, and what an identity provider manages: it is bound by the same rules as the page.
import { test } from 'tap'
import { openHistory } from '../support/history.ts'
import type { Scim } from '../support/scim.ts'
import { BULK_REQUEST, ENTERPRISE, PATCH_OP, USER } from '../support/urns.ts'
import { detailsOf, exceptionsOf, ownClient } from './managed.ts'

test('a person’s API token and attributes that a provider manages', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  await acme.mutate('scimConnections.update', { connectionId, highestRole: 'manager' })
  const own = await ownClient(acme)
  const sent = {
    schemas: [USER, ENTERPRISE],
    userName: 'amy@acme.test',
    externalId: 'amy',
    displayName: 'Sent',
    name: { givenName: 'Given' },
    roles: [{ value: 'manager', primary: true }],
    [ENTERPRISE]: { department: 'Engines' }
  }
  const { id } = await scim.createUser(sent)
  const patch = (...operations: object[]) => own.patch(`/Users/${id}`, operations)
  const replace = (path: string, value: unknown) => patch({ op: 'replace', path, value })
  const put = (changes: object) => own.put(`/Users/${id}`, { schemas: [USER], userName: 'amy@acme.test', ...changes })

  t.test('is refused every change of them, and nothing else changes', async (t) => {
    const before = await detailsOf(acme, id)
    for (const [asked, attributes] of [
      [() => replace('displayName', 'Mine'), 'displayName'],
      [() => replace('name.givenName', 'Mine'), 'name.givenName'],
      [() => replace('externalId', 'mine'), 'externalId'],
      [() => replace('userName', 'mine@acme.test'), 'userName'],
      [() => replace(`${ENTERPRISE}:department`, 'Mine'), `${ENTERPRISE}:department`],
      [() => patch({ op: 'remove', path: 'displayName' }), 'displayName'],
      [
        () => patch({ op: 'add', value: { title: 'T', displayName: 'Mine', externalId: 'x' } }),
        'externalId, displayName'
      ],
      [() => replace('roles', [{ value: 'stakeholder', primary: true }]), 'roles'],
      [() => put({ title: 'T', displayName: 'Mine' }), 'displayName']
    ] as const) {
      const detail = `The attribute ${attributes} is managed by Okta: change it there`
      t.match(await asked(), { status: 403, body: { detail } }, attributes)
    }
    t.same(await detailsOf(acme, id), before)
  })

  t.test('may repeat them, leave out what is read-only, and fill in what the provider does not send', async (t) => {
    t.equal((await replace('displayName', 'Sent')).status, 200)
    t.match((await replace('title', 'T')).body, { title: 'T', displayName: 'Sent' })
    t.same(await exceptionsOf(acme, id), { title: 'administrator' })
    const { status, body } = await put({ nickName: 'N' })
    t.equal(status, 200)
    t.match(body, { nickName: 'N', displayName: 'Sent', externalId: 'amy', [ENTERPRISE]: { department: 'Engines' } })
    t.notOk('title' in body, 'one’s own is taken away by leaving it out')
    t.same(await exceptionsOf(acme, id), { nickName: 'administrator' })
    t.match((await scim.put(`/Users/${id}`, { ...sent, nickName: 'Theirs' })).body, { nickName: 'Theirs' })
    t.match(await replace('nickName', 'N'), { status: 403 }, 'until it is sent')
  })

  t.test('may give and end access, and give a role above the provider’s', async (t) => {
    t.match((await replace('active', false)).body, { active: false })
    t.match((await replace('active', true)).body, { active: true })
    const roles = [{ value: 'administrator', primary: true }]
    t.match((await replace('roles', roles)).body, { roles }, 'which puts them out of its reach')
    t.match((await replace('displayName', 'Mine')).body, { displayName: 'Mine' })
  })

  t.test('keeps roles as the provider wrote them by leaving them out', async (t) => {
    for (const [name, roles] of [
      ['jay', [{ value: 'manager', display: 'Manager', type: 'app', primary: true }]],
      ['kay', [{ value: '25', display: 'Auditor' }]]
    ] as const) {
      const userName = `${name}@acme.test`
      const user = await scim.createUser({ ...sent, userName, externalId: name, roles })
      const put = await own.put(`/Users/${user.id}`, { schemas: [USER], userName, title: 'T' })
      t.match(put, { status: 200, body: { title: 'T', roles } })
      t.same(await exceptionsOf(acme, user.id), { title: 'administrator' })
    }
  })

  t.test('is refused operation by operation in a bulk request', async (t) => {
    const { id: other } = await scim.createUser({
      ...sent,
      userName: 'ben@acme.test',
      externalId: 'ben',
      roles: undefined
    })
    const operation = (path: string) => ({
      method: 'PATCH',
      path: `/Users/${other}`,
      data: { schemas: [PATCH_OP], Operations: [{ op: 'replace', path, value: 'B' }] }
    })
    const { body } = await own.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: [operation('displayName'), operation('title')]
    })
    t.match(body.Operations, [{ status: '403' }, { status: '200' }])
  })
})

test('a person’s API token and memberships that a provider made', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const own = await ownClient(acme)
  const create = async (name: string) =>
    (await scim.createUser({ userName: `${name}@acme.test`, externalId: name, displayName: `Name of ${name}` })).id
  const [sent, left, mine] = (await Promise.all(['sent', 'left', 'mine'].map(create))) as [string, string, string]
  const refs = (...ids: string[]) => ids.map((value) => ({ value }))
  const make = async (displayName: string, ...ids: string[]) =>
    (await own.post('/Groups', { displayName, members: refs(...ids) })).body.id as string
  const add = (client: Scim, groupId: string, ...ids: string[]) =>
    client.patch(`/Groups/${groupId}`, [{ op: 'add', path: 'members', value: refs(...ids) }])
  const remove = (path = 'members') => ({ op: 'remove', path })
  const childId = await make('Child', sent)
  const ownChildId = await make('Own child')
  const groupId = await make('Crew', mine, ownChildId)
  await add(scim, groupId, sent, childId)
  const put = (...ids: string[]) => own.put(`/Groups/${groupId}`, { displayName: 'Crew', members: refs(...ids) })
  const patch = (...operations: object[]) => own.patch(`/Groups/${groupId}`, operations)

  t.test('ends none of them by any change', async (t) => {
    const before = await acme.snapshot()
    const person = /^The membership of Name of sent is managed by Okta: change it there$/
    const group = /^The membership of Child is managed by Okta: change it there$/
    const both = /^The membership of Name of sent, Child is managed by Okta: change it there$/
    for (const [what, change, detail] of [
      ['PUT without anybody', () => put(), both],
      ['PUT without one', () => put(mine, childId), person],
      ['PUT without a group', () => put(mine, sent), group],
      ['replace', () => patch({ op: 'replace', path: 'members', value: refs(mine, sent) }), group],
      ['replace by nobody', () => patch({ op: 'replace', path: 'members', value: [] }), both],
      ['remove all', () => patch(remove()), both],
      ['remove people', () => patch(remove('members[type eq "User"]')), person],
      ['remove groups', () => patch(remove('members[type eq "Group"]')), group],
      ['remove by name', () => patch(remove('members[display sw "Name"]')), person],
      ['remove one', () => patch(remove(`members[value eq "${sent}"]`)), person],
      ['remove a group', () => patch(remove(`members[value eq "${childId}"]`)), group],
      [
        'remove and add again',
        () => patch(remove('members[type eq "User"]'), { op: 'add', value: { members: refs(sent, mine) } }),
        person
      ]
    ] as const) {
      const answer = await change()
      t.equal(answer.status, 403, what)
      t.match(answer.body.detail, detail, what)
    }
    t.match((await acme.mutate('groups.removeMembers', { groupId, userIds: [sent, childId, mine] })).error, {
      reason: 'managedByConnection',
      connection: { id: connectionId, name: 'Okta', isRemoved: false },
      attributes: ['members'],
      userIds: [sent],
      userCount: 1,
      groupIds: [childId],
      groupCount: 1
    })
    t.same(await acme.snapshot(), before, 'and nothing has changed')
  })

  t.test('ends those that people made, whatever else is in the group', async (t) => {
    t.equal((await patch(remove(), { op: 'add', value: { members: refs(sent, childId) } })).status, 204)
    t.equal((await add(own, groupId, mine, ownChildId)).status, 204)
    t.equal((await put(sent, childId)).status, 200)
    t.equal((await add(own, groupId, mine, ownChildId)).status, 204)
    t.equal((await patch({ op: 'replace', path: 'members', value: refs(sent, childId, left) })).status, 204)
    t.equal((await patch(remove(`members[value eq "${left}"]`))).status, 204)
    t.match((await own.get(`/Groups/${groupId}`)).body.members, refs(...[sent, childId].sort()))
  })

  t.test('removes deactivated people, and a group of the tenant’s own', async (t) => {
    await add(scim, groupId, left)
    await acme.mutate('users.deactivate', { userId: left })
    t.equal((await put(sent, childId)).status, 200)
    const outer = await make('Outer')
    await add(scim, outer, ownChildId, sent)
    t.equal((await own.delete(`/Groups/${ownChildId}`)).status, 204, 'also out of where a provider put it')
    t.equal((await own.delete(`/Groups/${outer}`)).status, 204, 'with whoever is in it')
  })

  t.test('leaves the provider free to remove anybody', async (t) => {
    await add(own, groupId, mine)
    t.equal((await scim.patch(`/Groups/${groupId}`, [remove()])).status, 204)
    t.notOk((await own.get(`/Groups/${groupId}`)).body.members?.length)
  })

  t.test('is told one of several providers, with the members whom that one manages', async (t) => {
    const entra = await acme.connect('Entra')
    const other = await make('Shared')
    const theirs = (await entra.scim.createUser({ userName: 'theirs@acme.test', externalId: 'theirs' })).id
    await add(scim, other, sent)
    await add(entra.scim, other, theirs)
    const { body } = await own.patch(`/Groups/${other}`, [remove()])
    t.match(body.detail, /^The membership of (Name of sent is managed by Okta|theirs@acme.test is managed by Entra)/)
    const { error } = await acme.mutate('groups.removeMembers', { groupId: other, userIds: [sent, theirs] })
    const { connection, userIds, userCount } = error as unknown as {
      connection: { name: string }
      userIds: string[]
      userCount: number
    }
    t.same(userIds, [connection.name === 'Okta' ? sent : theirs])
    t.equal(userCount, 1)
  })

  t.test('is told the number if there are many', async (t) => {
    const ids = await Promise.all(Array.from({ length: 60 }, (_, index) => create(`crowd${index}`)))
    const id = await make('Crowd')
    await add(scim, id, ...ids)
    const answer = await own.patch(`/Groups/${id}`, [remove()])
    t.match(
      answer.body.detail,
      /^The membership of Name of crowd\d+, Name of crowd\d+, Name of crowd\d+ and 57 more is managed by Okta/
    )
    const { error } = await acme.mutate('groups.removeMembers', { groupId: id, userIds: ids })
    t.match(error, { userIds: ids.sort().slice(0, 50), userCount: 60 })
    t.equal((error!['userIds'] as string[]).length, 50)
  })
})
