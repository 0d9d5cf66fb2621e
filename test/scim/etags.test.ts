// Versions as ETags: what a client already has, and what it may change.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { GROUP, SCIM_ERROR, USER } from '../support/urns.ts'

test('ETags', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const make = (() => {
    let count = 0
    return () => scim.createUser({ userName: `user${++count}@acme.test` })
  })()

  t.test('are the same in the header and meta.version, and change with each change', async (t) => {
    const { id, meta } = await make()
    t.equal(meta.version, 'W/"1"')
    const patched = await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'title', value: 'T' }])
    t.equal(patched.headers.etag, 'W/"2"')
    t.equal(patched.body.meta.version, 'W/"2"')
    t.ok(patched.body.meta.lastModified > meta.lastModified)
    t.equal(patched.body.meta.created, meta.created)
    t.equal(patched.headers.location, meta.location)
    const got = await scim.get(`/Users/${id}`)
    t.equal(got.headers.etag, 'W/"2"')
  })

  t.test('let GET answer 304 without a body if If-None-Match names the version', async (t) => {
    const { id } = await make()
    for (const tag of ['W/"1"', '"1"', '*', 'W/"7", W/"1"', 'W/"1",W/"7"']) {
      const { status, text, headers } = await scim.get(`/Users/${id}`, { 'if-none-match': tag })
      t.equal(status, 304, tag)
      t.equal(text, '')
      t.equal(headers.etag, 'W/"1"')
    }
    for (const tag of ['W/"2"', '"11"', 'nonsense', '']) {
      t.equal((await scim.get(`/Users/${id}`, { 'if-none-match': tag })).status, 200, tag)
    }
  })

  t.test('let GET of a user answer 304 only if no group that it shows can have changed', async (t) => {
    const { id, meta } = await make()
    const known = { 'if-none-match': meta.version }
    const url = `/Users/${id}`
    const isRead = async (groups: string[] | undefined, what: string) => {
      const { status, body } = await scim.get(url, known)
      t.equal(status, 200, what)
      t.equal(body.meta.version, meta.version, 'the version is that of the row')
      t.strictSame(
        body.groups?.map(({ display }: { display: string }) => display),
        groups
      )
    }
    t.equal((await scim.get(url, known)).status, 304, 'of somebody who has never been in a group')
    const group = { schemas: [GROUP], displayName: 'Sales', members: [{ value: id }] }
    const sales = (await scim.post('/Groups', group)).body.id
    await isRead(['Sales'], 'joined')
    await scim.patch(`/Groups/${sales}`, [{ op: 'replace', path: 'displayName', value: 'Trade' }])
    await isRead(['Trade'], 'renamed')
    const outer = { schemas: [GROUP], displayName: 'Outer', members: [{ value: sales }] }
    const around = (await scim.post('/Groups', outer)).body.id
    await isRead(['Trade', 'Outer'], 'nested')
    await scim.delete(`/Groups/${around}`)
    await scim.patch(`/Groups/${sales}`, [{ op: 'remove', path: 'members' }])
    await isRead(undefined, 'left: whoever read the group would keep it')
    await scim.delete(`/Groups/${sales}`)
    await isRead(undefined, 'and so when the group is gone')
    for (const query of ['excludedAttributes=groups', 'attributes=userName,meta']) {
      t.equal((await scim.get(`${url}?${query}`, known)).status, 304, `${query}: shows no groups`)
    }
    t.equal((await scim.get(`${url}?attributes=groups`, known)).status, 200)
    t.equal((await scim.get(url, { 'if-none-match': '*' })).status, 304, 'asks for no version')
  })

  t.test('let GET answer 304 only for versions newer than deleted past memberships', async (t) => {
    const kept = await scimClient(app, await addTenant(app, 'kept', { auditRetentionDays: 30 }))
    const { id, meta } = await kept.createUser({ userName: 'kept@acme.test' })
    const read = async (version: string) => (await kept.get(`/Users/${id}`, { 'if-none-match': version })).status
    t.equal(await read(meta.version), 304)
    app.clock.advance({ hours: 30 * 24 })
    t.equal(await read(meta.version), 200)
    const { body } = await kept.patch(`/Users/${id}`, [{ op: 'add', path: 'title', value: 'T' }])
    t.equal(await read(body.meta.version), 304)
  })

  t.test('let GET of a group answer 304 only if it shows no member whose name may have changed', async (t) => {
    const user = await scim.createUser({ userName: 'named@acme.test', displayName: 'Ann' })
    const group = { schemas: [GROUP], displayName: 'Named', members: [{ value: user.id }] }
    const { id, meta } = (await scim.post('/Groups', group)).body
    const known = { 'if-none-match': meta.version }
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'displayName', value: 'Anna' }])
    const { status, body } = await scim.get(`/Groups/${id}`, known)
    t.equal(status, 200)
    t.match(body, { members: [{ display: 'Anna' }], meta: { version: meta.version } })
    t.equal((await scim.get(`/Groups/${id}?excludedAttributes=members`, known)).status, 304)
    const empty = (await scim.post('/Groups', { schemas: [GROUP], displayName: 'Empty' })).body
    t.equal((await scim.get(`/Groups/${empty.id}`, { 'if-none-match': empty.meta.version })).status, 304)
  })

  t.test('do not let GET answer 304 for a group that only looks empty to a token', async (t) => {
    const own = await addTenant(app, 'own', { scimScope: 'own' })
    const theirs = await scimClient(app, own)
    const { id, meta } = (await theirs.post('/Groups', { schemas: [GROUP], displayName: 'Own' })).body
    t.equal((await theirs.get(`/Groups/${id}`, { 'if-none-match': meta.version })).status, 200)
  })

  t.test('make PUT, PATCH and DELETE answer 412 if If-Match names another version, and change nothing', async (t) => {
    const { id } = await make()
    const { body } = await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'title', value: 'T' }])
    for (const tag of ['W/"1"', '"1"', 'W/"1", W/"3"', 'W/"22"', '']) {
      const headers = { 'if-match': tag }
      for (const reply of await Promise.all([
        scim.put(`/Users/${id}`, { schemas: [USER], userName: 'x' }, headers),
        scim.patch(`/Users/${id}`, [{ op: 'remove', path: 'title' }], headers),
        scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }], headers),
        scim.delete(`/Users/${id}`, headers)
      ])) {
        t.equal(reply.status, 412, tag)
        t.match(reply.body, { status: '412', detail: /changed/ })
      }
    }
    t.same((await scim.get(`/Users/${id}`)).body, body)
  })

  t.test('make PUT, PATCH and DELETE answer 412 if If-None-Match names this version, and change nothing', async (t) => {
    const user = await make()
    const group = (await scim.post('/Groups', { schemas: [GROUP], displayName: 'Guarded' })).body
    const members = [{ op: 'add', path: 'members', value: [{ value: user.id }] }]
    for (const tag of ['*', 'W/"1"', '"1"', 'W/"7", W/"1"']) {
      const headers = { 'if-none-match': tag }
      for (const reply of [
        await scim.put(`/Users/${user.id}`, { schemas: [USER], userName: 'x' }, headers),
        await scim.patch(`/Users/${user.id}`, [{ op: 'add', path: 'title', value: 'T' }], headers),
        await scim.delete(`/Users/${user.id}`, headers),
        await scim.put(`/Groups/${group.id}`, { schemas: [GROUP], displayName: 'x' }, headers),
        await scim.patch(`/Groups/${group.id}`, members, headers),
        await scim.delete(`/Groups/${group.id}`, headers)
      ]) {
        t.match(reply, { status: 412, body: { schemas: [SCIM_ERROR], status: '412', detail: /If-None-Match/ } }, tag)
      }
    }
    t.same((await scim.get(`/Users/${user.id}`)).body, user)
    t.same((await scim.get(`/Groups/${group.id}`)).body, group)
    const other = { 'if-none-match': 'W/"7"' }
    t.equal((await scim.patch(`/Groups/${group.id}`, members, other)).status, 204, 'not where it names another')
    t.equal((await scim.delete(`/Users/${user.id}`, other)).status, 204)
    t.equal((await scim.delete(`/Users/${user.id}`, { 'if-none-match': '*' })).status, 404, 'nor where nothing is')
    const anew = { schemas: [USER], userName: 'anew@acme.test' }
    t.equal((await scim.post('/Users', anew, { 'if-none-match': '*' })).status, 201, 'a POST makes another resource')
  })

  t.test('make GET answer 412 if If-Match names another version', async (t) => {
    const { id } = await make()
    const group = (await scim.post('/Groups', { schemas: [GROUP], displayName: 'Read' })).body
    for (const path of [`/Users/${id}`, `/Groups/${group.id}`]) {
      const stale = await scim.get(path, { 'if-match': 'W/"9"' })
      t.match(stale, { status: 412, body: { schemas: [SCIM_ERROR], status: '412', detail: /changed/ } })
      const both = { 'if-match': 'W/"9"', 'if-none-match': 'W/"1"' }
      t.equal((await scim.get(path, both)).status, 412, 'which comes before If-None-Match')
      for (const tag of ['W/"1"', '"1"', '*']) t.equal((await scim.get(path, { 'if-match': tag })).status, 200, tag)
    }
  })

  t.test('let requests through if If-Match names this version, in any form', async (t) => {
    const { id } = await make()
    const title = (value: string) => [{ op: 'replace', path: 'title', value }]
    t.equal((await scim.patch(`/Users/${id}`, title('a'), { 'if-match': 'W/"1"' })).status, 200)
    t.equal((await scim.patch(`/Users/${id}`, title('b'), { 'if-match': '"2"' })).status, 200)
    t.equal((await scim.patch(`/Users/${id}`, title('c'), { 'if-match': 'W/"9", W/"3"' })).status, 200)
    t.equal(
      (await scim.put(`/Users/${id}`, { schemas: [USER], userName: 'z@acme.test' }, { 'if-match': '*' })).status,
      200
    )
    t.equal((await scim.delete(`/Users/${id}`, { 'if-match': 'W/"5"' })).status, 204)
  })

  t.test('stay the same if nothing changes, and If-Match is checked all the same', async (t) => {
    const { id, meta } = await make()
    const same = [{ op: 'replace', path: 'active', value: true }]
    const { body } = await scim.patch(`/Users/${id}`, same)
    t.same(body.meta, meta)
    t.equal((await scim.patch(`/Users/${id}`, same, { 'if-match': 'W/"9"' })).status, 412)
  })
})
