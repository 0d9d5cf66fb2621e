// Users over the protocol: created, read, replaced, deleted; what is returned and what is not.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { insertPerson } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { ENTERPRISE, SCIM_ERROR, USER } from '../support/urns.ts'

test('users', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const rowOf = (id: string) => app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

  t.test('POST answers 201 with the resource, its location and its version', async (t) => {
    const { status, body, headers } = await scim.post('/Users', {
      schemas: [USER, ENTERPRISE],
      userName: 'ada@acme.test',
      externalId: 'A1',
      name: { familyName: 'Lovelace', givenName: 'Ada' },
      emails: [{ value: 'ada@acme.test', type: 'work', primary: true }],
      [ENTERPRISE]: { department: 'Engines', manager: { value: 'm1' } }
    })
    t.equal(status, 201)
    t.equal(headers['content-type'], 'application/scim+json; charset=utf-8')
    t.equal(headers.location, `http://acme.muster.test/scim/v2/Users/${body.id}`)
    t.equal(headers.etag, 'W/"1"')
    t.match(body, {
      schemas: [USER, ENTERPRISE],
      active: true,
      [ENTERPRISE]: { manager: { value: 'm1', $ref: 'http://acme.muster.test/scim/v2/Users/m1' } },
      meta: { resourceType: 'User', location: headers.location, version: 'W/"1"' }
    })
    t.same((await scim.get(`/Users/${body.id}`)).body, body, 'and GET answers the same')
    t.match(await rowOf(body.id), { state: 'active', role: 'responder', email_key: 'ada@acme.test', external_id: 'A1' })
  })

  t.test('a user without an address can be provisioned, and holds no address', async (t) => {
    const { id } = await scim.createUser({ userName: 'robot' })
    t.match(await rowOf(id), { email: null, email_key: null })
    t.equal((await app.owner.selectFrom('addresses').select('user_id').where('user_id', '=', id).execute()).length, 0)
  })

  t.test('active: false creates a user who is deactivated from the start', async (t) => {
    const user = await scim.createUser({ userName: 'later@acme.test', active: false })
    t.equal(user.active, false)
    t.match(await rowOf(user.id), { state: 'deactivated', activated_at: null })
  })

  t.test('a password is stored as a hash, and never returned', async (t) => {
    const user = await scim.createUser({ userName: 'secret@acme.test', password: 'correct horse battery' })
    t.notOk('password' in user)
    const get = await scim.get(`/Users/${user.id}?attributes=password,userName`)
    t.notOk('password' in get.body, 'also not when it is asked for')
    const { password_hash } = await app.owner
      .selectFrom('user_credentials')
      .select('password_hash')
      .where('user_id', '=', user.id)
      .executeTakeFirstOrThrow()
    t.ok(await app.deps.auth.passwords.verify('correct horse battery', password_hash))
    const events = await app.owner.selectFrom('audit_events').selectAll().where('target_id', '=', user.id).execute()
    t.notMatch(JSON.stringify(events), /correct horse|\$2b/, 'and neither is in the log')
    const filtered = await scim.get('/Users?filter=password%20eq%20%22correct%20horse%20battery%22')
    t.match(filtered.body, { status: '400', scimType: 'invalidFilter' })
  })

  t.test('userName is required', async (t) => {
    for (const body of [
      { schemas: [USER] },
      { schemas: [USER], userName: '' },
      { schemas: [USER], userName: ' ' },
      { schemas: [USER], userName: null }
    ]) {
      const { body: error } = await scim.post('/Users', body)
      t.match(error, { status: '400', scimType: 'invalidValue', detail: /userName/ })
    }
  })

  t.test('a client’s id, meta and groups are ignored', async (t) => {
    const user = await scim.createUser({
      id: '00000000-0000-4000-8000-000000000000',
      userName: 'mine@acme.test',
      meta: { created: '2001-01-01T00:00:00Z', version: 'W/"9"' },
      groups: [{ value: 'x' }]
    })
    t.not(user.id, '00000000-0000-4000-8000-000000000000')
    t.match(user.meta, { version: 'W/"1"' })
    t.notOk('groups' in user)
  })

  t.test('PUT removes what it leaves out, except active and the role', async (t) => {
    const user = await scim.createUser({
      userName: 'put@acme.test',
      displayName: 'Put',
      title: 'T',
      emails: [{ value: 'put@acme.test' }, { value: 'second@acme.test', type: 'home' }],
      active: false
    })
    const { status, body } = await scim.put(`/Users/${user.id}`, {
      schemas: [USER],
      userName: 'put2@acme.test',
      emails: [{ value: 'put@acme.test' }]
    })
    t.equal(status, 200)
    t.same(Object.keys(body).sort(), ['active', 'emails', 'id', 'meta', 'schemas', 'userName'])
    t.equal(body.active, false, 'D6')
    t.equal(body.meta.version, 'W/"2"')
    t.equal(body.meta.created, user.meta.created)
    t.same((await scim.get(`/Users/${user.id}`)).body, body)
    t.match((await scim.get('/Users?filter=emails.value%20eq%20%22second@acme.test%22')).body, { totalResults: 0 })
  })

  t.test('a PUT of what was read changes nothing', async (t) => {
    const user = await scim.createUser({ userName: 'same@acme.test', displayName: 'Same', title: 'T' })
    const { body } = await scim.put(`/Users/${user.id}`, user)
    t.same(body, user, 'not even the version')
    const person = { email: 'joined@acme.test', displayName: 'Jo Ng', givenName: 'Jo', familyName: 'Ng' }
    const id = await insertPerson(app.owner, acme.id, person)
    const joined = (await scim.get(`/Users/${id}`)).body
    t.same(
      (await scim.put(`/Users/${id}`, joined)).body,
      joined,
      'also where what people tell is stored in another order'
    )
    const events = await app.owner.selectFrom('audit_events').select('id').where('target_id', '=', id).execute()
    t.equal(events.length, 0)
    const renamed = { ...joined, displayName: 'Ng Jo' }
    t.match((await scim.put(`/Users/${id}`, renamed)).body, { displayName: 'Ng Jo', meta: { version: 'W/"2"' } })
  })

  t.test('DELETE hides the user, and frees userName and address for others', async (t) => {
    const user = await scim.createUser({ userName: 'gone@acme.test', externalId: 'G1' })
    t.equal((await scim.delete(`/Users/${user.id}`)).status, 204)
    for (const ask of [
      scim.get(`/Users/${user.id}`),
      scim.delete(`/Users/${user.id}`),
      scim.put(`/Users/${user.id}`, { schemas: [USER], userName: 'x' }),
      scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'x' }])
    ]) {
      t.match((await ask).body, { schemas: [SCIM_ERROR], status: '404' })
    }
    const globex = await scimClient(app, await addTenant(app, 'globex'))
    t.match(await globex.createUser({ userName: 'gone@acme.test' }), { active: true })
    t.match(await scim.createUser({ userName: 'gone@acme.test', emails: [{ value: 'new@acme.test' }] }), {
      active: true
    })
  })

  t.test('a user of another tenant does not exist', async (t) => {
    const user = await scim.createUser({ userName: 'hidden@acme.test' })
    const other = await scimClient(app, await addTenant(app, 'initech'))
    for (const ask of [
      other.get(`/Users/${user.id}`),
      other.delete(`/Users/${user.id}`),
      other.put(`/Users/${user.id}`, { schemas: [USER], userName: 'x' }),
      other.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'x' }])
    ]) {
      t.equal((await ask).status, 404)
    }
    t.match((await other.get('/Users')).body, { totalResults: 0, Resources: EMPTY })
    t.match((await other.get(`/Users?filter=id%20eq%20%22${user.id}%22`)).body, { totalResults: 0 })
  })

  t.test('attributes and excludedAttributes choose what POST, PUT, PATCH and GET answer', async (t) => {
    const body = {
      schemas: [USER],
      userName: 'few@acme.test',
      displayName: 'Few',
      name: { givenName: 'F', familyName: 'W' }
    }
    const made = await scim.post('/Users?attributes=userName', body)
    t.same(Object.keys(made.body).sort(), ['id', 'schemas', 'userName'])
    const { id } = made.body
    const got = await scim.get(`/Users/${id}?excludedAttributes=name.givenName,displayName,meta`)
    t.same(Object.keys(got.body).sort(), ['active', 'id', 'name', 'schemas', 'userName'])
    t.same(got.body.name, { familyName: 'W' })
    const patched = await scim.patch(`/Users/${id}?attributes=title`, [{ op: 'add', path: 'title', value: 'T' }])
    t.same(patched.body, { schemas: [USER], id, title: 'T' })
    const replaced = await scim.put(`/Users/${id}?attributes=id`, body)
    t.same(Object.keys(replaced.body).sort(), ['id', 'schemas'])
    t.match((await scim.get(`/Users/${id}?attributes=id&excludedAttributes=name`)).body, { scimType: 'invalidValue' })

    t.test('in any letter case', async (t) => {
      const strict = await scimClient(app, acme, { profile: 'strict' })
      for (const [client, userName] of [
        [scim, 'cased@acme.test'],
        [strict, 'strict@acme.test']
      ] as const) {
        const person = { schemas: [USER], userName, title: 'T' }
        const { body } = await client.post('/Users?Attributes=title', person)
        t.same(body, { schemas: [USER], id: body.id, title: 'T' })
        const url = `/Users/${body.id}`
        t.same((await client.get(`${url}?ATTRIBUTES=title`)).body, body)
        t.same((await client.get(`${url}?ExcludedAttributes=userName,active,meta`)).body, body)
        t.same((await client.put(`${url}?aTTRIBUTES=title`, person)).body, body)
        t.same((await client.patch(`${url}?Attributes=title`, [{ op: 'remove', path: 'title' }])).body, {
          schemas: [USER],
          id: body.id
        })
        t.same((await client.get(`${url}?attributes=title&Attributes=userName`)).body, {
          schemas: [USER],
          id: body.id,
          userName
        })
        t.equal((await client.get(`${url}?attributes=id&ExcludedAttributes=name`)).status, 400)
      }
    })
  })

  t.test('people who were invited are listed as active, with their role', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'invited@acme.test', state: 'invited', role: 'manager' })
    t.match((await scim.get(`/Users/${id}`)).body, {
      userName: 'invited@acme.test',
      active: true,
      roles: [{ value: 'manager', primary: true }]
    })
  })

  t.test('people who were invited have a name, as Okta requires', async (t) => {
    const nameOf = async (email: string, displayName?: string) => {
      const id = await insertPerson(app.owner, acme.id, { email, displayName })
      const strict = await scimClient(app, acme, { profile: 'strict' })
      t.notOk('name' in (await strict.get(`/Users/${id}`)).body, 'but none that is not theirs for a strict token')
      return (await scim.get(`/Users/${id}`)).body.name
    }
    t.same(await nameOf('grace.brewster.hopper@acme.test'), { givenName: 'grace brewster', familyName: 'hopper' })
    t.same(await nameOf('admin@acme.test'), { givenName: 'admin', familyName: 'admin' })
    t.same(await nameOf('kj@acme.test', 'Katherine Johnson'), { givenName: 'Katherine', familyName: 'Johnson' })
    t.notOk('name' in (await scim.createUser({ userName: 'nameless@acme.test', roles: [{ value: 'responder' }] })))
  })

  t.test('a change is logged with the changed attributes only, and with who made it', async (t) => {
    const okta = await scimClient(app, acme, { name: 'okta' })
    const user = await okta.createUser({ userName: 'log@acme.test', displayName: 'Before', title: 'T' })
    await okta.patch(`/Users/${user.id}`, [
      { op: 'replace', path: 'displayName', value: 'After' },
      { op: 'add', path: `${ENTERPRISE}:department`, value: 'D' }
    ])
    await okta.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'active', value: false }])
    const events = await app.owner
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', user.id)
      .orderBy('id')
      .execute()
    t.match(
      events.map((event) => [event.action, event.actor_kind, event.actor_name]),
      [
        ['user.created', 'scimToken', 'okta'],
        ['user.updated', 'scimToken', 'okta'],
        ['user.deactivated', 'scimToken', 'okta']
      ]
    )
    t.same(JSON.parse(events[1]!.before!), { displayName: 'Before' })
    t.same(JSON.parse(events[1]!.after!), { displayName: 'After', [ENTERPRISE]: { department: 'D' } })
  })

  t.test('groups of a user are shown, direct and indirect, unless they are left out', async (t) => {
    const user = await scim.createUser({ userName: 'member@acme.test' })
    const inner = await scim.post('/Groups', { displayName: 'Inner "quoted"', members: [{ value: user.id }] })
    const outer = await scim.post('/Groups', {
      displayName: 'Outer',
      members: [{ value: inner.body.id, type: 'Group' }]
    })
    const base = 'http://acme.muster.test/scim/v2/Groups'
    const groups = [
      { value: inner.body.id, $ref: `${base}/${inner.body.id}`, display: 'Inner "quoted"', type: 'direct' },
      { value: outer.body.id, $ref: `${base}/${outer.body.id}`, display: 'Outer', type: 'indirect' }
    ]
    t.same((await scim.get(`/Users/${user.id}`)).body.groups, groups)
    t.same((await scim.get(`/Users?filter=id%20eq%20%22${user.id}%22`)).body.Resources[0].groups, groups)
    t.same(
      (await scim.patch(`/Users/${user.id}`, [{ op: 'add', path: 'title', value: 'T' }])).body.groups,
      groups,
      'also in the answer to a change'
    )
    t.notOk('groups' in (await scim.get(`/Users/${user.id}?excludedAttributes=groups`)).body)
    t.same((await scim.get(`/Users/${user.id}?attributes=groups.display`)).body.groups, [
      { display: 'Inner "quoted"' },
      { display: 'Outer' }
    ])
    t.equal((await scim.delete(`/Users/${user.id}`)).status, 204, 'a member can be deleted')
    t.same((await scim.get(`/Groups/${inner.body.id}`)).body.members, [], 'and the membership goes too')
  })
})
