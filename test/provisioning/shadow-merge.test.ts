import { sql } from 'kysely'
import { test } from 'tap'
import { OPERATOR } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { openHistory } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { dump, none, openShadow, person } from './shadowing.ts'

test('what changes on both sides of a shadow', async (t) => {
  const acme = await openHistory(t, 'three')
  const { app, tenant } = acme
  const ids = await insertPeople(app.owner, tenant.id, [
    { email: 'both@three.test', displayName: 'Both' },
    { email: 'gone@three.test', displayName: 'Gone' },
    { email: 'raised@three.test', displayName: 'Raised' },
    { email: 'one@three.test', displayName: 'One' },
    { email: 'two@three.test', displayName: 'Two' }
  ])
  const [bothId, goneId, raisedId, oneId, twoId] = ids as [string, string, string, string, string]
  const team = (await acme.mutate('groups.create', { displayName: 'Team', members: [bothId, oneId] })).data.group.id
  const doomed = (await acme.mutate('groups.create', { displayName: 'Doomed', members: [] })).data.group.id
  const { scim, connectionId } = await openShadow(acme, 'Okta')
  const title = (id: string, value: string) => scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value }])

  t.test('is shown attribute by attribute, and keeps the tenant’s value', async (t) => {
    await scim.patch(`/Users/${bothId}`, [
      { op: 'replace', path: 'displayName', value: 'By the IdP' },
      { op: 'replace', path: 'title', value: 'Boss' }
    ])
    await acme.mutate('users.update', { userId: bothId, displayName: 'By Ada' })
    await title(goneId, 'Late')
    await acme.mutate('users.deactivate', { userId: goneId })
    await acme.mutate('users.remove', { userId: goneId })
    await title(raisedId, 'Late')
    await app.owner
      .updateTable('scim_connections')
      .set({ highest_role: 'manager' })
      .where('id', '=', connectionId)
      .execute()
    await acme.mutate('users.setRole', { userId: raisedId, role: 'administrator' })
    await scim.post('/Users', person('new', 'three'))
    await insertPeople(app.owner, tenant.id, [{ email: 'new@three.test' }])
    const elsewhere = await openHistory(t, 'elsewhere', app)
    await insertPeople(app.owner, elsewhere.tenant.id, [{ email: 'taken@three.test' }])
    const taken = await scim.post('/Users', person('taken', 'three'))
    t.equal(taken.status, 201, 'of other tenants nothing is known in a shadow')
    // names that are exchanged within the shadow are taken by nobody else
    const rename = (id: string, name: string) =>
      scim.patch(`/Users/${id}`, [
        { op: 'replace', path: 'userName', value: name },
        { op: 'replace', path: 'emails', value: [{ value: name, type: 'work', primary: true }] }
      ])
    t.equal((await rename(oneId, 'other@three.test')).status, 200)
    t.equal((await rename(twoId, 'one@three.test')).status, 200)
    t.equal((await rename(oneId, 'two@three.test')).status, 200)
    await scim.patch(`/Groups/${team}`, [
      { op: 'add', path: 'members', value: [{ value: twoId }, { value: taken.body.id }] },
      { op: 'remove', path: 'members', value: [{ value: oneId }] }
    ])
    await acme.mutate('groups.removeMembers', { groupId: team, userIds: [bothId] })
    await acme.mutate('groups.remove', { groupId: doomed })
    await scim.patch(`/Groups/${doomed}`, [{ op: 'replace', path: 'displayName', value: 'Doomed more' }])

    const { data } = await acme.query('scimShadow.list', { connectionId, filter: 'conflict' })
    const told = (data.items as { name: string; conflicts: object[] }[]).map(({ name, conflicts }) => [name, conflicts])
    t.match(Object.fromEntries(told as [string, object[]][]), {
      'By the IdP': [{ attribute: 'displayName', reason: 'changedSince', wanted: 'By the IdP', detail: String }],
      Gone: [{ reason: 'userRemoved' }],
      Raised: [{ attribute: 'title', reason: 'roleNotAllowed' }],
      new: [{ reason: 'userNameTaken' }],
      taken: [{ reason: 'addressTaken' }]
    })
    t.equal(told.length, 5)
    const filter = 'conflict'
    const groups = (await acme.query('scimShadow.list', { connectionId, kind: 'group', filter })).data.items
    t.match(groups, [{ id: doomed, effect: null, conflicts: [{ reason: 'groupRemoved' }] }])
  })

  t.test('stays as the tenant has it when the rest goes live', async (t) => {
    const { data: preferring } = await acme.query('scimShadow.list', {
      connectionId,
      prefer: 'provider',
      filter: 'change'
    })
    t.match(
      preferring.items.find(({ id }: { id: string }) => id === bothId),
      {
        conflicts: EMPTY,
        changes: [{ attribute: 'displayName', from: 'By Ada', to: 'By the IdP' }, { attribute: 'title' }]
      },
      'or becomes what the provider has made of it, where the administrator prefers that'
    )
    const preferred = await acme.query('scimShadow.summary', { connectionId, prefer: 'provider' })
    t.match(preferred.data.counts, { users: { ...none, change: 3 }, conflicts: 5 })
    const { counts } = (await acme.query('scimShadow.summary', { connectionId })).data
    t.match(counts, {
      users: { ...none, change: 3 },
      groups: none,
      memberships: { added: 1, removed: 1, refused: 1 },
      conflicts: 6
    })
    const { data, error } = await acme.mutate('scimShadow.goLive', { connectionId, expected: counts })
    t.strictSame(data?.counts, counts, String(error?.message))
    const both = await scim.get(`/Users/${bothId}`)
    t.match(both.body, { displayName: 'By Ada', title: 'Boss' })
    t.match((await scim.get(`/Users/${oneId}`)).body, { userName: 'two@three.test' })
    t.match((await scim.get(`/Users/${twoId}`)).body, { userName: 'one@three.test' })
    t.equal((await scim.get(`/Users/${goneId}`)).status, 404)
    t.notOk((await scim.get(`/Users/${raisedId}`)).body.title)
    t.same(
      (await scim.get(`/Groups/${team}`)).body.members.map(({ value }: { value: string }) => value),
      [twoId],
      'members that others took out stay out'
    )
    const again = await scim.post('/Users', person('taken', 'three'))
    t.equal(again.status, 409, 'from here on as ever')
  })

  t.test('does not take the last administrator away', async (t) => {
    const other = await openHistory(t, 'last', app)
    const { scim: entra, connectionId: id } = await openShadow(other, 'Entra')
    t.equal((await entra.delete(`/Users/${other.rootId}`)).status, 204)
    t.equal((await entra.delete(`/Users/${other.adaId}`)).status, 403, 'in a shadow, too')
    await app.owner.updateTable('users').set({ state: 'deactivated' }).where('id', '=', other.adaId).execute()
    const { data } = await app.query('last', 'scimShadow.list', { connectionId: id }, OPERATOR)
    t.match(data.items, [
      { id: other.rootId, effect: null, conflicts: [{ attribute: 'state', reason: 'lastAdministrator' }] }
    ])
    const live = await app.mutate('last', 'scimShadow.goLive', { connectionId: id }, OPERATOR)
    t.match(live.data.counts, { users: none, conflicts: 1 })
    const root = await entra.get(`/Users/${other.rootId}`)
    t.equal(root.status, 200)
    const { rows } = await sql`
      select address_key from addresses where tenant_id = ${other.tenant.id} and user_id = ${other.rootId}`.execute(
      app.owner
    )
    t.same(rows, [{ address_key: 'root@last.test' }], 'with the address')
  })
})

test('the decision whose value counts, person by person', async (t) => {
  const acme = await openHistory(t, 'decided')
  const { app, tenant } = acme
  const ids = await insertPeople(
    app.owner,
    tenant.id,
    ['ann', 'ben', 'cat'].map((name) => ({ email: `${name}@decided.test`, displayName: name }))
  )
  const [annId, benId, catId] = ids as [string, string, string]
  const made = async (displayName: string) => (await acme.mutate('groups.create', { displayName })).data.group.id
  const [east, west] = [await made('East'), await made('West')]
  const { scim, connectionId } = await openShadow(acme, 'Okta')
  const rename = (path: string, value: string) => scim.patch(path, [{ op: 'replace', path: 'displayName', value }])
  for (const id of ids) await rename(`/Users/${id}`, 'By the IdP')
  await rename(`/Groups/${east}`, 'East by the IdP')
  t.equal((await scim.delete(`/Groups/${west}`)).status, 204)
  for (const userId of ids) await acme.mutate('users.update', { userId, displayName: 'By Ada' })
  for (const groupId of [east, west]) await acme.mutate('groups.update', { groupId, displayName: `${groupId} by Ada` })
  const listed = async (input: object = {}) =>
    (await acme.query('scimShadow.list', { connectionId, filter: 'conflict', ...input })).data.items
  const one = async (id: string, input: object = {}) =>
    (await listed(input)).find((item: { id: string }) => item.id === id)
  const decide = (id: string, prefer: string | null, kind = 'user') =>
    acme.mutate('scimShadow.decide', { connectionId, kind, id, prefer })
  const conflictsOf = async (prefer: string) =>
    (await acme.query('scimShadow.summary', { connectionId, prefer })).data.counts.conflicts

  t.test('is made for one person and leaves the others as they are', async (t) => {
    const contested = { isContested: true, prefer: null }
    t.match(await one(annId), {
      ...contested,
      effect: null,
      conflicts: [{ attribute: 'displayName', reason: 'changedSince', wanted: 'By the IdP', current: 'By Ada' }]
    })
    t.equal((await decide(annId, 'provider')).status, 200)
    t.equal((await decide(benId, 'tenant')).status, 200)
    t.equal((await decide(east, 'provider', 'group')).status, 200)
    t.equal((await decide(west, 'provider', 'group')).status, 200)
    t.match(await one(annId), { isContested: true, prefer: 'provider', effect: 'change', conflicts: EMPTY })
    t.match(await one(benId), { isContested: true, prefer: 'tenant', effect: null, conflicts: [{ current: 'By Ada' }] })
    t.match(await one(west, { kind: 'group' }), { isContested: true, prefer: 'provider', effect: 'remove' })
    t.equal(await conflictsOf('tenant'), 2, 'Ben and Cat stay')
    t.equal(await conflictsOf('provider'), 1, 'and Ben, whatever holds for all others')
    t.match(await one(catId, { prefer: 'provider' }), { ...contested, effect: 'change' })
  })

  t.test('is taken back', async (t) => {
    await decide(west, null, 'group')
    t.match(await one(west, { kind: 'group' }), { isContested: true, prefer: null, effect: null })
    await decide(west, 'provider', 'group')
  })

  t.test('is for administrators, and for people of the shadow’s beginning', async (t) => {
    const { body } = await scim.post('/Users', person('new', 'decided'))
    t.equal((await decide(body.id, 'tenant')).status, 404)
    t.equal((await decide(annId, 'tenant', 'group')).status, 404)
    const cookie = await signInAs(app.owner, tenant.id, annId)
    const asked = { connectionId, kind: 'user', id: annId, prefer: 'provider' }
    t.equal((await app.mutate('decided', 'scimShadow.decide', asked, { cookie })).status, 403)
  })

  t.test('applies when the shadow goes live', async (t) => {
    const prefer = 'provider'
    const { counts } = (await acme.query('scimShadow.summary', { connectionId, prefer })).data
    t.equal((await acme.mutate('scimShadow.goLive', { connectionId, prefer, expected: counts })).status, 200)
    const nameOf = async (path: string) => (await scim.get(path)).body.displayName
    t.equal(await nameOf(`/Users/${annId}`), 'By the IdP')
    t.equal(await nameOf(`/Users/${benId}`), 'By Ada')
    t.equal(await nameOf(`/Users/${catId}`), 'By the IdP')
    t.equal(await nameOf(`/Groups/${east}`), 'East by the IdP')
    t.equal((await scim.get(`/Groups/${west}`)).status, 404)
    t.match((await decide(annId, null)).error, { reason: 'notInShadow' })
  })
})

test('what changes in the tenant while a shadow is open', async (t) => {
  const acme = await openHistory(t, 'drift')
  const { app, tenant } = acme
  const [amyId, bobId, goneId] = (await insertPeople(app.owner, tenant.id, [
    { email: 'amy@drift.test', displayName: 'Amy' },
    { email: 'bob@drift.test', displayName: 'Bob' },
    { email: 'gone@drift.test', displayName: 'Gone' }
  ])) as [string, string, string]
  const team = (await acme.mutate('groups.create', { displayName: 'Team', members: [amyId, goneId] })).data.group.id
  const { scim, connectionId } = await openShadow(acme, 'Okta')
  await scim.patch(`/Users/${bobId}`, [{ op: 'replace', path: 'title', value: 'By the IdP' }])
  await scim.createUser(person('both', 'drift'))

  await acme.mutate('users.update', { userId: amyId, displayName: 'Amy Moved' })
  await acme.mutate('users.update', { userId: bobId, displayName: 'Bob Moved' })
  await acme.mutate('groups.removeMembers', { groupId: team, userIds: [goneId] })
  await acme.mutate('users.deactivate', { userId: goneId })
  await acme.mutate('users.remove', { userId: goneId })
  const [newId] = (await insertPeople(app.owner, tenant.id, [
    { email: 'new@drift.test' },
    { email: 'both@drift.test' }
  ])) as [string]
  await acme.mutate('invitations.create', { invites: [{ email: 'ivy@drift.test' }] })

  t.test('is copied on demand, except for people whom the identity provider has changed', async (t) => {
    t.match((await scim.get('/Users?filter=userName eq "new@drift.test"')).body, { totalResults: 0 })
    const before = await dump(acme, tenant.id)
    const { data, error } = await acme.mutate('scimShadow.refresh', { connectionId })
    t.match(data, { users: 4 }, String(error?.message))
    const { audit_events: _, ...after } = await dump(acme, tenant.id)
    t.match(before, after, 'and changes nothing of the tenant')
    t.match((await scim.get('/Users?filter=userName eq "new@drift.test"')).body, { Resources: [{ id: newId }] })
    t.match((await scim.get(`/Users/${amyId}`)).body, { displayName: 'Amy Moved', groups: [{ display: 'Team' }] })
    t.match((await scim.get(`/Users/${bobId}`)).body, { displayName: 'Bob', title: 'By the IdP' })
    t.equal((await scim.get(`/Users/${goneId}`)).status, 404)
    t.same(
      (await scim.get(`/Groups/${team}`)).body.members.map(({ value }: { value: string }) => value),
      [amyId]
    )
    t.match((await scim.get('/Users?count=0')).body, { totalResults: 7 })
    t.match((await acme.mutate('scimShadow.refresh', { connectionId })).data, { users: 0 })
  })

  t.test('does not count as the identity provider’s doing', async (t) => {
    const ivy = await scim.post('/Users', person('ivy', 'drift'))
    t.equal(ivy.status, 201, 'who was invited meanwhile is met')
    await scim.patch(`/Users/${newId}`, [{ op: 'replace', path: 'title', value: 'Head' }])
    const { counts } = (await acme.query('scimShadow.summary', { connectionId })).data
    t.match(counts, { users: { ...none, link: 1, change: 2 }, memberships: { added: 0, removed: 0 }, conflicts: 1 })
    t.match((await acme.mutate('scimShadow.goLive', { connectionId, expected: counts })).data, { counts })
    t.match((await scim.get(`/Users/${bobId}`)).body, { displayName: 'Bob Moved', title: 'By the IdP' })
    t.match((await scim.get(`/Users/${newId}`)).body, { title: 'Head' })
    t.equal((await scim.get(`/Users/${ivy.body.id}`)).status, 200)
  })
})
