// What an identity provider manages is read-only to others; what it does not send is not. Asked through the real API.
import { test } from 'tap'
import { openHistory } from '../support/history.ts'
import { signInAs } from '../support/people.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'
import { detailsOf, exceptionsOf, ownClient } from './managed.ts'

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

  t.test('is read-only to the person and to administrators; what the provider leaves out is not', async (t) => {
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

    t.test('is shown attribute by attribute', async (t) => {
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

    t.test(
      'ends when the provider sends an attribute, and stays when it sends the whole user without it',
      async (t) => {
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

        t.test('is given back with its owner when that change is undone', async (t) => {
          const { data } = await acme.mutate('history.undo', { eventId: event.id })
          t.match(data.counts, { users: 1, refused: 0 })
          t.match(await exceptionsOf(acme, userId), { timezone: 'person' })
          t.match((await asSelf({ timeZone: 'Asia/Tokyo' })).data, { user: { timeZone: 'Asia/Tokyo' } })
          t.match((await asSelf({ timeZone: '' })).data, { user: { timeZone: null } })
          t.notOk('timezone' in (await exceptionsOf(acme, userId)))
        })
      }
    )
  })

  t.test('includes a role that the provider sends, up to its highest role', async (t) => {
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

  t.test('is released one by one, until the provider sends it again', async (t) => {
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

  t.test('stays with the owner of a newer change when an older one is undone', async (t) => {
    const { id: userId } = await create('chain')
    await acme.mutate('users.update', { userId, timeZone: 'Europe/Rome' })
    await acme.mutate('users.update', { userId, timeZone: 'Asia/Tokyo' })
    const [, first] = (await acme.query('history.user', { userId })).data.items
    const { data } = await acme.mutate('history.undo', { eventId: first.id })
    t.match(data, { counts: { refused: 1 }, items: [{ conflicts: [{ attribute: 'timezone' }] }] })
    t.equal(data.items[0].conflicts.length, 1)
    t.same(await exceptionsOf(acme, userId), { timezone: 'administrator' })
  })

  t.test('belongs to the provider that changed it last, which removes nothing that is another’s', async (t) => {
    const { id } = await create('two', { title: 'Engineer' })
    await entra.scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'displayName', value: 'Entra’s' }])
    const { error } = await acme.mutate('users.update', { userId: id, displayName: 'Mine' })
    t.match(error, { reason: 'managedByConnection', connection: { name: 'Entra' } })
    const { body } = await entra.scim.put(`/Users/${id}`, { schemas: [USER], userName: 'two@acme.test' })
    t.match(body, { title: 'Engineer', name: { givenName: 'Given' } })
    t.notOk(body.displayName)
    t.equal((await detailsOf(acme, id)).connection_id, connectionId, 'the user stays the first one’s')
  })

  t.test('does not include what the provider does not send of a person whom it takes on', async (t) => {
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

  t.test('includes groups that it made and memberships that it added', async (t) => {
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
    // members of one millisecond come in any order
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

test('changes of a provider and of people at the same time are both kept', async (t) => {
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
    // whichever came first, the provider’s value stays and belongs to it
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
