// What an identity provider manages is read-only elsewhere, and what it leaves out is not: through the real API.
import { test } from 'tap'
import { type HistoryTenant, openHistory } from '../support/history.ts'
import { signInAs } from '../support/people.ts'
import { clientOf, ENTERPRISE, PATCH_OP, type Scim, USER } from '../support/scim.ts'

const detailsOf = (acme: HistoryTenant, userId: string) =>
  acme.app.owner.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirstOrThrow()
const exceptionsOf = async (acme: HistoryTenant, userId: string) =>
  JSON.parse((await detailsOf(acme, userId)).authority)

test('what an identity provider manages', async (t) => {
  const acme = await openHistory(t)
  const { scim, connectionId } = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  await acme.mutate('scimConnections.update', { connectionId, highestRole: 'manager' })
  const managed = { connection: { id: connectionId, name: 'Okta', isRemoved: false } }
  const refusal = { reason: 'managedByConnection', code: 'FORBIDDEN', ...managed }
  const create = (name: string, rest: object = {}) =>
    scim.createUser({
      userName: `${name}@acme.test`,
      externalId: name,
      displayName: 'Sent',
      name: { givenName: 'Given', formatted: 'Given Sent' },
      [ENTERPRISE]: { department: 'Engines' },
      ...rest
    })

  t.test('is read-only to the person and to administrators; what it leaves out is not', async (t) => {
    const { id: userId } = await create('ada1')
    const self = { cookie: await signInAs(acme.app.owner, acme.tenant.id, userId) }
    const asSelf = (input: object) => acme.app.mutate('acme', 'users.update', { userId, ...input }, self)
    const asAdministrator = (input: object) => acme.mutate('users.update', { userId, ...input })
    const before = await detailsOf(acme, userId)
    for (const update of [asSelf, asAdministrator]) {
      for (const [input, attributes] of [
        [{ displayName: 'Mine' }, ['displayName']],
        [{ displayName: '' }, ['displayName']],
        [{ givenName: 'Mine', familyName: 'Mine', timeZone: 'Asia/Tokyo' }, ['givenName']],
        [{ displayName: 'Mine', givenName: 'Mine' }, ['displayName', 'givenName']]
      ] as const) {
        t.match((await update(input)).error, { ...refusal, attributes, message: /Okta/ })
      }
    }
    t.same(await detailsOf(acme, userId), before, 'nothing has changed')
    t.match((await asSelf({ displayName: 'Sent', givenName: 'Given', timeZone: 'Asia/Tokyo' })).data, {
      user: { timeZone: 'Asia/Tokyo' }
    })
    t.match((await asAdministrator({ familyName: 'Family' })).data, { user: { familyName: 'Family' } })
    t.same(await exceptionsOf(acme, userId), { timezone: 'person', 'name.familyName': 'administrator' })
    t.match(JSON.parse((await detailsOf(acme, userId)).doc).name, { formatted: 'Given Sent', familyName: 'Family' })

    t.test('which is shown, attribute by attribute', async (t) => {
      const okta = { kind: 'connection', id: connectionId, name: 'Okta', isRemoved: false }
      const { authority } = (await acme.query('users.get', { userId })).data
      t.same(authority, {
        displayName: okta,
        givenName: okta,
        familyName: { kind: 'administrator' },
        timeZone: { kind: 'person' },
        locale: { kind: 'person' },
        role: { kind: 'administrator' },
        email: okta,
        userName: okta,
        externalId: okta,
        'name.formatted': okta,
        [`${ENTERPRISE}:department`]: okta,
        state: okta
      })
      const unmanaged = (await acme.query('users.get', { userId: acme.rootId })).data.authority
      t.match(unmanaged, {
        displayName: { kind: 'person' },
        role: { kind: 'administrator' },
        state: { kind: 'administrator' }
      })
    })

    t.test('until it is sent; the whole user that is sent without it keeps it', async (t) => {
      const whole = { schemas: [USER], userName: 'ada1@acme.test', externalId: 'ada1', displayName: 'Sent again' }
      const { body } = await scim.put(`/Users/${userId}`, whole)
      t.match(body, { displayName: 'Sent again', timezone: 'Asia/Tokyo', name: { familyName: 'Family' } })
      t.notOk(body.name.givenName, 'its own it has taken away')
      await scim.put(`/Users/${userId}`, { ...body, displayName: 'Once more' })
      t.notOk((await asSelf({ timeZone: 'Europe/Rome' })).error, 'to repeat it is not to send it')
      await scim.patch(`/Users/${userId}`, [{ op: 'add', path: 'timezone', value: 'Europe/Zurich' }])
      t.match((await asSelf({ timeZone: 'Europe/Rome' })).error, { ...refusal, attributes: ['timeZone'] })
      t.same(await exceptionsOf(acme, userId), { 'name.familyName': 'administrator' })
      const [event] = (await acme.query('history.user', { userId, limit: 1 })).data.items
      t.match(event, {
        actorName: 'Okta',
        before: { timezone: 'Europe/Rome', authority: { timezone: 'person' } },
        after: { timezone: 'Europe/Zurich' }
      })

      t.test('undoing that gives it back, with who has it', async (t) => {
        const { data } = await acme.mutate('history.undo', { eventId: event.id })
        t.match(data.counts, { users: 1, refused: 0 })
        t.match(await exceptionsOf(acme, userId), { timezone: 'person' })
        t.match((await asSelf({ timeZone: 'Asia/Tokyo' })).data, { user: { timeZone: 'Asia/Tokyo' } })
        t.match((await asSelf({ timeZone: '' })).data, { user: { timeZone: null } })
        t.notOk('timezone' in (await exceptionsOf(acme, userId)))
      })
    })
  })

  t.test('a role that is sent is the provider’s, as far as it may give roles', async (t) => {
    const silent = await create('silent')
    t.match((await acme.mutate('users.setRole', { userId: silent.id, role: 'manager' })).data, {
      user: { role: 'manager' }
    })
    t.same(await exceptionsOf(acme, silent.id), { roles: 'administrator' })
    const sent = await create('sent', { roles: [{ value: 'responder', primary: true }] })
    const setRole = (role: string) => acme.mutate('users.setRole', { userId: sent.id, role })
    t.match((await setRole('stakeholder')).error, { ...refusal, attributes: ['role'] })
    t.notOk((await setRole('responder')).error)
    t.match((await acme.query('users.get', { userId: sent.id })).data.authority.role, {
      name: 'Okta',
      highestRole: 'manager'
    })
    t.notOk((await setRole('administrator')).error, 'beyond its highest role it has no say')
    t.match((await acme.query('users.get', { userId: sent.id })).data.authority, {
      role: { kind: 'administrator' },
      displayName: { kind: 'person' },
      state: { kind: 'administrator' }
    })
    t.notOk((await acme.mutate('users.update', { userId: sent.id, displayName: 'Own' })).error, 'nor of the person')
    t.notOk((await setRole('stakeholder')).error, 'and the role is the administrator’s from then on')
    await scim.patch(`/Users/${sent.id}`, [
      { op: 'replace', path: 'roles', value: [{ value: 'manager', primary: true }] }
    ])
    t.match((await setRole('stakeholder')).error, refusal, 'until it is sent again')
    for (const step of ['lock', 'unlock', 'deactivate', 'activate'])
      t.notOk((await acme.mutate(`users.${step}`, { userId: sent.id })).error, step)
  })

  t.test('ends with a removal: whoever is invited again is an ordinary member', async (t) => {
    const { id: userId } = await create('again', { emails: [{ value: 'again@acme.test' }] })
    await acme.mutate('users.update', { userId, timeZone: 'Europe/Rome' })
    await entra.scim.patch(`/Users/${userId}`, [{ op: 'replace', path: 'displayName', value: 'Entra’s' }])
    await scim.delete(`/Users/${userId}`)
    await acme.mutate('invitations.create', { invites: [{ email: 'again@acme.test' }] })
    t.same(await exceptionsOf(acme, userId), {})
    const [event] = (await acme.query('history.user', { userId, limit: 1 })).data.items
    const authority = { timezone: 'administrator', displayName: entra.connectionId }
    t.match(event, { action: 'user.invited', before: { connectionId, authority } })
    t.notOk((await acme.mutate('users.update', { userId, displayName: 'Own' })).error)
  })

  t.test('is released, one by one, until it is sent again', async (t) => {
    const { id: userId } = await create('loose', { roles: [{ value: 'responder', primary: true }] })
    const groupId = (
      await scim.post('/Groups', { displayName: 'Loose', externalId: 'l', members: [{ value: userId }] })
    ).body.id
    const manager = { cookie: await signInAs(acme.app.owner, acme.tenant.id, (await create('m')).id) }
    for (const [procedure, input] of [
      ['users.release', { userId }],
      ['groups.release', { groupId }]
    ] as const) {
      t.match((await acme.app.mutate('acme', procedure, input, manager)).error, { reason: 'administratorOnly' })
      t.notOk((await acme.mutate(procedure, input)).error)
      t.notOk((await acme.mutate(procedure, input)).error, 'again changes nothing')
    }
    t.match((await acme.query('history.user', { userId, limit: 1 })).data.items, [
      { action: 'user.released', before: { connectionId } }
    ])
    for (const [procedure, input] of [
      ['users.update', { userId, displayName: 'Own' }],
      ['users.setRole', { userId, role: 'manager' }],
      ['groups.update', { groupId, displayName: 'Own' }],
      ['groups.removeMembers', { groupId, userIds: [userId] }],
      ['groups.remove', { groupId }]
    ] as const) {
      t.notOk((await acme.mutate(procedure, input)).error, procedure)
    }
    await scim.patch(`/Users/${userId}`, [{ op: 'replace', path: 'displayName', value: 'Sent' }])
    t.match((await acme.mutate('users.update', { userId, displayName: 'Own' })).error, refusal, 'taken on again')
    t.notOk((await acme.mutate('users.update', { userId, givenName: 'Own' })).error, 'with what it has changed')
    t.notOk((await acme.mutate('users.setRole', { userId, role: 'responder' })).error)
  })

  t.test('undoing an older change leaves a newer one with whom it is', async (t) => {
    const { id: userId } = await create('chain')
    await acme.mutate('users.update', { userId, timeZone: 'Europe/Rome' })
    await acme.mutate('users.update', { userId, timeZone: 'Asia/Tokyo' })
    const [, first] = (await acme.query('history.user', { userId })).data.items
    const { data } = await acme.mutate('history.undo', { eventId: first.id })
    t.match(data, { counts: { refused: 1 }, items: [{ conflicts: [{ attribute: 'timezone' }] }] })
    t.equal(data.items[0].conflicts.length, 1)
    t.same(await exceptionsOf(acme, userId), { timezone: 'administrator' })
  })

  t.test('another provider has what it has changed, and takes nothing away that is not its own', async (t) => {
    const { id } = await create('two', { title: 'Engineer' })
    await entra.scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'displayName', value: 'Entra’s' }])
    const { error } = await acme.mutate('users.update', { userId: id, displayName: 'Mine' })
    t.match(error, { reason: 'managedByConnection', connection: { name: 'Entra' } })
    const { body } = await entra.scim.put(`/Users/${id}`, { schemas: [USER], userName: 'two@acme.test' })
    t.match(body, { title: 'Engineer', name: { givenName: 'Given' } })
    t.notOk(body.displayName)
    t.equal((await detailsOf(acme, id)).connection_id, connectionId, 'the user stays the first one’s')
  })

  t.test('who is taken on keeps what the provider does not send', async (t) => {
    const { data } = await acme.mutate('invitations.create', { invites: [{ email: 'eve@acme.test' }] })
    const { userId } = data.results[0]
    await acme.app.owner.updateTable('users').set({ state: 'active' }).where('id', '=', userId).execute()
    await acme.mutate('users.update', { userId, displayName: 'Eve', timeZone: 'Asia/Tokyo' })
    t.same(await exceptionsOf(acme, userId), {}, 'nobody manages them')
    const sent = { schemas: [USER], userName: 'eve@acme.test', externalId: 'eve', displayName: 'Eve' }
    t.match((await scim.put(`/Users/${userId}`, sent)).body, { timezone: 'Asia/Tokyo' })
    t.same(await exceptionsOf(acme, userId), { timezone: 'person', roles: 'administrator' })
    t.match((await acme.mutate('users.update', { userId, displayName: 'Other' })).error, refusal)
    t.notOk((await acme.mutate('users.update', { userId, timeZone: 'Europe/Rome' })).error)
    t.notOk((await acme.mutate('users.setRole', { userId, role: 'manager' })).error)
  })

  t.test('groups, and memberships that it made', async (t) => {
    const [one, two, three] = [(await create('g1')).id, (await create('g2')).id, (await create('g3')).id]
    const { body } = await scim.post('/Groups', { displayName: 'Crew', members: [{ value: one }, { value: two }] })
    const groupId = body.id
    t.match((await acme.mutate('groups.update', { groupId, displayName: 'Mine' })).error, {
      ...refusal,
      attributes: ['displayName']
    })
    t.notOk((await acme.mutate('groups.update', { groupId, displayName: 'Crew' })).error)
    t.match((await acme.mutate('groups.remove', { groupId })).error, { ...refusal, attributes: ['group'] })
    t.notOk((await acme.mutate('groups.addMembers', { groupId, userIds: [three] })).error)
    const okta = { kind: 'connection', ...managed.connection }
    t.match((await acme.query('groups.get', { groupId })).data.group.authority, okta)
    const { items } = (await acme.query('groups.members', { groupId, search: 'acme' })).data
    // those who were made in one millisecond come in any order
    const memberships = items.map(({ id, membership }: { id: string; membership: object }) => [id, membership])
    t.equal(memberships.length, 3)
    t.match(Object.fromEntries(memberships), { [one]: okta, [two]: okta, [three]: { kind: 'administrator' } })
    t.match((await acme.query('users.get', { userId: three })).data.groups, [{ authority: { kind: 'administrator' } }])
    t.match((await acme.query('users.get', { userId: one })).data.groups, [{ authority: okta }])
    const remove = (...userIds: string[]) => acme.mutate('groups.removeMembers', { groupId, userIds })
    t.match((await remove(one)).error, { ...refusal, attributes: ['members'], userIds: [one], userCount: 1 })
    t.match((await remove(one, two, three)).error, { ...refusal, userIds: [one, two].sort(), userCount: 2 })
    t.match((await acme.query('groups.get', { groupId })).data.group, { memberCount: 3 })
    t.match((await remove(three)).data.group, { memberCount: 2 }, 'a membership that people made is theirs')
    await acme.mutate('users.deactivate', { userId: two })
    t.match((await remove(two)).data.group, { memberCount: 1 }, 'nobody is kept from being removed')
    t.notOk((await acme.mutate('users.remove', { userId: two })).error)
    const { data } = await acme.mutate('groups.create', { displayName: 'Ours', members: [three] })
    await scim.patch(`/Groups/${data.group.id}`, [{ op: 'add', path: 'members', value: [{ value: one }] }])
    const ours = await acme.mutate('groups.removeMembers', { groupId: data.group.id, userIds: [one] })
    t.match(ours.error, refusal, 'in a group of people’s own, too')
    t.notOk((await acme.mutate('groups.remove', { groupId: data.group.id })).error)
  })
})

test('attributes that a provider has, and a person’s API token', async (t) => {
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

  t.test('change none of them, and nothing beside them', async (t) => {
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

  t.test('say what is, leave out what they may only read, and fill in what is not sent', async (t) => {
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

  t.test('give access and take it, and a role above the provider’s', async (t) => {
    t.match((await replace('active', false)).body, { active: false })
    t.match((await replace('active', true)).body, { active: true })
    const roles = [{ value: 'administrator', primary: true }]
    t.match((await replace('roles', roles)).body, { roles }, 'which puts them out of its reach')
    t.match((await replace('displayName', 'Mine')).body, { displayName: 'Mine' })
  })

  t.test('keep roles as they were written, by leaving them out', async (t) => {
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

  t.test('are refused one by one in a bulk', async (t) => {
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
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: [operation('displayName'), operation('title')]
    })
    t.match(body.Operations, [{ status: '403' }, { status: '200' }])
  })
})

test('memberships that a provider made, and a person’s API token', async (t) => {
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

  t.test('no change takes them out', async (t) => {
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

  t.test('what people put in is theirs, whatever is beside it', async (t) => {
    t.equal((await patch(remove(), { op: 'add', value: { members: refs(sent, childId) } })).status, 204)
    t.equal((await add(own, groupId, mine, ownChildId)).status, 204)
    t.equal((await put(sent, childId)).status, 200)
    t.equal((await add(own, groupId, mine, ownChildId)).status, 204)
    t.equal((await patch({ op: 'replace', path: 'members', value: refs(sent, childId, left) })).status, 204)
    t.equal((await patch(remove(`members[value eq "${left}"]`))).status, 204)
    t.match((await own.get(`/Groups/${groupId}`)).body.members, refs(...[sent, childId].sort()))
  })

  t.test('who is deactivated may be taken out, and a group of one’s own removed', async (t) => {
    await add(scim, groupId, left)
    await acme.mutate('users.deactivate', { userId: left })
    t.equal((await put(sent, childId)).status, 200)
    const outer = await make('Outer')
    await add(scim, outer, ownChildId, sent)
    t.equal((await own.delete(`/Groups/${ownChildId}`)).status, 204, 'also out of where a provider put it')
    t.equal((await own.delete(`/Groups/${outer}`)).status, 204, 'with whoever is in it')
  })

  t.test('the provider takes out whom it likes', async (t) => {
    await add(own, groupId, mine)
    t.equal((await scim.patch(`/Groups/${groupId}`, [remove()])).status, 204)
    t.notOk((await own.get(`/Groups/${groupId}`)).body.members?.length)
  })

  t.test('of several providers, one is named with whom it has', async (t) => {
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

  t.test('many are told by their number', async (t) => {
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

/** The administrator's backend. */
const ownClient = async (acme: HistoryTenant) =>
  clientOf(acme.app, acme.tenant, (await acme.mutate('apiTokens.create', { name: 'backend' })).data.token)

test('of a provider and people who change the same at once, neither is lost', async (t) => {
  const acme = await openHistory(t)
  const { scim } = await acme.connect('Okta')
  const backend = await ownClient(acme)
  const { body: group } = await backend.post('/Groups', { displayName: 'Crew' })
  for (let round = 0; round < 12; round++) {
    const { id } = await scim.createUser({ userName: `u${round}@acme.test`, externalId: `${round}` })
    const [sent, own] = await Promise.all([
      scim.patch(`/Users/${id}`, [{ op: 'add', path: 'timezone', value: 'Europe/Zurich' }]),
      acme.mutate('users.update', { userId: id, timeZone: 'Asia/Tokyo' })
    ])
    t.equal(sent.status, 200)
    const row = await detailsOf(acme, id)
    // whoever came first, the provider’s word stands, and is its own
    t.match(row, { time_zone: 'Europe/Zurich', authority: '{}' })
    t.equal(own.error?.reason ?? 'before', own.error ? 'managedByConnection' : 'before')
    t.equal(row.version, own.error ? 2 : 3)

    const clear = () => backend.put(`/Groups/${group.id}`, { displayName: 'Crew', members: [] })
    const join = () => scim.patch(`/Groups/${group.id}`, [{ op: 'add', path: 'members', value: [{ value: id }] }])
    await Promise.all([clear(), clear(), join(), clear(), clear()])
    const { members } = (await backend.get(`/Groups/${group.id}`)).body
    t.equal(members?.length, round + 1, 'whoever was put in stays, and everybody before')
  }
})
