import { sql } from 'kysely'
import { test } from 'tap'
import { OPERATOR } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { openHistory, snapshotOf } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { ENTERPRISE, GROUP } from '../support/urns.ts'
import { countShadowRows, dump, none, openShadow, person } from './shadowing.ts'

test('a whole cycle in shadow mode', async (t) => {
  const acme = await openHistory(t)
  const { app, tenant } = acme
  const [linId, maxId, tomId, zoeId] = (await insertPeople(app.owner, tenant.id, [
    { email: 'lin@acme.test', displayName: 'Lin' },
    { email: 'max@acme.test', displayName: 'Max' },
    { email: 'tom@acme.test', displayName: 'Tom' },
    { email: 'zoe@acme.test', displayName: 'Zoe' }
  ])) as [string, string, string, string]
  const staff = (await acme.mutate('groups.create', { displayName: 'Staff', members: [maxId, tomId] })).data.group.id
  const old = (await acme.mutate('groups.create', { displayName: 'Old', members: [zoeId] })).data.group.id
  await acme.mutate('invitations.create', { invites: [{ email: 'ivy@acme.test', role: 'manager' }] })
  const { scim, connectionId, shadowId } = await openShadow(acme, 'Entra')
  const [ofMax, ofLin] = [await signInAs(app.owner, tenant.id, maxId), await signInAs(app.owner, tenant.id, linId)]
  const before = await dump(acme, tenant.id)
  const jobs = async () =>
    (await sql<{ count: number }>`select count(*)::int as count from pgboss.job`.execute(app.owner)).rows[0]!.count
  const jobsBefore = await jobs()
  const made: Record<string, string> = {}

  t.test('lets the identity provider find everybody, and its changes look real', async (t) => {
    const found = await scim.get('/Users?filter=userName eq "LIN@acme.test"')
    t.match(found.body, { totalResults: 1, Resources: [{ id: linId, displayName: 'Lin', active: true }] })
    t.equal((await scim.patch(`/Users/${linId}`, [{ op: 'add', path: 'externalId', value: 'x-lin' }])).status, 200)
    const ann = await scim.post('/Users', person('ann', 'acme', { [ENTERPRISE]: { department: 'Sales' } }))
    t.equal(ann.status, 201)
    t.match(ann.headers['location'], /^http:\/\/acme\.muster\.test\/scim\/v2\/Users\/[0-9a-f-]{36}$/)
    made['ann'] = ann.body.id
    made['bob'] = (await scim.post('/Users', person('bob', 'acme', { password: 'correct horse battery' }))).body.id
    const ivy = await scim.post('/Users', person('ivy', 'acme'))
    t.equal(ivy.status, 201)
    made['ivy'] = ivy.body.id
    const short = await scim.post('/Users', person('short', 'acme'))
    t.equal((await scim.delete(`/Users/${short.body.id}`)).status, 204, 'somebody who comes and goes')
    const patched = await scim.patch(`/Users/${maxId}`, [
      { op: 'Replace', path: 'title', value: 'Boss' },
      { op: 'Replace', path: 'password', value: 'another horse battery' }
    ])
    t.equal(patched.status, 200)
    t.match((await scim.patch(`/Users/${tomId}`, [{ op: 'Replace', path: 'active', value: 'False' }])).body, {
      active: false
    })
    t.equal((await scim.delete(`/Users/${zoeId}`)).status, 204)
    t.equal((await scim.get(`/Users/${zoeId}`)).status, 404)
    const sales = await scim.post('/Groups', {
      schemas: [GROUP],
      displayName: 'Sales',
      externalId: 'g-sales',
      members: [{ value: made['ann'] }, { value: linId }]
    })
    t.equal(sales.status, 201)
    made['sales'] = sales.body.id
    t.equal(
      (
        await scim.patch(`/Groups/${staff}`, [
          { op: 'Add', path: 'members', value: [{ value: made['bob'] }, { value: sales.body.id }] },
          { op: 'Remove', path: 'members', value: [{ value: maxId }] }
        ])
      ).status,
      204
    )
    t.equal((await scim.delete(`/Groups/${old}`)).status, 204)
    t.equal((await scim.post('/Users', person('ann', 'acme'))).status, 409, 'no name is given twice')
    t.match((await scim.get(`/Users/${made['ann']}`)).body, { groups: [{ display: 'Staff' }, { display: 'Sales' }] })
    t.match((await scim.get('/Users?count=0')).body, { totalResults: 8 })
  })

  t.test('changes not a byte of the tenant, and mails nobody', async (t) => {
    t.strictSame(await dump(acme, tenant.id), before)
    t.equal(await jobs(), jobsBefore)
    t.match(await acme.query('users.list', { search: 'ann' }), { data: { items: EMPTY } })
    t.match(await app.query('', 'tenants.list', {}, OPERATOR), {
      data: { items: [{ subdomain: 'acme' }], nextCursor: null }
    })
    const lines = (await acme.query('scimConnections.list', {})).data.items
    t.match(lines, [{ name: 'Entra', users: undefined, shadow: { openedAt: String } }])
    t.equal((await app.inject(`SHADOW ${-shadowId}`, { method: 'GET', url: '/scim/v2/Users' })).statusCode, 404)
  })

  const expected = {
    users: { ...none, create: 2, link: 2, change: 1, deactivate: 1, remove: 1 },
    groups: { ...none, create: 1, remove: 1 },
    memberships: { added: 4, removed: 1, refused: 0 },
    conflicts: 0
  }
  t.test('has exact numbers, and shows each person', async (t) => {
    t.strictSame((await acme.query('scimShadow.summary', { connectionId })).data.counts, expected)
    const list = async (input: object) => (await acme.query('scimShadow.list', { connectionId, ...input })).data
    t.match(
      (await list({ filter: 'link' })).items,
      [
        { kind: 'user', id: linId, name: 'Lin', conflicts: [] },
        { id: made['ivy'], changes: [] }
      ].map(({ id }) => ({ id }))
    )
    t.match((await list({ filter: 'change' })).items, [
      { id: maxId, effect: 'change', changes: [{ attribute: 'title', to: 'Boss' }] }
    ])
    t.match((await list({ filter: 'deactivate' })).items, [
      { id: tomId, changes: [{ attribute: 'state', from: 'active', to: 'deactivated' }] }
    ])
    t.match((await list({ filter: 'remove' })).items, [{ id: zoeId, name: 'Zoe' }])
    const groups = (await list({ kind: 'group' })).items as { name: string }[]
    t.match(Object.fromEntries(groups.map((group) => [group.name, group])), {
      Old: { effect: 'remove', memberships: EMPTY },
      Sales: { effect: 'create', membershipCounts: { joined: 2, left: 0 } },
      Staff: {
        effect: null,
        memberships: [
          { id: made['bob'], name: 'bob', change: 'joined' },
          { id: maxId, change: 'left' }
        ]
      }
    })
    const [linked] = (await list({ filter: 'link' })).items
    t.match(linked, { id: linId, memberships: [{ name: 'Sales', change: 'joined' }] })
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page = await list({ limit: 2, ...(cursor && { cursor }) })
      ids.push(...page.items.map((item: { id: string }) => item.id))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    t.strictSame(ids, [...ids].sort(), 'page by page')
    t.equal(ids.length, 7)
    t.strictSame(await dump(acme, tenant.id), before, 'looking changes nothing')
  })

  t.test('makes the tenant what the shadow was when it goes live, with the ids that were answered', async (t) => {
    const shown = await snapshotOf(app.owner, shadowId)
    const answers = Object.fromEntries(
      await Promise.all(
        ['/Users', '/Groups'].map(async (path) => [path, (await scim.get(`${path}?count=100`)).body.Resources])
      )
    ) as Record<string, { id: string; meta: { version: string } }[]>
    const other = await acme.mutate('scimShadow.goLive', {
      connectionId,
      expected: { ...expected, conflicts: 1 }
    })
    t.match(other, { status: 409, error: { reason: 'shadowChanged' } })
    t.strictSame((await dump(acme, tenant.id))['users'], before['users'], 'not what the administrator has not seen')
    const live = await acme.mutate('scimShadow.goLive', { connectionId, expected })
    t.match(live, { status: 200, data: { counts: expected } })

    const real = await snapshotOf(app.owner, tenant.id)
    const stripped = Object.fromEntries(
      Object.entries(shown['addresses']).map(([key, id]) => [key.slice(`${shadowId} `.length), id])
    )
    t.strictSame(real, { ...shown, addresses: stripped })
    for (const [path, resources] of Object.entries(answers)) {
      for (const { id, meta } of resources) {
        const { status, body } = await scim.get(`${path}/${id}`)
        t.match({ status, version: body.meta.version }, { status: 200, version: meta.version }, `${path}/${id}`)
      }
    }
    const ann = answers['/Users']!.find(({ id }) => id === made['ann'])!
    const patched = await scim.patch(`/Users/${ann.id}`, [{ op: 'replace', path: 'title', value: 'Head' }], {
      'if-match': ann.meta.version
    })
    t.match(patched, { status: 200, body: { title: 'Head' } }, 'the entity tag holds')
    t.match((await acme.query('users.get', { userId: made['ann'] })).data.user, { displayName: 'ann', source: 'scim' })
    t.equal((await scim.get(`/Users/${zoeId}`)).status, 404)
  })

  t.test('has its consequences in the tenant once live: invitations, passwords, the log', async (t) => {
    const { items } = (await acme.query('invitations.list', {})).data
    t.match(items, [{ email: 'ivy@acme.test', state: 'adopted' }])
    const signedIn = await app.mutate('acme', 'auth.signIn', {
      email: 'bob@acme.test',
      password: 'correct horse battery'
    })
    t.equal(signedIn.status, 200)
    const me = async (cookie: string) => (await app.query('acme', 'auth.me', undefined, { cookie })).status
    t.same([await me(ofMax), await me(ofLin)], [401, 200], 'another password ends sessions')
    const audited = (await acme.query('audit.list', { limit: 200 })).data.items as {
      action: string
      actor: { name: string }
    }[]
    const actions = audited.map(({ action }) => action)
    for (const action of [
      'scimConnection.wentLive',
      'user.created',
      'user.removed',
      'user.deactivated',
      'group.created',
      'group.removed',
      'group.membersChanged',
      'invitation.adopted'
    ]) {
      t.ok(actions.includes(action), action)
    }
    t.match((await acme.query('scimConnections.get', { connectionId })).data.connection, {
      shadow: null,
      users: 4,
      groups: 1
    })
  })

  t.test('leaves nothing of the shadow behind', async (t) => {
    t.equal(await countShadowRows(acme), 0)
    t.match(await acme.query('scimShadow.summary', { connectionId }), { error: { reason: 'notInShadow' } })
  })

  t.test('can be undone as a whole, like anything else that the connection did', async (t) => {
    const undone = await acme.mutate('history.preview', { connectionId, since: '2026-01-01T00:00:00Z' })
    t.equal(undone.status, 405)
    const { data } = await acme.query('history.preview', { connectionId, since: '2026-01-01T00:00:00Z' })
    t.match(data.counts, { users: 7, groups: 2, refused: 0 })
  })
})
