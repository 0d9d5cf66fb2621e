// Shadow mode: an identity provider provisions a copy, an administrator sees what it would do, and has it done or not.
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { TENANT_TABLES_LEAVES_FIRST } from '../../db/tenants.ts'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { OPERATOR } from '../support/app.ts'
import { GROUP, type HistoryTenant, openHistory, snapshotOf } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { clientOf, ENTERPRISE, type Scim, USER } from '../support/scim.ts'

/** What says when a token was used, and what was sent. */
const OF_USE = new Set(['scim_tokens', 'scim_token_uses', 'scim_errors', 'wire_log'])

/** All that a tenant has, to the byte. */
async function dump({ app }: HistoryTenant, tenantId: number): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const table of [...TENANT_TABLES_LEAVES_FIRST, 'audit_events']) {
    if (OF_USE.has(table)) continue
    const { rows } = await sql<{ text: string }>`
      select coalesce(string_agg(t::text, E'\n' order by t::text), '') as text
      from ${sql.table(table)} t where tenant_id = ${tenantId}`.execute(app.owner)
    all[table] = rows[0]!.text
  }
  return all
}

/** How many rows there are of shadows. */
async function countShadowRows({ app }: HistoryTenant): Promise<number> {
  let count = 0
  for (const table of [...TENANT_TABLES_LEAVES_FIRST, 'audit_events']) {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from ${sql.table(table)} where tenant_id < 0`.execute(app.owner)
    count += rows[0]!.count
  }
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from tenants where id < 0`.execute(
    app.owner
  )
  return count + rows[0]!.count
}

async function openShadow(
  acme: HistoryTenant,
  name: string
): Promise<{ scim: Scim; connectionId: string; shadowId: number }> {
  const input = { name, profile: 'entra', highestRole: 'administrator', shadow: true }
  const { data, error } = await acme.mutate('scimTokens.create', input)
  if (error) throw new Error(error.message)
  const { connectionId } = data.scimToken
  const { shadow_id } = await acme.app.owner
    .selectFrom('scim_shadows')
    .select('shadow_id')
    .where('connection_id', '=', connectionId)
    .executeTakeFirstOrThrow()
  return { scim: clientOf(acme.app, acme.tenant, data.token), connectionId, shadowId: shadow_id! }
}

const person = (name: string, subdomain: string, more: object = {}) => ({
  schemas: [USER],
  userName: `${name}@${subdomain}.test`,
  externalId: `x-${name}`,
  displayName: name,
  emails: [{ value: `${name}@${subdomain}.test`, type: 'work', primary: true }],
  ...more
})

const none = { create: 0, link: 0, change: 0, deactivate: 0, remove: 0 }

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
  const before = await dump(acme, tenant.id)
  const jobs = async () =>
    (await sql<{ count: number }>`select count(*)::int as count from pgboss.job`.execute(app.owner)).rows[0]!.count
  const jobsBefore = await jobs()
  const made: Record<string, string> = {}

  t.test('the identity provider finds everybody, and what it does looks as if it were done', async (t) => {
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
    t.equal((await scim.patch(`/Users/${maxId}`, [{ op: 'Replace', path: 'title', value: 'Boss' }])).status, 200)
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

  t.test('and nothing of it is: the tenant is the same to the byte, and nobody is written to', async (t) => {
    t.strictSame(await dump(acme, tenant.id), before)
    t.equal(await jobs(), jobsBefore)
    t.match(await acme.query('users.list', { search: 'ann' }), { data: { items: [] } })
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
  t.test('the numbers are exact, and tell each person', async (t) => {
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
      Old: { effect: 'remove', memberships: [] },
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

  t.test('going live makes the tenant what the shadow was, under the ids that were answered', async (t) => {
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

  t.test('what follows in the tenant follows: invitations, passwords, the log', async (t) => {
    const { items } = (await acme.query('invitations.list', {})).data
    t.match(items, [{ email: 'ivy@acme.test', state: 'adopted' }])
    const signedIn = await app.mutate('acme', 'auth.signIn', {
      email: 'bob@acme.test',
      password: 'correct horse battery'
    })
    t.equal(signedIn.status, 200)
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

  t.test('and nothing is left of the shadow', async (t) => {
    t.equal(await countShadowRows(acme), 0)
    t.match(await acme.query('scimShadow.summary', { connectionId }), { error: { reason: 'notInShadow' } })
  })

  t.test('all of it can be undone as any other thing that the connection did', async (t) => {
    const undone = await acme.mutate('history.preview', { connectionId, since: '2026-01-01T00:00:00Z' })
    t.equal(undone.status, 405)
    const { data } = await acme.query('history.preview', { connectionId, since: '2026-01-01T00:00:00Z' })
    t.match(data.counts, { users: 7, groups: 2, refused: 0 })
  })
})

test('what changes on both sides', async (t) => {
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

  t.test('is told attribute by attribute, and stays as the tenant has it', async (t) => {
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
    // names that change hands within the shadow are nobody else's
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

  t.test('the rest goes live', async (t) => {
    const { data: preferring } = await acme.query('scimShadow.list', {
      connectionId,
      prefer: 'provider',
      filter: 'change'
    })
    t.match(
      preferring.items.find(({ id }: { id: string }) => id === bothId),
      {
        conflicts: [],
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

  t.test('the last administrator stays', async (t) => {
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

test('whose value counts, person by person', async (t) => {
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

  t.test('is decided for one and leaves the others as they are', async (t) => {
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
    t.match(await one(annId), { isContested: true, prefer: 'provider', effect: 'change', conflicts: [] })
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

  t.test('is for administrators, and for those whom the shadow began with', async (t) => {
    const { body } = await scim.post('/Users', person('new', 'decided'))
    t.equal((await decide(body.id, 'tenant')).status, 404)
    t.equal((await decide(annId, 'tenant', 'group')).status, 404)
    const cookie = await signInAs(app.owner, tenant.id, annId)
    const asked = { connectionId, kind: 'user', id: annId, prefer: 'provider' }
    t.equal((await app.mutate('decided', 'scimShadow.decide', asked, { cookie })).status, 403)
  })

  t.test('is what goes live', async (t) => {
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

  t.test('shows there on demand, but for whom the identity provider has changed itself', async (t) => {
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

  t.test('and is not the identity provider’s doing', async (t) => {
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

test('the end of a shadow', async (t) => {
  const acme = await openHistory(t, 'end')
  const { app, tenant } = acme

  t.test('an identity provider that goes on while it goes live loses nothing', async (t) => {
    const { scim, connectionId } = await openShadow(acme, 'Busy')
    for (let i = 0; i < 20; i++) await scim.createUser(person(`early${i}`, 'end'))
    const acknowledged: string[] = []
    const answers = new Map<number, number>()
    let isLive = false
    const write = async (worker: number) => {
      for (let i = 0; !isLive || i < 10; i++) {
        // an injected request that is refused at once asks nothing of the event loop
        await setImmediate()
        const reply = await scim.post('/Users', person(`w${worker}-${i}`, 'end'))
        answers.set(reply.status, (answers.get(reply.status) ?? 0) + 1)
        if (reply.status === 201) acknowledged.push(reply.body.id)
        else t.ok(Number(reply.headers['retry-after']) > 0, `${reply.status} says when to try again`)
      }
    }
    const writers = [1, 2, 3].map(write)
    const live = await acme.mutate('scimShadow.goLive', { connectionId })
    isLive = true
    await Promise.all(writers)
    t.equal(live.status, 200)
    t.same(
      [...answers.keys()].filter((status) => status !== 201 && status !== 503),
      []
    )
    const { rows } = await sql<{ id: string }>`
      select id from users where tenant_id = ${tenant.id} and user_name like 'w%'`.execute(app.owner)
    t.same(rows.map(({ id }) => id).sort(), acknowledged.sort(), 'whoever was acknowledged is there')
    t.equal(await countShadowRows(acme), 0)
  })

  t.test('a process that has not heard of it yet writes into nothing', async (t) => {
    const { scim, connectionId, shadowId } = await openShadow(acme, 'Deaf')
    const { body } = await scim.post('/Users', person('deaf', 'end'))
    // what going live does first; nobody is told of it
    await app.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', shadowId).execute()
    const replies = [
      await scim.post('/Users', person('late', 'end')),
      await scim.patch(`/Users/${body.id}`, [{ op: 'replace', path: 'title', value: 'Late' }]),
      await scim.patch(`/Users/${body.id}`, [{ op: 'replace', path: 'active', value: false }]),
      await scim.post('/Groups', { schemas: [GROUP], displayName: 'Late' }),
      await scim.delete(`/Users/${body.id}`)
    ]
    t.same(
      replies.map(({ status }) => status),
      [503, 503, 503, 503, 503]
    )
    t.ok(replies.every(({ headers }) => Number(headers['retry-after']) > 0))
    await acme.mutate('scimConnections.remove', { connectionId })
    t.equal(await countShadowRows(acme), 0, 'and it goes with its connection')
  })

  t.test('whom it was refused waits for a decision there, and in the tenant once it is live', async (t) => {
    const [ownerId, otherId] = (await insertPeople(app.owner, tenant.id, [
      { email: 'off@end.test' },
      { email: 'other@end.test' }
    ])) as [string, string]
    for (const userId of [ownerId, otherId]) await acme.mutate('users.deactivate', { userId })
    const { scim, connectionId } = await openShadow(acme, 'Judged')
    t.equal((await scim.post('/Users', person('off', 'end'))).status, 409)
    t.match((await acme.query('scimConflicts.count', undefined)).data, { open: 0 }, 'not in the tenant')
    t.match((await acme.query('scimShadow.summary', { connectionId })).data, { refused: 1 })
    const [found] = (await acme.query('scimConflicts.list', { connectionId })).data.items
    t.match(found, { reason: 'deactivated', candidates: [{ id: ownerId }] })
    const decision = { conflictId: found.id, decision: 'adopt', userId: ownerId }
    t.equal((await acme.mutate('scimConflicts.decide', decision)).status, 404)
    t.equal((await acme.mutate('scimConflicts.decide', { ...decision, connectionId })).status, 200)
    t.match(await scim.post('/Users', person('off', 'end')), { status: 201, body: { id: ownerId } })
    t.equal((await scim.post('/Users', person('other', 'end'))).status, 409)
    t.match((await acme.query('scimShadow.summary', { connectionId })).data.counts, { users: { link: 1 } })
    t.equal((await acme.mutate('scimShadow.goLive', { connectionId })).status, 200)
    t.match((await scim.get(`/Users/${ownerId}`)).body, { active: true, externalId: 'x-off' })
    t.match((await acme.query('scimConflicts.list', {})).data.items, [
      { connection: { name: 'Judged' }, candidates: [{ id: otherId }] }
    ])
  })

  t.test('what a process left behind when it ended is cleaned up', async (t) => {
    const { connectionId, shadowId } = await openShadow(acme, 'Left')
    await app.owner.deleteFrom('scim_shadows').where('connection_id', '=', connectionId).execute()
    await app.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', shadowId).execute()
    await cleanUp(app.deps, new AbortController().signal)
    t.equal(await countShadowRows(acme), 0)
  })

  t.test('discarding forgets it, and ends the tokens', async (t) => {
    const before = await dump(acme, tenant.id)
    const { scim, connectionId } = await openShadow(acme, 'Wrong')
    await scim.createUser(person('wrong', 'end'))
    t.match(await acme.mutate('scimShadow.open', { connectionId }), { error: { reason: 'alreadyShadow' } })
    t.equal((await acme.mutate('scimShadow.discard', { connectionId })).status, 200)
    t.equal(await countShadowRows(acme), 0)
    t.equal((await scim.get('/Users')).status, 401)
    t.match(await acme.mutate('scimShadow.discard', { connectionId }), { error: { reason: 'notInShadow' } })
    const after = await dump(acme, tenant.id)
    for (const table of ['users', 'groups', 'group_members', 'addresses', 'user_emails', 'resource_counts']) {
      t.equal(after[table], before[table], table)
    }
  })

  t.test('a connection that is there can be put into shadow mode, no more than three at once', async (t) => {
    const { scim, connectionId } = await acme.connect('Live')
    const user = await scim.createUser(person('live', 'end'))
    t.equal((await acme.mutate('scimShadow.open', { connectionId })).status, 200)
    t.match(await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'Shadowy' }]), {
      body: { title: 'Shadowy' }
    })
    const { rows } = await sql<{
      doc: string
    }>`select doc from users where tenant_id = ${tenant.id} and id = ${user.id}`.execute(app.owner)
    t.notMatch(rows[0]!.doc, 'Shadowy')
    for (const name of ['second', 'third']) await openShadow(acme, name)
    const fourth = await acme.mutate('scimTokens.create', { name: 'fourth', shadow: true })
    t.match(fourth, { status: 409, error: { reason: 'tooManyShadows' } })
    const { items } = (await acme.query('scimTokens.list', {})).data
    t.equal(items.find(({ name }: { name: string }) => name === 'fourth').revoked, true, 'no token works without one')
    const sent = async () =>
      (await acme.query('wireLog.list', { connectionId })).data.items as {
        id: string
        shadow: boolean
        method: string
      }[]
    const [patch, made] = await sent()
    t.match(
      [patch, made],
      [
        { method: 'PATCH', shadow: true },
        { method: 'POST', shadow: false }
      ]
    )
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'Other' }])
    t.match((await acme.mutate('wireLog.replay', { id: patch!.id })).data, {
      now: { status: 200 },
      changes: [{ action: 'user.updated', after: { title: 'Shadowy' } }]
    })
  })

  t.test('it goes with its tenant', async (t) => {
    await app.mutate('', 'tenants.suspend', { subdomain: 'end', suspended: true }, OPERATOR)
    const removed = await app.mutate('', 'tenants.remove', { subdomain: 'end', confirm: 'end' }, OPERATOR)
    t.equal(removed.status, 200, String(removed.error?.message))
    t.equal(await countShadowRows(acme), 0)
  })
})
