// Undo through the real API: a bad synchronization is taken back, conflicts are refused, and only administrators may
// undo.
import { sql } from 'kysely'
import { test } from 'tap'
import type { TestApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { createGroup, createUsers, openHistory } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { countStatements } from '../support/statements.ts'
import { GROUP } from '../support/urns.ts'

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

  t.test('is previewed in full, and the preview changes nothing', async (t) => {
    const { data, error } = await acme.query('history.preview', scope)
    t.notOk(error)
    const counts = { users: 50, groups: 0, memberships: 1_500, refused: 0 }
    t.match(data, { undoId: null, counts, isComplete: false }, 'there is no undo to be undone')
    t.same(await acme.snapshot(), emptied)
  })

  t.test('is undone exactly: every membership returns with its owner', async (t) => {
    const { data, error } = await acme.mutate('history.undo', scope)
    t.notOk(error)
    t.match(data.counts, { users: 50, memberships: 1_500, refused: 0 })
    t.same(await acme.snapshot(), before)

    t.test('can be undone again after its undo was undone', async (t) => {
      const undone = await acme.mutate('history.undo', { eventId: data.undoId })
      t.match(undone.data.counts, { users: 50, memberships: 1_500, refused: 0 })
      t.same(await acme.snapshot(), emptied)
      await acme.mutate('history.undo', { eventId: undone.data.undoId })
      t.same(await acme.snapshot(), before)
    })
  })

  t.test('is undone only once; a second undo changes nothing', async (t) => {
    const { data } = await acme.mutate('history.undo', scope)
    t.match(data, { undoId: null, counts: { users: 0, memberships: 0, refused: 0 } })
  })
})

test('the counts of an undo', async (t) => {
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

  t.test('include memberships that end with a group when the undo is undone', async (t) => {
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

  t.test('include memberships that end with a user when the undo is undone', async (t) => {
    await scim.delete(`/Users/${first}`)
    const back = await undoing({ eventId: await latest('history.user', { userId: first }) })
    t.match(back.counts, { events: 1, users: 1, memberships: 1 })
    t.match((await undoing({ eventId: back.undoId })).counts, { users: 1, memberships: 1 })
  })

  t.test('include, for one user up to a moment, changes that are recorded with the group', async (t) => {
    const at = acme.app.clock.now().toISOString()
    await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${second}"]` }])
    const { counts } = await undoing({ userId: second, at })
    t.same(counts, { events: 1, users: 0, groups: 0, memberships: 1, refused: 0 })
  })
})

test('an undo takes the same number of statements for one person as for many', async (t) => {
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

test('an undo and what others did since', async (t) => {
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

  t.test('keeps a later change of the same attribute and undoes the others', async (t) => {
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

  t.test('reports no conflict for what already has its old value', async (t) => {
    const from = since()
    await scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${second}"]` }])
    await acme.mutate('groups.addMembers', { groupId, userIds: [second] })
    const { data } = await acme.mutate('history.undo', { connectionId, since: from })
    t.match(data, { undoId: null, counts: { memberships: 0, refused: 0 } })
  })

  t.test('does not bring a person back whose userName or address somebody else has taken', async (t) => {
    const from = since()
    await scim.delete(`/Users/${third}`)
    await scim.delete(`/Users/${fourth}`)
    await scim.createUser({ userName: 'person2@acme.test', emails: [{ value: 'new@acme.test' }] })
    const globex = await openHistory(t, 'globex', acme.app)
    await globex.mutate('invitations.create', { invites: [{ email: 'person3@acme.test' }] })
    const removal = await acme.query('history.user', { userId: third, limit: 1 })
    const { data } = await acme.mutate('history.undo', { eventId: removal.data.items[0].id })
    t.match(data.items[0], { kind: 'user', id: third, changes: EMPTY, conflicts: [{ reason: 'userNameTaken' }] })
    t.match(data.items[1], { kind: 'membership', id: third, conflicts: [{ reason: 'userRemoved', wanted: true }] })
    const whole = await acme.query('history.preview', { userId: fourth, at: from })
    t.match(whole.data.items, [{ id: fourth, conflicts: [{ reason: 'addressTaken' }] }])
    t.match(await rowOf(third), { state: 'removed' })
  })

  t.test('does not bring a group back whose name another group has taken', async (t) => {
    const gone = await createGroup(scim, 'Night shift', [first])
    await scim.delete(`/Groups/${gone}`)
    await acme.mutate('groups.create', { displayName: 'night SHIFT' })
    const { data } = await acme.query('history.group', { groupId: gone })
    t.equal(data.items[0].action, 'group.removed')
    const undone = await acme.mutate('history.undo', { eventId: data.items[0].id })
    t.match(undone.data.items[0].conflicts, [{ reason: 'groupNameTaken' }])
    t.match(undone.data.items[1].conflicts, [{ reason: 'groupRemoved' }])
  })

  t.test('refuses events that changed nothing, and callers who are no administrators', async (t) => {
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

  t.test('ends neither one’s own access nor the last administrator’s', async (t) => {
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

test('an undo loses nothing of what the identity provider changes meanwhile', async (t) => {
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
  // a change that was there before the undo read is one of those to be undone
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

test('the roles that groups give', async (t) => {
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

  t.test('follow what is undone', async (t) => {
    await acme.mutate('groups.removeMembers', { groupId, userIds: [firstId, secondId] })
    t.same(await roles(), ['responder', 'responder', 'administrator'])
    const undone = await acme.mutate('history.undo', { eventId: await newest() })
    t.match(undone.data.counts, { memberships: 2, refused: 0 })
    t.same(await roles(), ['manager', 'manager', 'administrator'])
  })

  t.test('refuse only the part of an undo that would take away one’s own role', async (t) => {
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
