import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { isOnCluster } from '../support/cluster.ts'
import { scimClient } from '../support/scim.ts'
import { countStatements } from '../support/statements.ts'
import { addTenant } from '../support/tenants.ts'
import { BULK_REQUEST, GROUP, PATCH_OP } from '../support/urns.ts'

const NOBODY = '0190cafe-0000-7000-8000-000000000000'

test('/Groups', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme', { wireLogDays: 0 })
  const scim = await scimClient(app, acme)
  const other = await scimClient(app, await addTenant(app, 'other'))
  const ada = await scim.createUser({ userName: 'ada@acme.test', displayName: 'Ada "L" Lovelace' })
  const bob = await scim.createUser({ userName: 'bob', name: { givenName: 'Bob', familyName: 'Stone' } })
  const cyd = await scim.createUser({ userName: 'cyd' })
  const BASE = 'http://acme.muster.test/scim/v2'
  const make = async (displayName: string, rest: object = {}) =>
    (await scim.post('/Groups', { schemas: [GROUP], displayName, ...rest })).body
  const values = (group: { members: { value: string }[] }) => group.members.map(({ value }) => value)

  t.test('POST answers 201 with the whole group, its URL and its version', async (t) => {
    const answer = await scim.post('/Groups', {
      schemas: [GROUP],
      externalId: 'g-1',
      displayName: 'Engineers',
      members: [{ value: ada.id }, { value: bob.id, type: 'User', display: 'ignored' }, { value: cyd.id }]
    })
    t.equal(answer.status, 201)
    const { id, meta, members, ...rest } = answer.body
    t.strictSame(rest, { schemas: [GROUP], externalId: 'g-1', displayName: 'Engineers' })
    t.strictSame(members, [
      { value: ada.id, $ref: `${BASE}/Users/${ada.id}`, display: 'Ada "L" Lovelace', type: 'User' },
      { value: bob.id, $ref: `${BASE}/Users/${bob.id}`, display: 'Bob Stone', type: 'User' },
      { value: cyd.id, $ref: `${BASE}/Users/${cyd.id}`, display: 'cyd', type: 'User' }
    ])
    t.match(meta, { resourceType: 'Group', location: `${BASE}/Groups/${id}`, version: 'W/"2"' })
    t.equal(meta.created, meta.lastModified)
    t.equal(answer.headers.location, meta.location)
    t.equal(answer.headers.etag, meta.version)
    t.match(answer.headers['content-type'], /^application\/scim\+json/)
    t.strictSame((await scim.get(`/Groups/${id}`)).body, answer.body)
  })

  t.test('a group without members has an empty list of them', async (t) => {
    t.strictSame((await make('Empty')).members, [])
    t.strictSame((await make('Also empty', { members: [] })).members, [])
    t.strictSame((await make('Null', { members: null })).members, [])
  })

  t.test('a group may contain groups besides users, and cycles are refused', async (t) => {
    const inner = await make('Inner', { members: [{ value: ada.id }] })
    const outer = await make('Outer', { members: [{ value: inner.id, type: 'Group' }, { value: bob.id }] })
    t.strictSame(outer.members, [
      { value: bob.id, $ref: `${BASE}/Users/${bob.id}`, display: 'Bob Stone', type: 'User' },
      { value: inner.id, $ref: `${BASE}/Groups/${inner.id}`, display: 'Inner', type: 'Group' }
    ])
    const refused = await scim.put(`/Groups/${inner.id}`, {
      schemas: [GROUP],
      displayName: 'Inner',
      members: [{ value: outer.id }]
    })
    t.match(refused, { status: 400, body: { scimType: 'invalidValue', detail: /contains/ } })
    t.match((await scim.get(`/Users/${ada.id}`)).body.groups, [
      { display: 'Engineers', type: 'direct' },
      { display: 'Inner', type: 'direct' },
      { display: 'Outer', type: 'indirect' }
    ])
  })

  t.test('the type that a client gives a member counts only for strict tokens', async (t) => {
    const inner = await make('Really a group')
    const mistaken = [
      { value: ada.id, type: 'Group' },
      { value: inner.id, type: 'User' }
    ]
    const { id, members } = await make('Mistaken', { members: mistaken })
    t.match(members, [{ type: 'User' }, { type: 'Group' }])
    await scim.patch(`/Groups/${id}`, [{ op: 'replace', path: 'members', value: [] }])
    t.equal((await scim.patch(`/Groups/${id}`, [{ op: 'add', path: 'members', value: mistaken }])).status, 204)
    t.match((await scim.get(`/Groups/${id}`)).body.members, [{ type: 'User' }, { type: 'Group' }])
    const strict = await scimClient(app, acme, { profile: 'strict' })
    const refused = await strict.post('/Groups', { schemas: [GROUP], displayName: 'Strict', members: mistaken })
    t.match(refused, { status: 400, body: { scimType: 'invalidValue' } })
  })

  t.test('an invalid group is refused with the reason, and nothing is made', async (t) => {
    await make('Taken', { externalId: 'taken' })
    const post = (body: unknown) => scim.post('/Groups', body)
    const of = (rest: object) => ({ schemas: [GROUP], displayName: 'Wrong', ...rest })
    t.match(await post(of({ displayName: 'TAKEN' })), { status: 409, body: { scimType: 'uniqueness', status: '409' } })
    t.match(await post(of({ externalId: 'taken' })), { status: 409, body: { scimType: 'uniqueness' } })
    t.match(await post({ schemas: [GROUP] }), { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await post(of({ displayName: '' })), { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await post(of({ displayName: 7 })), { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await post(of({ displayName: 'x'.repeat(3_000) })), { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await post(of({ members: [{ $ref: 'https://x.test/Users/1' }] })), {
      status: 400,
      body: { scimType: 'invalidValue' }
    })
    t.match(await post(of({ members: [{ value: NOBODY }, { value: 'x' }] })), {
      status: 400,
      body: { scimType: 'invalidValue', detail: new RegExp(`"${NOBODY}", "x"`) }
    })
    t.match(await post([]), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.match(await post('{"displayName":'), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.equal((await scim.get('/Groups?filter=displayName eq "wrong"')).body.totalResults, 0)
  })

  t.test('PUT replaces attributes and members, and removes what it leaves out', async (t) => {
    const { id } = await make('Before', { externalId: 'put', members: [{ value: ada.id }, { value: bob.id }] })
    const body = { schemas: [GROUP], id: 'ignored', displayName: 'After', members: [{ value: cyd.id }], meta: {} }
    const answer = await scim.put(`/Groups/${id}`, body)
    t.equal(answer.status, 200)
    t.match(answer.body, { id, displayName: 'After' })
    t.notOk('externalId' in answer.body)
    t.strictSame(values(answer.body), [cyd.id])
    t.equal(answer.headers.etag, answer.body.meta.version)
    t.strictSame((await scim.get(`/Groups/${id}`)).body, answer.body)
    const same = await scim.put(`/Groups/${id}`, body)
    t.equal(same.headers.etag, answer.headers.etag, 'the same again is no change')
    t.strictSame((await scim.put(`/Groups/${id}`, { schemas: [GROUP], displayName: 'After' })).body.members, [])
    t.match(await scim.put(`/Groups/${NOBODY}`, body), { status: 404 })
  })

  t.test('DELETE answers 204, then 404, and the members remain users', async (t) => {
    const { id } = await make('Gone', { members: [{ value: ada.id }] })
    const gone = await scim.delete(`/Groups/${id}`)
    t.strictSame([gone.status, gone.text], [204, ''])
    for (const answer of [
      await scim.delete(`/Groups/${id}`),
      await scim.get(`/Groups/${id}`),
      await scim.patch(`/Groups/${id}`, [{ op: 'add', path: 'members', value: [{ value: ada.id }] }]),
      await scim.get('/Groups/no-uuid'),
      await scim.delete('/Groups/no-uuid')
    ]) {
      t.match(answer, { status: 404, body: { status: '404', detail: 'Group not found' } })
    }
    t.equal((await scim.get(`/Users/${ada.id}`)).status, 200)
  })

  t.test('a group is seen and changed only by its tenant', async (t) => {
    const { id } = await make('Ours', { members: [{ value: ada.id }] })
    for (const answer of [
      await other.get(`/Groups/${id}`),
      await other.put(`/Groups/${id}`, { schemas: [GROUP], displayName: 'Theirs' }),
      await other.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members' }]),
      await other.delete(`/Groups/${id}`)
    ]) {
      t.equal(answer.status, 404)
    }
    t.equal((await other.get('/Groups')).body.totalResults, 0)
    const theirs = await other.post('/Groups', { schemas: [GROUP], displayName: 'Ours' })
    t.equal(theirs.status, 201, 'a name is free in another tenant')
    t.match(
      await other.patch(`/Groups/${theirs.body.id}`, [{ op: 'add', path: 'members', value: [{ value: ada.id }] }]),
      { status: 400, body: { scimType: 'invalidValue' } }
    )
    t.strictSame(values((await scim.get(`/Groups/${id}`)).body), [ada.id])
  })

  t.test('a version protects from every way of writing', async (t) => {
    const { id, meta } = await make('Versioned')
    const stale = { 'if-match': meta.version }
    const add = [{ op: 'add', path: 'members', value: [{ value: ada.id }] }]
    t.equal((await scim.get(`/Groups/${id}`, { 'if-none-match': meta.version })).status, 304)
    t.equal((await scim.patch(`/Groups/${id}`, add, stale)).status, 204)
    const fresh = await scim.get(`/Groups/${id}`, { 'if-none-match': meta.version })
    t.equal(fresh.status, 200, 'a new member is a new version')
    t.ok(fresh.body.meta.lastModified >= meta.lastModified)
    for (const answer of [
      await scim.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members' }], stale),
      await scim.patch(`/Groups/${id}`, [{ op: 'replace', path: 'displayName', value: 'Stale' }], stale),
      await scim.put(`/Groups/${id}`, { schemas: [GROUP], displayName: 'Stale' }, stale),
      await scim.delete(`/Groups/${id}`, stale)
    ]) {
      t.match(answer, { status: 412, body: { status: '412' } })
    }
    t.strictSame((await scim.get(`/Groups/${id}`)).body, fresh.body)
    t.equal((await scim.delete(`/Groups/${id}`, { 'if-match': String(fresh.headers.etag) })).status, 204)
  })

  t.test('a change answered 204 gives the next version if the request named one, also in a bulk request', async (t) => {
    const { id, meta } = await make('Versioned')
    const add = [{ op: 'add', path: 'members', value: [{ value: ada.id }] }]
    const first = await scim.patch(`/Groups/${id}`, add, { 'if-match': meta.version })
    t.match(first, { status: 204, headers: { etag: 'W/"2"' } })
    const rename = [{ op: 'replace', path: 'displayName', value: 'Versioned anew' }]
    const second = await scim.patch(`/Groups/${id}`, rename, { 'if-match': first.headers.etag as string })
    t.match(second, { status: 204, headers: { etag: 'W/"3"' } })
    t.equal((await scim.get(`/Groups/${id}`)).headers.etag, second.headers.etag)
    const { body } = await scim.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: [
        {
          method: 'PATCH',
          path: `/Groups/${id}`,
          version: 'W/"3"',
          data: {
            schemas: [PATCH_OP],
            Operations: [{ op: 'remove', path: 'members' }]
          }
        }
      ]
    })
    t.match(body.Operations, [{ status: '204', version: 'W/"4"' }])
    t.notOk((await scim.patch(`/Groups/${id}`, add)).headers.etag, 'for who asks for none it is not counted')
  })

  t.test('one of ten that write the version which they read succeeds', async (t) => {
    const { id, meta } = await make('Contended')
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        scim.patch(
          `/Groups/${id}`,
          index % 2
            ? [{ op: 'add', path: 'members', value: [{ value: [ada.id, bob.id, cyd.id][index % 3] }] }]
            : [{ op: 'replace', path: 'externalId', value: `contended ${index}` }],
          { 'if-match': meta.version }
        )
      )
    )
    t.strictSame(answers.map(({ status }) => status).sort(), [204, ...Array(9).fill(412)])
  })

  t.test('attributes choose what an answer contains', async (t) => {
    const { id } = await make('Chosen', { externalId: 'chosen', members: [{ value: ada.id }] })
    const get = async (query: string) => (await scim.get(`/Groups/${id}?${query}`)).body
    t.notOk('members' in (await get('excludedAttributes=members')))
    t.match(await get('excludedAttributes=MEMBERS'), { displayName: 'Chosen', externalId: 'chosen', meta: {} })
    t.strictSame(await get('attributes=displayName'), { id, schemas: [GROUP], displayName: 'Chosen' })
    t.strictSame((await get('attributes=members.value')).members, [{ value: ada.id }])
    t.notOk('display' in (await get('excludedAttributes=members.display')).members[0])
    const posted = await scim.post('/Groups?attributes=id', { schemas: [GROUP], displayName: 'Only the id' })
    t.strictSame(Object.keys(posted.body).sort(), ['id', 'schemas'])
    const put = await scim.put(`/Groups/${id}?excludedAttributes=members,meta`, {
      schemas: [GROUP],
      displayName: 'Chosen'
    })
    t.strictSame(put.body, { id, schemas: [GROUP], displayName: 'Chosen' })
    t.match(await scim.get(`/Groups/${id}?attributes=id&excludedAttributes=members`), { status: 400 })
    t.strictSame(await get('Attributes=displayName'), { id, schemas: [GROUP], displayName: 'Chosen' })
    const patched = await scim.patch(`/Groups/${id}?ATTRIBUTES=id`, [{ op: 'add', path: 'externalId', value: 'e' }])
    t.match(patched, { status: 200, body: { id, schemas: [GROUP] } })
  })

  t.test('one group is read in one statement', async (t) => {
    const { id } = await make('One statement', { members: [{ value: ada.id }] })
    // on a cluster BEGIN, the setting and COMMIT are around it
    const one = isOnCluster ? 4 : 1
    t.equal(await countStatements(() => scim.get(`/Groups/${id}`)), one)
    t.equal(await countStatements(() => scim.get(`/Groups/${id}?excludedAttributes=members`)), one)
  })

  t.test('a connection that sees only its own does not find others’ groups and members', async (t) => {
    const own = await addTenant(app, 'own', { scimScope: 'own' })
    const okta = await scimClient(app, own)
    const entra = await scimClient(app, own)
    const mine = await okta.createUser({ userName: 'mine' })
    const theirs = await entra.createUser({ userName: 'theirs' })
    const group = await okta.post('/Groups', { schemas: [GROUP], displayName: 'Okta', members: [{ value: mine.id }] })
    t.equal((await entra.get(`/Groups/${group.body.id}`)).status, 404)
    t.equal((await entra.get('/Groups')).body.totalResults, 0)
    t.equal((await okta.get('/Groups')).body.totalResults, 1)
    const add = [{ op: 'add', path: 'members', value: [{ value: theirs.id }] }]
    t.match(await okta.patch(`/Groups/${group.body.id}`, add), { status: 400, body: { scimType: 'invalidValue' } })
    t.equal((await entra.delete(`/Groups/${group.body.id}`)).status, 404)
  })
})
