// Groups give roles: the preview, the roles that result, and when they follow changes.
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import { inParallel, statusesOf } from '../support/deprovisioning.ts'
import { insertUsers } from '../support/groups.ts'
import { insertPerson, signInAs } from '../support/people.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

type Mapping = { groupId: string; role: string }[]

async function setUp(app: TestApp, subdomain: string, count = 8) {
  const tenant = await addTenant(app, subdomain, { brake: { off: true } })
  const ids = await insertUsers(app.owner, tenant.id, count, { prefix: `${subdomain}-` })
  const adaId = await insertPerson(app.owner, tenant.id, {
    email: `ada@${subdomain}.test`,
    role: 'administrator',
    displayName: 'Ada'
  })
  const ada = { cookie: await signInAs(app.owner, tenant.id, adaId) }
  const call = async (procedure: string, input: object, caller: object = ada) => {
    const kind = ['groupRoles.preview', 'groupRoles.get', 'users.get', 'audit.list'].includes(procedure)
    return kind ? app.query(subdomain, procedure, input, caller) : app.mutate(subdomain, procedure, input, caller)
  }
  const makeGroup = async (displayName: string, members: readonly string[] = []) =>
    (await call('groups.create', { displayName, members })).data.group.id as string
  const roles = async () => {
    const rows = await app.owner
      .selectFrom('users')
      .select(['id', 'role', 'given_role'])
      .where('tenant_id', '=', tenant.id)
      .execute()
    return new Map(rows.map(({ id, role, given_role }) => [id, given_role ? `${role} (own: ${given_role})` : role]))
  }
  return {
    tenant,
    ids,
    adaId,
    ada,
    call,
    makeGroup,
    roleOf: async (id: string) => (await roles()).get(id),
    update: (mapping: Mapping) => call('groupRoles.update', { mapping }),
    preview: (mapping: Mapping) => call('groupRoles.preview', { mapping }),
    add: (groupId: string, userIds: string[], caller?: object) =>
      call('groups.addMembers', { groupId, userIds }, caller),
    drop: (groupId: string, userIds: string[], caller?: object) =>
      call('groups.removeMembers', { groupId, userIds }, caller)
  }
}

const nest = async (scim: Scim, groupId: string, childId: string) =>
  scim.patch(`/Groups/${groupId}`, [{ op: 'add', path: 'members', value: [{ value: childId, type: 'Group' }] }])

test('groups give roles', async (t) => {
  const app = await startApp(t)

  t.test(
    'give exactly what the preview shows; the highest role wins, and everybody keeps a role of their own to fall back to',
    async (t) => {
      const { ids, adaId, call, makeGroup, roleOf, update, preview, add, drop } = await setUp(app, 'acme')
      const [a, b, c] = ids as [string, string, string]
      const managers = await makeGroup('Managers', [a, b])
      const watchers = await makeGroup('Watchers', [a, c])
      const leads = await makeGroup('Leads', [b])
      const mapping = [
        { groupId: managers, role: 'manager' },
        { groupId: watchers, role: 'stakeholder' },
        { groupId: leads, role: 'administrator' }
      ]
      const previewed = (await preview(mapping)).data
      t.match(previewed, { total: 2, raised: 2, lowered: 0 })
      t.equal(await roleOf(a), 'responder', 'a preview changes nothing')
      const updated = await update(mapping)
      t.same(updated.data.changed, previewed)
      t.match(updated.data, {
        people: 2,
        mapping: [{ displayName: 'Leads' }, { displayName: 'Managers', ceiling: null }, { displayName: 'Watchers' }]
      })
      t.same(
        [await roleOf(a), await roleOf(b), await roleOf(c)],
        ['manager (own: responder)', 'administrator (own: responder)', 'responder'],
        'a lower one takes nothing away'
      )
      t.match((await call('users.get', { userId: b })).data, {
        user: { role: 'administrator' },
        roleSource: {
          ownRole: 'responder',
          groups: [
            { displayName: 'Leads', role: 'administrator' },
            { displayName: 'Managers', role: 'manager' }
          ]
        }
      })
      t.equal((await drop(leads, [b])).status, 200)
      t.equal(await roleOf(b), 'manager (own: responder)')
      t.equal((await add(managers, [c])).status, 200)
      t.equal(await roleOf(c), 'manager (own: responder)')
      t.equal((await call('users.setRole', { userId: c, role: 'stakeholder' })).data.user.role, 'manager')
      t.equal(await roleOf(c), 'manager (own: stakeholder)', 'setRole gives a role of their own')
      t.equal((await call('users.setRole', { userId: c, role: 'administrator' })).data.user.role, 'administrator')
      t.equal(await roleOf(c), 'administrator')
      await call('users.setRole', { userId: c, role: 'responder' })
      t.equal(await roleOf(c), 'manager (own: responder)', 'and a group gives a higher one at once')
      t.equal((await call('groups.remove', { groupId: managers })).status, 200)
      t.same([await roleOf(a), await roleOf(b), await roleOf(c)], ['responder', 'responder', 'responder'])

      const events = (await call('audit.list', { filter: { targetId: c, action: 'user.groupRoleChanged' } })).data.items
      t.match(events, [
        { before: { role: 'manager' }, after: { role: 'responder', givenBy: 'their own role', because: 'Managers' } },
        { after: { role: 'manager', givenBy: 'Managers' } },
        { before: { role: 'manager' }, after: { role: 'administrator', givenBy: 'their own role' } },
        { after: { role: 'manager', givenBy: 'Managers', because: 'Managers' }, actorId: adaId }
      ])
      await update([])
      const { settings } = await app.owner
        .selectFrom('tenants')
        .select('settings')
        .where('subdomain', '=', 'acme')
        .executeTakeFirstOrThrow()
      t.equal(settings.groupRoles, undefined, 'without a mapping nobody pays for it')
    }
  )

  t.test('give roles to members of nested groups, whichever way nesting changes', async (t) => {
    const { tenant, ids, makeGroup, roleOf, update, drop } = await setUp(app, 'nested')
    const scim = await scimClient(app, tenant, { highestRole: 'administrator' })
    const [a, b] = ids as [string, string]
    const top = await makeGroup('Top')
    const middle = await makeGroup('Middle', [a])
    const low = await makeGroup('Low', [b])
    await update([{ groupId: top, role: 'manager' }])
    t.equal((await nest(scim, middle, low)).status, 204)
    t.equal(await roleOf(b), 'responder')
    t.equal((await nest(scim, top, middle)).status, 204)
    t.same([await roleOf(a), await roleOf(b)], ['manager (own: responder)', 'manager (own: responder)'])
    t.equal((await scim.patch(`/Groups/${middle}`, [{ op: 'remove', path: `members[value eq "${low}"]` }])).status, 204)
    t.equal(await roleOf(b), 'responder')
    t.equal((await nest(scim, top, low)).status, 204)
    t.equal(await roleOf(b), 'manager (own: responder)')
    t.equal((await scim.delete(`/Groups/${middle}`)).status, 204)
    t.equal(await roleOf(a), 'responder')
    t.equal((await drop(low, [b])).status, 200)
    t.equal(await roleOf(b), 'responder')
    t.equal(
      (await scim.put(`/Groups/${low}`, { displayName: 'Low', members: ids.map((value) => ({ value })) })).status,
      200
    )
    t.same([await roleOf(a), await roleOf(ids[7]!)], ['manager (own: responder)', 'manager (own: responder)'])
    t.equal((await scim.put(`/Groups/${low}`, { displayName: 'Low', members: [] })).status, 200)
    t.same([await roleOf(a), await roleOf(ids[7]!)], ['responder', 'responder'])
  })

  t.test('give no role above the highest role of the identity provider that made the membership', async (t) => {
    const { tenant, ids, call, makeGroup, roleOf, update, preview, add } = await setUp(app, 'ceiling')
    const scim = await scimClient(app, tenant, { name: 'Okta', highestRole: 'responder' })
    const { id: connectionId } = await app.owner
      .selectFrom('scim_connections')
      .select('id')
      .where('tenant_id', '=', tenant.id)
      .executeTakeFirstOrThrow()
    const [a, b, c] = ids as [string, string, string]
    for (const userId of [a, b, c]) await call('users.setRole', { userId, role: 'stakeholder' })
    const own = await makeGroup('Own', [a])
    const theirs = (await scim.post('/Groups', { displayName: 'Theirs', members: [{ value: b }] })).body.id as string
    await add(theirs, [c])
    const mapping = [
      { groupId: own, role: 'manager' },
      { groupId: theirs, role: 'manager' }
    ]
    t.match((await preview(mapping)).data, { total: 3 })
    t.match((await update(mapping)).data.mapping, [{ ceiling: null }, { ceiling: 'responder', connectionName: 'Okta' }])
    t.same(
      [await roleOf(a), await roleOf(b), await roleOf(c)],
      ['manager (own: stakeholder)', 'responder (own: stakeholder)', 'responder (own: stakeholder)'],
      'neither whom it put there, nor anybody in a group of its own'
    )
    const add1 = await scim.patch(`/Groups/${own}`, [{ op: 'add', path: 'members', value: [{ value: b }] }])
    t.equal(add1.status, 204)
    t.equal(await roleOf(b), 'responder (own: stakeholder)', 'nor whom it puts elsewhere')
    const refused = await scim.patch(`/Groups/${own}`, [{ op: 'remove', path: `members[value eq "${a}"]` }])
    t.match([refused.status, refused.body.detail], [403, /above responder/], 'and it lowers nobody above it')
    t.equal((await scim.put(`/Groups/${own}`, { displayName: 'Own', members: [] })).status, 403)
    t.equal(await roleOf(a), 'manager (own: stakeholder)')

    await call('scimConnections.update', { connectionId, highestRole: 'manager' })
    t.same(
      [await roleOf(b), await roleOf(c)],
      ['manager (own: stakeholder)', 'manager (own: stakeholder)'],
      'it may give more: so do its groups'
    )
    await call('scimConnections.update', { connectionId, highestRole: 'responder' })
    t.equal(await roleOf(b), 'responder (own: stakeholder)')
    await call('scimConnections.remove', { connectionId })
    t.equal(await roleOf(b), 'responder (own: stakeholder)', 'what it did gives no more because it is gone')
    t.equal(await roleOf(c), 'manager (own: stakeholder)', 'the group is the tenant’s own now')
  })

  t.test('a change of members that changes roles needs the rights of a role change', async (t) => {
    const { tenant, ids, adaId, ada, call, makeGroup, roleOf, update, add, drop } = await setUp(app, 'rules')
    const [a, b] = ids as [string, string]
    const mattId = await insertPerson(app.owner, tenant.id, { email: 'matt@rules.test', role: 'manager' })
    const matt = { cookie: await signInAs(app.owner, tenant.id, mattId) }
    const admins = await makeGroup('Admins')
    const others = await makeGroup('Others')
    await update([{ groupId: admins, role: 'administrator' }])
    t.equal((await add(admins, [mattId], matt)).error?.reason, 'administratorOnly', 'no manager raises themselves')
    t.equal((await add(admins, [a], matt)).error?.reason, 'administratorOnly')
    t.equal((await add(others, [a], matt)).status, 200, 'other groups are a manager’s')
    t.equal((await add(admins, [a, b])).status, 200)
    t.equal((await drop(admins, [a], matt)).error?.reason, 'administratorOnly')
    t.equal(await roleOf(a), 'administrator (own: responder)')
    t.equal((await app.mutate('rules', 'groupRoles.update', { mapping: [] }, matt)).error?.reason, 'administratorOnly')

    const anna = { cookie: await signInAs(app.owner, tenant.id, a) }
    t.equal((await drop(admins, [a], anna)).error?.reason, 'notYourself')
    t.equal((await app.mutate('rules', 'groupRoles.update', { mapping: [] }, anna)).error?.reason, 'notYourself')
    t.equal((await app.query('rules', 'audit.list', {}, anna)).status, 200)
    t.equal((await drop(admins, [a], ada)).status, 200)
    t.equal((await app.query('rules', 'audit.list', {}, anna)).error?.reason, 'administratorOnly', 'sessions forget it')

    const scim = await scimClient(app, tenant, { highestRole: 'administrator' })
    t.equal((await call('users.deactivate', { userId: adaId }, { token: app.deps.operatorToken })).status, 200)
    const operator = { token: app.deps.operatorToken }
    for (const attempt of [
      () => scim.patch(`/Groups/${admins}`, [{ op: 'remove', path: `members[value eq "${b}"]` }]),
      () => scim.put(`/Groups/${admins}`, { displayName: 'Admins', members: [] }),
      () => scim.delete(`/Groups/${admins}`)
    ]) {
      const answer = await attempt()
      t.match([answer.status, answer.body.detail], [403, /at least one active administrator/])
    }
    const emptied = await app.mutate('rules', 'groupRoles.update', { mapping: [] }, operator)
    t.equal(emptied.error?.reason, 'lastAdministrator')
    t.equal(await roleOf(b), 'administrator (own: responder)')
    t.equal((await scim.get(`/Groups/${admins}`)).body.members.length, 1)
  })

  t.test('leave SCIM the role of the user’s own, which a removal keeps', async (t) => {
    const { tenant, makeGroup, roleOf, update, add } = await setUp(app, 'scim', 1)
    const scim = await scimClient(app, tenant, { highestRole: 'manager' })
    const user = await scim.createUser({ userName: 's@scim.test', roles: [{ value: 'stakeholder', primary: true }] })
    const managers = await makeGroup('Managers')
    await update([{ groupId: managers, role: 'manager' }])
    await add(managers, [user.id])
    t.equal(await roleOf(user.id), 'manager (own: stakeholder)')
    t.match(
      (await scim.get(`/Users/${user.id}`)).body.roles,
      [{ value: 'stakeholder' }],
      'what it wrote is what it reads'
    )
    const raised = await scim.patch(`/Users/${user.id}`, [
      { op: 'replace', path: 'roles', value: [{ value: 'responder' }] }
    ])
    t.equal(raised.status, 200)
    t.equal(await roleOf(user.id), 'manager (own: responder)')
    const put = await scim.put(`/Users/${user.id}`, {
      userName: 's@scim.test',
      displayName: 'S',
      roles: [{ value: 'manager' }]
    })
    t.equal(put.status, 200)
    t.equal(await roleOf(user.id), 'manager')
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'roles', value: [{ value: 'stakeholder' }] }])
    t.equal(await roleOf(user.id), 'manager (own: stakeholder)')
    t.equal((await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'x' }])).status, 200)
    t.equal((await scim.delete(`/Users/${user.id}`)).status, 204)
    t.equal(await roleOf(user.id), 'stakeholder')
    const back = await scim.createUser({ userName: 's@scim.test' })
    t.same([back.id === user.id, await roleOf(user.id)], [true, 'responder'])
  })

  t.test('give and take roles again when changes of members are undone', async (t) => {
    const { ids, call, makeGroup, roleOf, update, add, drop } = await setUp(app, 'undo')
    const [a] = ids as [string]
    const managers = await makeGroup('Managers')
    await update([{ groupId: managers, role: 'manager' }])
    await add(managers, [a])
    await drop(managers, [a])
    t.equal(await roleOf(a), 'responder')
    const events = (await call('audit.list', { filter: { targetId: managers } })).data.items
    const undone = await app.mutate(
      'undo',
      'history.undo',
      { eventId: events[0].id },
      { token: app.deps.operatorToken }
    )
    t.match(undone.error, undefined)
    t.equal(await roleOf(a), 'manager (own: responder)')
    const more = await call('users.setRole', { userId: a, role: 'stakeholder' })
    t.equal(more.status, 200)
    const [event] = (await call('audit.list', { filter: { targetId: a, action: 'user.roleChanged' } })).data.items
    await app.mutate('undo', 'history.undo', { eventId: event.id }, { token: app.deps.operatorToken })
    t.equal(await roleOf(a), 'manager (own: responder)')
  })
})

test('groups give roles when much changes at the same time', async (t) => {
  const app = await startApp(t)
  const twin = await startApp(t, { database: app })
  await memberships(t, app, twin)
  await mappings(t, app, twin)
})

/** People join and leave many groups at the same time; their roles are those of the groups in which they end up. */
async function memberships(t: Test, app: TestApp, twin: TestApp) {
  const { tenant, ids, makeGroup, roleOf, update } = await setUp(app, 'races', 3)
  const [a, b] = ids as [string, string]
  const scim = await scimClient(app, tenant, { highestRole: 'administrator' })
  const groups = await Promise.all(Array.from({ length: 8 }, (_, index) => makeGroup(`G${index}`)))
  const names = ['stakeholder', 'responder', 'manager', 'manager', 'responder', 'administrator', 'manager', 'responder']
  await update(groups.map((groupId, index) => ({ groupId, role: names[index]! })))
  await twin.query('races', 'settings.get')
  for (let round = 0; round < 3; round++) {
    const joins = groups.flatMap((groupId) => [a, b].map((userId) => ({ groupId, userId })))
    const change = (op: string) => (pair: { groupId: string; userId: string }) =>
      scim.patch(`/Groups/${pair.groupId}`, [{ op, path: 'members', value: [{ value: pair.userId }] }])
    t.same(statusesOf(await inParallel(joins, 16, change('add'))), { 204: 16 })
    t.same([await roleOf(a), await roleOf(b)], ['administrator (own: responder)', 'administrator (own: responder)'])
    const leaves = joins.filter(({ groupId, userId }) => userId === a || groupId !== groups[2])
    const setRoles = [1, 2, 3].map(
      () => () =>
        app.mutate('races', 'users.setRole', { userId: a, role: 'responder' }, { token: app.deps.operatorToken })
    )
    const [left] = await Promise.all([inParallel(leaves, 16, change('remove')), ...setRoles.map((ask) => ask())])
    t.same(statusesOf(left), { 204: 15 })
    t.same([await roleOf(a), await roleOf(b)], ['responder', 'manager (own: responder)'])
    await change('remove')({ groupId: groups[2]!, userId: b })
  }
}

/** The mapping is switched on while people come and go. Everybody's role follows from their membership. */
async function mappings(t: Test, app: TestApp, twin: TestApp) {
  const { tenant, ids, makeGroup, update } = await setUp(app, 'switch', 40)
  const scim = await scimClient(app, tenant, { highestRole: 'administrator' })
  const other = await scimClient(twin, tenant, { highestRole: 'administrator' })
  const group = await makeGroup('Managers', ids.slice(0, 20))
  let isOver = false
  const moving = Promise.all(
    [scim, other, scim, other].map(async (client, lane) => {
      for (let index = lane; !isOver; index += 4) {
        const value = [{ value: ids[index % ids.length] }]
        const op = index % 3 === 0 ? 'remove' : 'add'
        await client.patch(`/Groups/${group}`, [{ op, path: 'members', value }])
      }
    })
  )
  await update([{ groupId: group, role: 'manager' }])
  isOver = true
  await moving
  const { rows } = await sql<{ is_member: boolean; role: string; count: number }>`
    select m.user_id is not null as is_member, u.role, count(*)::int as count
    from users u left join group_members m on m.tenant_id = u.tenant_id and m.user_id = u.id
    where u.tenant_id = ${tenant.id} and u.role <> 'administrator' group by 1, 2 order by 1`.execute(app.owner)
  t.same(
    rows.map(({ is_member, role }) => [is_member, role]),
    [
      [false, 'responder'],
      [true, 'manager']
    ]
  )
}
